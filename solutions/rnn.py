"""Recurrent networks, from one step of a cell to trained classifiers and a forecast."""

import keras
import numpy as np
from keras import layers, ops


def rnn_step(x, state, kernel, recurrent_kernel, bias):
    """Take one step of a simple recurrent cell: a new state from an input and the old state.

    Args:
        x: Float tensor, `(batch, inputs)`: the input of this step.
        state: Float tensor, `(batch, units)`: the state after the step before.
        kernel: Float tensor, `(inputs, units)`.
        recurrent_kernel: Float tensor, `(units, units)`: entry `(i, j)` leads from unit `i` of the
            old state to unit `j` of the new one.
        bias: Float tensor, `(units,)`.

    Returns:
        Float tensor, `(batch, units)`: tanh of the two weighted sums and the bias.

    Example:
        >>> one, two = ops.array([[1.0]]), ops.array([[2.0]])
        >>> print(np.round(ops.convert_to_numpy(rnn_step(one, two, one, one, ops.array([-2.5]))), 4))
        [[0.4621]]

    Reference:
        Elman, 1990, Finding Structure in Time.
    """
    # Two weight matrices of their own: what comes in and what was there before have other sizes and other meanings.
    return ops.tanh(ops.matmul(x, kernel) + ops.matmul(state, recurrent_kernel) + bias)


def rnn_forward(xs, kernel, recurrent_kernel, bias, output_kernel, output_bias):
    """Send sequences through a simple recurrent network, one step after the other.

    Args:
        xs: Float tensor, `(batch, steps, inputs)`.
        kernel: Float tensor, `(inputs, units)`.
        recurrent_kernel: Float tensor, `(units, units)`.
        bias: Float tensor, `(units,)`.
        output_kernel: Float tensor, `(units, outputs)`.
        output_bias: Float tensor, `(outputs,)`.

    Returns:
        `(outputs, states)`: `(batch, steps, outputs)` and `(batch, steps, units)`. Before the first
        step the state is zero. Each step's state is
        `tanh(x @ kernel + state @ recurrent_kernel + bias)`, and its output is
        `state @ output_kernel + output_bias` of the new state: any real numbers.

    Example:
        >>> one = ops.ones((1, 1))
        >>> outputs, states = rnn_forward(ops.ones((1, 3, 1)), 2 * one, -one, ops.zeros(1), 10 * one, ops.zeros(1))
        >>> print(np.round(ops.convert_to_numpy(states)[0, :, 0], 4))
        [0.964  0.7763 0.8407]
        >>> print(np.round(ops.convert_to_numpy(outputs)[0, :, 0], 3))
        [9.64  7.763 8.407]

    Reference:
        Goodfellow, Bengio and Courville, 2016, Deep Learning, section 10.2, equations 10.8 to 10.10.
    """
    state = ops.zeros((xs.shape[0], bias.shape[0]))
    states = []
    for step in range(xs.shape[1]):
        # The same weights in every step; only the state remembers.
        state = ops.tanh(ops.matmul(xs[:, step], kernel) + ops.matmul(state, recurrent_kernel) + bias)
        states.append(state)
    states = ops.stack(states, axis=1)  # (batch, steps, units)
    return ops.matmul(states, output_kernel) + output_bias, states


def bptt(xs, kernel, recurrent_kernel, bias):
    """Compute the gradient of a loss with respect to the recurrent weights, back through time.

    One sequence goes through a simple recurrent cell, from a state of zeros:
    `state = tanh(x @ kernel + state @ recurrent_kernel + bias)`. The loss is the sum of the entries
    of the **last** state. Everything is NumPy in float64, with the derivatives written by hand.

    Args:
        xs: Float64 array, `(steps, inputs)`.
        kernel: Float64 array, `(inputs, units)`.
        recurrent_kernel: Float64 array, `(units, units)`.
        bias: Float64 array, `(units,)`.

    Returns:
        Float64 array, `(units, units)`: the derivative of the loss with respect to each entry of
        `recurrent_kernel`.

    Example:
        >>> one = np.ones((1, 1))
        >>> print(np.round(bptt(np.ones((2, 1)), one, one, np.zeros(1)), 4))
        [[0.0848]]

    Reference:
        Werbos, 1990, Backpropagation through time: what it does and how to do it.
    """
    states = [np.zeros(len(bias))]
    for x in xs:
        states.append(np.tanh(x @ kernel + states[-1] @ recurrent_kernel + bias))
    grad = np.zeros_like(recurrent_kernel)
    state_grad = np.ones(len(bias))  # of the loss with respect to the last state
    for before, after in zip(states[-2::-1], states[:0:-1], strict=True):
        sum_grad = state_grad * (1 - after**2)  # through tanh
        grad += np.outer(before, sum_grad)  # what this step's use of the weights adds
        state_grad = recurrent_kernel @ sum_grad  # one step further back
    return grad


def state_sensitivities(xs, kernel, recurrent_kernel, bias):
    """Measure how much each state still depends on the very first one.

    One sequence goes through a simple recurrent cell, from a state of zeros, the state `s_0`:
    `s_t = tanh(x_t @ kernel + s_{t-1} @ recurrent_kernel + bias)`.

    Args:
        xs: Float64 array, `(steps, inputs)`.
        kernel: Float64 array, `(inputs, units)`.
        recurrent_kernel: Float64 array, `(units, units)`.
        bias: Float64 array, `(units,)`.

    Returns:
        Float64 array, `(steps,)`: for each step `t`, the Frobenius norm (the root of the sum of
        squares) of the matrix of derivatives of `s_t` with respect to `s_0`.

    Example:
        >>> half = np.full((1, 1), 0.5)
        >>> print(state_sensitivities(np.zeros((3, 1)), half, half, np.zeros(1)))
        [0.5   0.25  0.125]

    Reference:
        Pascanu, Mikolov and Bengio, 2013, On the difficulty of training recurrent neural networks,
        section 2, equation 5. arXiv:1211.5063
    """
    state, jacobian, norms = np.zeros(len(bias)), np.eye(len(bias)), []
    for x in xs:
        state = np.tanh(x @ kernel + state @ recurrent_kernel + bias)
        # The chain rule multiplies one matrix per step, each with slopes of tanh of at most 1.
        jacobian = (jacobian @ recurrent_kernel) * (1 - state**2)  # entry (i, j): unit j of s_t by unit i of s_0
        norms.append(np.sqrt(np.sum(jacobian**2)))
    return np.array(norms)


def lstm_step(x, hidden, cell, kernel, recurrent_kernel, bias):
    """Take one step of a long short-term memory, with the weights in the order of Keras.

    The last axis of each weight holds four blocks of `units`, in this order: input gate, forget
    gate, candidate, output gate.

    Args:
        x: Float tensor, `(batch, inputs)`.
        hidden: Float tensor, `(batch, units)`: what the cell showed after the step before.
        cell: Float tensor, `(batch, units)`: what it remembered.
        kernel: Float tensor, `(inputs, 4 * units)`.
        recurrent_kernel: Float tensor, `(units, 4 * units)`.
        bias: Float tensor, `(4 * units,)`.

    Returns:
        `(hidden, cell)`, both `(batch, units)`. The gates are sigmoids, the candidate is a tanh. The
        new cell is forget gate times old cell plus input gate times candidate, and the new hidden
        state is output gate times tanh of the new cell.

    Example:
        >>> half, one = ops.full((1, 4), 0.5), ops.ones((1, 1))
        >>> hidden, cell = lstm_step(one, 0.5 * one, one, half, half, ops.zeros((4,)))
        >>> print(f"{float(hidden[0, 0]):.4f} {float(cell[0, 0]):.4f}")
        0.5462 1.1106

    Reference:
        Gers, Schmidhuber and Cummins, 2000, Learning to Forget: Continual Prediction with LSTM.
    """
    sums = ops.matmul(x, kernel) + ops.matmul(hidden, recurrent_kernel) + bias  # (batch, 4 * units)
    input_sum, forget_sum, candidate_sum, output_sum = ops.split(sums, 4, axis=-1)
    # The old cell is multiplied by a gate near 1 or near 0 and never squeezed: that is how it lasts.
    new_cell = ops.sigmoid(forget_sum) * cell + ops.sigmoid(input_sum) * ops.tanh(candidate_sum)
    return ops.sigmoid(output_sum) * ops.tanh(new_cell), new_cell


def gru_step(x, state, kernel, recurrent_kernel, bias):
    """Take one step of a gated recurrent unit as Keras defines it, the reset gate after the product.

    The last axis of each weight holds three blocks of `units`, in this order: update gate, reset
    gate, candidate. Row 0 of `bias` belongs to the input's sum, row 1 to the state's sum.

    Args:
        x: Float tensor, `(batch, inputs)`.
        state: Float tensor, `(batch, units)`.
        kernel: Float tensor, `(inputs, 3 * units)`.
        recurrent_kernel: Float tensor, `(units, 3 * units)`.
        bias: Float tensor, `(2, 3 * units)`.

    Returns:
        Float tensor, `(batch, units)`: update gate times old state plus (1 - update gate) times
        candidate. The gates are sigmoids of both sums. The candidate is tanh of the input's sum plus
        the reset gate times the state's sum.

    Example:
        >>> half, one = ops.full((1, 3), 0.5), ops.ones((1, 1))
        >>> print(f"{float(gru_step(one, one, half, half, ops.zeros((2, 3)))[0, 0]):.4f}")
        0.9191

    Reference:
        Cho et al., 2014, section 2.3, with the variant of its first preprint. arXiv:1406.1078
    """
    input_sums = ops.matmul(x, kernel) + bias[0]  # (batch, 3 * units)
    state_sums = ops.matmul(state, recurrent_kernel) + bias[1]
    x_update, x_reset, x_candidate = ops.split(input_sums, 3, axis=-1)
    s_update, s_reset, s_candidate = ops.split(state_sums, 3, axis=-1)
    update = ops.sigmoid(x_update + s_update)
    candidate = ops.tanh(x_candidate + ops.sigmoid(x_reset + s_reset) * s_candidate)
    return update * state + (1 - update) * candidate


def count_recurrent_params(cell: str, inputs: int, units: int, framework: str = "keras") -> int:
    """Count the trainable numbers of a recurrent layer.

    Every gate, and the candidate, has a kernel, a recurrent kernel, and its biases. Keras has one
    bias per unit of these, but for the GRU, where it has two: one belongs to the input's sum, one
    to the state's. PyTorch has two biases everywhere.

    Args:
        cell: `"rnn"` (no gates), `"lstm"` (three gates) or `"gru"` (two gates).
        inputs: Numbers per step of the input.
        units: Numbers in the state.
        framework: `"keras"` or `"torch"`.

    Returns:
        The number of weights and biases.

    Example:
        >>> count_recurrent_params("lstm", inputs=10, units=20)
        2480
        >>> count_recurrent_params("lstm", inputs=10, units=20, framework="torch")
        2560

    Reference:
        Hochreiter and Schmidhuber, 1997, Long Short-Term Memory; with the forget gate of Gers,
        Schmidhuber and Cummins, 2000.
    """
    # What is like a whole simple cell: each gate, and the candidate.
    blocks = {"rnn": 1, "gru": 3, "lstm": 4}[cell]
    biases = 2 if framework == "torch" or cell == "gru" else 1
    return blocks * ((inputs + units) * units + biases * units)


def build_recurrent(pattern: str, features: int, units: int, outputs: int, steps: int) -> keras.Model:
    """Build a network of a simple recurrent layer with tanh and a dense layer, for one of three patterns.

    `"many to one"` reads a whole sequence and answers once. `"many to many"` answers after each
    step. `"one to many"` reads a single input, and gives a sequence of `steps` outputs: every step
    reads that same input.

    Args:
        pattern: `"many to one"`, `"many to many"` or `"one to many"`.
        features: Numbers per step of the input, or of the single input.
        units: Units of the recurrent layer.
        outputs: Neurons of the dense layer, which has no activation.
        steps: Steps of the output of `"one to many"`; the other patterns take sequences of any length.

    Returns:
        Keras model, not compiled. Many to one: from `(batch, any, features)` to `(batch, outputs)`.
        Many to many: from `(batch, any, features)` to `(batch, any, outputs)`. One to many: from
        `(batch, features)` to `(batch, steps, outputs)`. All layers have biases.

    Example:
        >>> model = build_recurrent("one to many", features=3, units=8, outputs=2, steps=5)
        >>> print(tuple(model(ops.zeros((1, 3))).shape), model.count_params())
        (1, 5, 2) 114

    Reference:
        Goodfellow, Bengio and Courville, 2016, Deep Learning, sections 10.2 and 10.2.4.
    """
    if pattern == "one to many":
        inputs = layers.Input((features,))
        xs = layers.RepeatVector(steps)(inputs)  # (batch, steps, features)
    else:
        # None: the weights are the same in every step, so any number of steps will do.
        inputs = xs = layers.Input((None, features))
    states = layers.SimpleRNN(units, return_sequences=pattern != "many to one")(xs)
    return keras.Model(inputs, layers.Dense(outputs)(states))


def build_sequence_classifier(features: int, units: int, n_classes: int) -> keras.Model:
    """Build a classifier of padded sequences: an LSTM that skips padding, and a dense layer.

    A step whose features are all zero is padding, wherever it stands: the model skips it, as if it
    were not there.

    Args:
        features: Numbers per step.
        units: Units of the LSTM.
        n_classes: Number of classes.

    Returns:
        Keras model, not compiled: from `(batch, any, features)` to logits, `(batch, n_classes)`,
        taken from the hidden state after the last step that is not padding. Both layers have biases.

    Example:
        >>> model = build_sequence_classifier(features=2, units=8, n_classes=3)
        >>> x = np.ones((1, 4, 2), dtype="float32")
        >>> padded = np.concatenate([x, np.zeros((1, 3, 2), dtype="float32")], axis=1)
        >>> first, second = (ops.convert_to_numpy(model(rows)) for rows in (x, padded))
        >>> print(np.allclose(first, second, atol=1e-6), model.count_params())
        True 379

    Reference:
        Gers, Schmidhuber and Cummins, 2000, Learning to Forget: Continual Prediction with LSTM.
    """
    stack = [
        layers.Input((None, features)),
        layers.Masking(),  # tells the layers after it which steps are all zero
        layers.LSTM(units),
        layers.Dense(n_classes),
    ]
    return keras.Sequential(stack)


def train_sequence_classifier(x, y, seed):
    """Make a recurrent network that remembers, train it on sequences, and return it.

    Args:
        x: Float32 array, `(samples, steps, features)`, with a mean near 0 and a standard deviation
            near 1.
        y: Integer array, `(samples,)`: the class of each sequence, from 0 to `classes - 1`; every
            class occurs.
        seed: Integer, not negative; the same seed gives the same model.

    Returns:
        A trained `keras.Model` from `(batch, any, features)` to logits, `(batch, classes)`: real
        numbers, the largest at the predicted class. It takes sequences of any length.

    Example:
        >>> y = np.arange(400) % 2
        >>> x = np.random.default_rng(0).normal(size=(400, 5, 1)).astype("float32") / 4
        >>> x[:, 0, 0] += 2.0 * y - 1  # the first step tells, four others do not
        >>> model = train_sequence_classifier(x, y, seed=0)
        >>> print(ops.convert_to_numpy(ops.argmax(model(x[:4]), axis=-1)))
        [0 1 0 1]

    Reference:
        Cho et al., 2014, Learning Phrase Representations using RNN Encoder-Decoder for Statistical
        Machine Translation, section 2.3. arXiv:1406.1078
    """
    keras.utils.set_random_seed(seed)
    epochs, batch_size = 10, 50
    model = keras.Sequential([layers.Input((None, x.shape[2])), layers.GRU(56), layers.Dense(int(np.max(y)) + 1)])
    # Large steps first, small ones at the end, and none that is thrown far by a single steep batch.
    rate = keras.optimizers.schedules.CosineDecay(0.02, epochs * -(-len(x) // batch_size))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), loss)
    model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)
    return model


def train_forecaster(series, seed):
    """Make a recurrent network that forecasts the next value after each step, train it, and return it.

    Args:
        series: Float32 array, `(samples, steps)`: each row is a series of its own, with a mean near
            0 and a standard deviation near 1.
        seed: Integer, not negative; the same seed gives the same model.

    Returns:
        A trained `keras.Model` from `(batch, any, 1)` to `(batch, any, 1)`: the output after step
        `t` is the forecast of the value of step `t + 1`, from the values up to step `t`.

    Example:
        >>> time = np.arange(20) + np.arange(200)[:, None]
        >>> model = train_forecaster(np.sin(time).astype("float32"), seed=0)
        >>> x = np.sin(np.arange(11.0)).astype("float32")
        >>> forecasts = ops.convert_to_numpy(model(x[None, :10, None]))
        >>> print(abs(forecasts[0, -1, 0] - x[10]) < 0.1)
        True

    Reference:
        Goodfellow, Bengio and Courville, 2016, Deep Learning, section 10.2.
    """
    keras.utils.set_random_seed(seed)
    epochs, batch_size = 15, 32
    model = keras.Sequential([layers.Input((None, 1)), layers.GRU(16, return_sequences=True), layers.Dense(1)])
    rate = keras.optimizers.schedules.CosineDecay(0.02, epochs * -(-len(series) // batch_size))
    model.compile(keras.optimizers.Adam(rate), "mse")
    # What comes in ends one value before what should come out: the next value is the target.
    model.fit(series[:, :-1, None], series[:, 1:, None], batch_size=batch_size, epochs=epochs, verbose=0)
    return model
