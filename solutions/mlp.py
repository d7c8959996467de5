"""Multi-layer perceptrons, from one affine map to a trained classifier."""

from keras import ops


def softmax(logits):
    """Turn each row of scores into probabilities.

    Args:
        logits: Float tensor, `(batch, classes)`; any real numbers, large ones too.

    Returns:
        Float tensor, `(batch, classes)`: positive, each row sums to 1.

    Example:
        >>> print(ops.convert_to_numpy(softmax(ops.array([[0.0, 0.0]]))))
        [[0.5 0.5]]

    Reference:
        Bishop, 2006, Pattern Recognition and Machine Learning, section 4.2, equation 4.62.
    """
    # A constant added to a row changes nothing, so shift the largest score to 0: exp can then not overflow.
    shifted = logits - ops.max(logits, axis=-1, keepdims=True)
    exponentials = ops.exp(shifted)
    return exponentials / ops.sum(exponentials, axis=-1, keepdims=True)
