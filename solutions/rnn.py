"""Recurrent networks, from one step of a cell to a trained classifier and a network that writes."""

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


def clip_gradients(gradients, limit):
    """Shorten gradients that are too long, all by the same factor, so that they keep their direction.

    Args:
        gradients: Dict of float64 arrays of any shapes: for the name of each weight, its gradient.
        limit: Positive number: the largest norm that all of them together may have.

    Returns:
        Dict of float64 arrays, with the same names and shapes. The norm is the root of the sum of the
        squares of all entries of all arrays. If the norm of `gradients` is larger than `limit`, all are
        multiplied by the one factor that makes it `limit`; else they stay as they are. The arrays in
        `gradients` are left unchanged.

    Example:
        >>> clip_gradients({"kernel": np.array([[3.0, 4.0]]), "bias": np.array([12.0])}, limit=6.5)
        {'kernel': array([[1.5, 2. ]]), 'bias': array([6.])}

    Reference:
        Pascanu, Mikolov and Bengio, 2013, On the difficulty of training recurrent neural networks,
        section 3.2, algorithm 1. arXiv:1211.5063
    """
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients.values()))
    # One factor for all, so that what was a large part of the whole still is. It is 1 where the norm is small.
    return {name: gradient * (limit / max(norm, limit)) for name, gradient in gradients.items()}


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


def build_sequence_classifier(features: int, units: int, n_classes: int) -> keras.Model:
    """Build a classifier of padded sequences: an LSTM that skips padding, and a dense layer.

    Steps at the end of a sequence whose features are all zero are padding: the model skips them, as if
    they were not there.

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
    """Make a network that reads sequences step by step, train it, and return it.

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


def cut_text(ids, streams: int, steps: int):
    """Cut a long text into batches of windows, so that each row goes on where the same row of the batch before ended.

    The text is cut into `streams` pieces of `windows * steps` letters, the streams, one right after the
    other, and each of these into windows of `steps` letters. There are as many windows as fit, where
    each letter needs the one after it as its target; what is left at the text's end is not used.

    Args:
        ids: Integer array, `(letters,)`, more than `streams * steps` of them.
        streams: Number of pieces, which are read side by side: the rows of a batch.
        steps: Letters per window.

    Returns:
        `(x, y)`: integer arrays, both `(windows, streams, steps)`. `x[k, b]` is window `k` of stream `b`,
        and is followed in the text by `x[k + 1, b]`. `y` holds the letter after each letter of `x`.

    Example:
        >>> x, y = cut_text(np.arange(14), streams=2, steps=3)
        >>> print(x.tolist())
        [[[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]]]
        >>> print(y[0].tolist())
        [[1, 2, 3], [7, 8, 9]]

    Reference:
        Williams and Peng, 1990, An efficient gradient-based algorithm for on-line training of recurrent
        network trajectories.
    """
    windows = (len(ids) - 1) // (streams * steps)
    used = streams * windows * steps
    x, y = (text.reshape(streams, windows, steps).swapaxes(0, 1) for text in (ids[:used], ids[1 : used + 1]))
    return x, y


def train_letter_model(ids, letters: int, seed: int) -> keras.Model:
    """Make a network that says which letter comes next, train it on a text, and return it.

    Args:
        ids: Int32 array, `(length,)`, of at least 6,000: the text, a number from 0 to `letters - 1` for
            each letter.
        letters: Number of different letters; not each of them need occur.
        seed: Integer, not negative; the same seed gives the same model.

    Returns:
        A trained `keras.Model` from integers, `(batch, any)`, to logits, `(batch, any, letters)`: those
        after step `t` are of the letter of step `t + 1`, from the letters up to step `t`.

    Example:
        >>> model = train_letter_model(np.arange(6000, dtype="int32") % 3, letters=3, seed=0)
        >>> logits = ops.convert_to_numpy(model(np.array([[0, 1, 2, 0]])))
        >>> print(logits.argmax(axis=-1))
        [[1 2 0 1]]

    Reference:
        Graves, 2013, Generating Sequences With Recurrent Neural Networks, section 3. arXiv:1308.0850
    """
    keras.utils.set_random_seed(seed)
    epochs, batch_size, steps = 6, 64, 40
    windows = (len(ids) - 1) // steps
    x, y = (text[: windows * steps].reshape(windows, steps) for text in (ids, ids[1:]))
    model = keras.Sequential(
        [
            layers.Input((None,), dtype="int32"),
            layers.Embedding(letters, 16),
            layers.GRU(64, return_sequences=True),
            layers.Dense(letters),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(0.03, epochs * -(-windows // batch_size))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss)
    model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)
    return model
