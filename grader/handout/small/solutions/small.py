"""Reference implementations of the unit: a module per unit, a function or class per exercise."""

from keras import ops


def rescale(x):
    """Move each feature to the range from 0 to 1.

    Args:
        x: Float tensor, `(samples, features)`; no feature is constant.

    Returns:
        Float tensor, `(samples, features)`: in each column the smallest number is 0 and the largest 1.

    Example:
        >>> print(ops.convert_to_numpy(rescale(ops.array([[1.0], [3.0], [2.0]]))).ravel())
        [0.  1.  0.5]
    """
    # A minimum and a maximum for each column: along the axis of the samples.
    low, high = ops.min(x, axis=0), ops.max(x, axis=0)
    return (x - low) / (high - low)
