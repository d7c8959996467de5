"""Multi-layer perceptrons, from one affine map to a trained classifier."""

import keras
import numpy as np
from keras import layers, ops


def affine(x, kernel, bias):
    """Map each row to weighted sums of its entries, plus a bias.

    This is what a dense layer computes before its activation.

    Args:
        x: Float tensor, `(batch, inputs)`.
        kernel: Float tensor, `(inputs, outputs)`; column `j` holds the weights of output `j`.
        bias: Float tensor, `(outputs,)`.

    Returns:
        Float tensor, `(batch, outputs)`, also when the batch is 1.

    Example:
        >>> x = ops.array([[1.0, 2.0]])
        >>> kernel = ops.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
        >>> bias = ops.array([100.0, 200.0, 300.0])
        >>> print(ops.convert_to_numpy(affine(x, kernel, bias)))
        [[121. 242. 363.]]

    Reference:
        Goodfellow, Bengio and Courville, 2016, Deep Learning, section 6.1.
    """
    # Keras keeps samples in rows, so the kernel stands on the right; books that write W x keep them in columns.
    product = ops.matmul(x, kernel)  # (batch, outputs)
    return product + bias  # the bias is added to every row


def relu(z):
    """Keep the positive numbers and replace the others by 0.

    Args:
        z: Float tensor of any shape.

    Returns:
        Float tensor of the same shape; no entry is negative.

    Example:
        >>> print(ops.convert_to_numpy(relu(ops.array([-2.0, 0.0, 7.0]))))
        [0. 0. 7.]

    Reference:
        Glorot, Bordes and Bengio, 2011, Deep Sparse Rectifier Neural Networks, section 3.
    """
    # Element by element the larger of z and 0; its slope is 1 or 0, so it does not shrink gradients as sigmoid does.
    return ops.maximum(z, 0.0)


def sigmoid(z):
    """Squash each number into the range from 0 to 1: 1 / (1 + exp(-z)).

    Args:
        z: Float tensor of any shape; any real numbers, such as 1000 and -1000.

    Returns:
        Float tensor of the same shape; each entry is from 0 to 1, never NaN.

    Example:
        >>> print(ops.convert_to_numpy(sigmoid(ops.array([0.0, 1000.0, -1000.0]))))
        [0.5 1.  0. ]

    Reference:
        Bishop, 2006, Pattern Recognition and Machine Learning, section 4.2, equation 4.59.
    """
    # exp of a number that is never positive cannot overflow. Each sign of z has a formula that needs no other, and gets zeros
    # in place of the other sign's numbers, since both formulas are computed, and differentiated, everywhere.
    negative = z < 0
    below, above = ops.exp(ops.where(negative, z, 0.0)), ops.exp(ops.where(negative, 0.0, -z))
    return ops.where(negative, below / (1.0 + below), 1.0 / (1.0 + above))


def softmax(logits):
    """Turn each row of scores into probabilities.

    Args:
        logits: Float tensor, `(batch, classes)`; any real numbers, up to thousands in size.

    Returns:
        Float tensor, `(batch, classes)`: no entry is negative or NaN, and each row sums to 1.

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


def cross_entropy(logits, labels):
    """Average a classifier's surprise at the true classes over a batch.

    The surprise is minus the natural logarithm of the probability that softmax gives the true
    class.

    Args:
        logits: Float tensor, `(batch, classes)`: scores before softmax; any real numbers,
            large ones too.
        labels: Integer tensor, `(batch,)`: the true class of each row, from 0 to `classes - 1`.

    Returns:
        Float tensor of shape `()`: the mean over the batch, finite for any logits.

    Example:
        >>> labels = ops.array([3, 1, 4, 1])
        >>> print(f"{float(cross_entropy(ops.zeros((4, 10)), labels)):.4f}")
        2.3026

    Reference:
        Goodfellow, Bengio and Courville, 2016, Deep Learning, section 6.2.2.3.
    """
    # log(softmax) in one step: taking the log of a probability that was rounded to 0 would give infinity.
    shifted = logits - ops.max(logits, axis=-1, keepdims=True)
    log_sums = ops.log(ops.sum(ops.exp(shifted), axis=-1, keepdims=True))
    log_probabilities = shifted - log_sums  # (batch, classes)
    of_labels = ops.take_along_axis(log_probabilities, ops.expand_dims(labels, -1), axis=-1)  # (batch, 1)
    return -ops.mean(of_labels)


def mlp_forward(params, x):
    """Send a batch through a network with one hidden tanh layer and a linear output.

    Args:
        params: Dict of float tensors: `hidden_kernel` `(inputs, hidden)`, `hidden_bias`
            `(hidden,)`, `output_kernel` `(hidden, outputs)` and `output_bias` `(outputs,)`.
        x: Float tensor, `(batch, inputs)`.

    Returns:
        Float tensor, `(batch, outputs)`: any real numbers.

    Example:
        >>> params = {
        ...     "hidden_kernel": ops.array([[1.0, 0.0, 50.0], [0.0, 1.0, 50.0]]),
        ...     "hidden_bias": ops.zeros((3,)),
        ...     "output_kernel": ops.array([[2.0], [3.0], [4.0]]),
        ...     "output_bias": ops.array([10.0]),
        ... }
        >>> x = ops.array([[0.0, 0.0], [1.0, 0.0]])
        >>> print(np.round(ops.convert_to_numpy(mlp_forward(params, x)), 4))
        [[10.    ]
         [15.5232]]

    Reference:
        Bishop, 2006, Pattern Recognition and Machine Learning, section 5.1, equations 5.2 to
        5.4.
    """
    # Without the tanh, two affine maps would collapse into one: no more than a linear model.
    hidden = ops.tanh(ops.matmul(x, params["hidden_kernel"]) + params["hidden_bias"])  # (batch, hidden)
    return ops.matmul(hidden, params["output_kernel"]) + params["output_bias"]  # (batch, outputs)


def count_params(sizes: list[int]) -> int:
    """Count the trainable numbers of a chain of dense layers, each with a bias.

    Args:
        sizes: Number of inputs, of neurons in each hidden layer, and of outputs: at least two
            positive integers.

    Returns:
        The number of weights and biases of all layers together.

    Example:
        >>> count_params([2, 3, 1])
        13

    Reference:
        Goodfellow, Bengio and Courville, 2016, Deep Learning, section 6.4.
    """
    # Each output of a layer has one weight per input and one bias; the input itself has no parameters.
    return sum(sizes[k] * sizes[k + 1] + sizes[k + 1] for k in range(len(sizes) - 1))


def mlp_backward(params, x, labels):
    """Compute the gradients of the cross-entropy of a network with one hidden tanh layer.

    The network is
    `logits = tanh(x @ hidden_kernel + hidden_bias) @ output_kernel + output_bias`.
    The loss is minus the log of the softmax probability of each row's label, averaged over
    the batch. Everything is NumPy in float64, with the derivatives written by hand.

    Args:
        params: Dict of float64 arrays: `hidden_kernel` `(inputs, hidden)`, `hidden_bias`
            `(hidden,)`, `output_kernel` `(hidden, classes)` and `output_bias` `(classes,)`.
        x: Float64 array, `(batch, inputs)`.
        labels: Integer array, `(batch,)`: the true class of each row, from 0 to `classes - 1`.

    Returns:
        Dict with the keys of `params`; each array has the shape of its parameter and holds the
        derivative of the loss with respect to each entry; never NaN, however large logits are.

    Example:
        >>> zeros = {"hidden_kernel": np.zeros((2, 3)), "hidden_bias": np.zeros(3)}
        >>> zeros |= {"output_kernel": np.zeros((3, 4)), "output_bias": np.zeros(4)}
        >>> grads = mlp_backward(zeros, np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0, 0]))
        >>> print(grads["output_bias"])
        [-0.75  0.25  0.25  0.25]

    Reference:
        Rumelhart, Hinton and Williams, 1986, Learning representations by back-propagating
        errors.
    """
    hidden = np.tanh(x @ params["hidden_kernel"] + params["hidden_bias"])  # (batch, hidden)
    logits = hidden @ params["output_kernel"] + params["output_bias"]  # (batch, classes)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    # Softmax and cross-entropy together have the simplest derivative there is: predicted minus true.
    targets = np.eye(logits.shape[1])[labels]  # (batch, classes)
    logits_grad = (probabilities - targets) / len(x)  # the loss is a mean, so each row has a share of 1 / batch
    hidden_grad = logits_grad @ params["output_kernel"].T  # (batch, hidden)
    a_grad = hidden_grad * (1 - hidden**2)  # tanh' = 1 - tanh²
    return {
        "hidden_kernel": x.T @ a_grad,  # (inputs, hidden): every row of the batch adds its part
        "hidden_bias": a_grad.sum(axis=0),
        "output_kernel": hidden.T @ logits_grad,
        "output_bias": logits_grad.sum(axis=0),
    }


def momentum_step(params, grads, velocity, learning_rate: float, momentum: float):
    """Take one step of gradient descent with momentum, as Keras defines it.

    The velocity is `momentum` times what it was, minus `learning_rate` times the gradient. Each
    parameter then moves by its new velocity.

    Args:
        params: Dict of NumPy arrays, any names and shapes; not changed.
        grads: Dict of NumPy arrays with the same names and shapes; not changed.
        velocity: Dict of NumPy arrays with the same names and shapes: the velocity before the
            step; not changed.
        learning_rate: Length of the step per unit of gradient, positive.
        momentum: Share of the velocity that is kept, at least 0 and below 1.

    Returns:
        `(params, velocity)`: two new dicts with the same names, the values after the step.

    Example:
        >>> params, grads = {"w": np.array([1.0])}, {"w": np.array([2.0])}
        >>> velocity = {"w": np.array([4.0])}
        >>> params, velocity = momentum_step(params, grads, velocity, 0.5, momentum=0.75)
        >>> print(params["w"], velocity["w"])
        [3.] [2.]

    Reference:
        Sutskever, Martens, Dahl and Hinton, 2013, On the importance of initialization and
        momentum in deep learning, section 2, equations 1 and 2.
    """
    # Velocity sums past gradients with fading weights: directions that agree add up, those that alternate cancel.
    new_velocity = {name: momentum * velocity[name] - learning_rate * grads[name] for name in params}
    new_params = {name: params[name] + new_velocity[name] for name in params}
    return new_params, new_velocity


def build_mlp(n_inputs: int, n_hidden: int, n_classes: int) -> keras.Model:
    """Build a classifier with one hidden ReLU layer, for a loss that takes logits.

    Args:
        n_inputs: Number of features of a sample.
        n_hidden: Number of neurons in the hidden layer.
        n_classes: Number of classes.

    Returns:
        Keras model, built and not compiled, with random initial weights: `(batch, n_inputs)` to
        logits, `(batch, n_classes)`, any real numbers. Both dense layers have a bias.

    Example:
        >>> build_mlp(40, 64, 10).count_params()
        3274

    Reference:
        Goodfellow, Bengio and Courville, 2016, Deep Learning, sections 6.2.2.3 and 6.3.1.
    """
    # No softmax at the end: the loss takes it together with the log, which is exact where the two apart overflow.
    inputs = layers.Input((n_inputs,))
    hidden = layers.Dense(n_hidden, activation="relu")(inputs)
    logits = layers.Dense(n_classes)(hidden)
    return keras.Model(inputs, logits)


def train_classifier(x, y, seed):
    """Make a multi-layer perceptron, train it, and return it.

    Args:
        x: Float32 array, `(samples, features)`; each feature has a mean near 0 and a standard
            deviation near 1. The order of the features means nothing.
        y: Integer array, `(samples,)`: the class of each sample, from 0 to `classes - 1`; every
            class occurs.
        seed: Integer, not negative; the same seed gives the same model.

    Returns:
        A trained `keras.Model` from `(batch, features)` to logits, `(batch, classes)`: real
        numbers, the largest at the predicted class. Not probabilities.

    Example:
        >>> corners = [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]
        >>> x = np.array(corners * 100, dtype="float32")
        >>> model = train_classifier(x, np.array([0, 1, 1, 0] * 100), seed=1)
        >>> print(ops.convert_to_numpy(ops.argmax(model(x[:4]), axis=-1)))
        [0 1 1 0]

    Reference:
        Goodfellow, Bengio and Courville, 2016, Deep Learning, chapter 6.
    """
    # The seed has to be set before the layers draw their first weights.
    keras.utils.set_random_seed(seed)
    classes = int(np.max(y)) + 1
    # One bend between two affine maps; nothing after the second, because the loss applies softmax itself.
    model = keras.Sequential([layers.Dense(256, activation="relu"), layers.Dense(classes)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
    model.fit(x, y, batch_size=128, epochs=20, verbose=0)
    return model
