"""The solutions of `rnn`: doctests, the lectures' worked examples, numeric gradients, and Keras's own cells and layers.

Run once per backend: `KERAS_BACKEND=jax pytest tests/test_rnn.py`.
"""

import doctest

import keras
import numpy as np
import pytest
from keras import layers, ops

from solutions import rnn

pytestmark = pytest.mark.all_backends

U, W = np.array([[0.5, -0.3]]), np.array([[0.1, -0.2], [0.4, 0.3]])
"""The lecture's matrices, turned: its states are columns."""
V = np.array([[1, 0.5], [-1, 2]])
INPUTS = np.array([[1.0], [0.0], [-1.0]])
FLOAT32 = {"atol": 2e-5, "rtol": 2e-5}
"""Rounding of float32 over some steps, each on the result of the one before."""


def array(tensor):
    return np.asarray(ops.convert_to_numpy(tensor))


def float32(*shape, seed=7):
    return (np.random.default_rng(seed).normal(size=shape) / 2).astype("float32")


def test_doctests():
    result = doctest.testmod(rnn)
    assert result.attempted > 25
    assert result.failed == 0


# --- the simple cell ---


def softmax(z):
    return np.exp(z) / np.exp(z).sum()


def test_the_lectures_example_and_its_mistake():
    weights = [ops.array(value, dtype="float32") for value in (U, W, np.zeros(2), V, np.zeros(2))]
    outputs, states = rnn.rnn_forward(ops.array(INPUTS[None], dtype="float32"), *weights)
    np.testing.assert_allclose(array(states)[0, -1], [-0.5213, 0.2549], atol=1e-4)
    np.testing.assert_allclose(softmax(array(outputs)[0, -1]), [0.2640, 0.7360], atol=1e-4)
    weights[1] = weights[3]  # the slide's equation: V from state to state as well
    outputs, _ = rnn.rnn_forward(ops.array(INPUTS[None], dtype="float32"), *weights)
    np.testing.assert_allclose(softmax(array(outputs)[0, -1]), [0.5967, 0.4033], atol=1e-4)


def test_network_equals_the_layers():
    layer, dense, x = layers.SimpleRNN(4, return_sequences=True), layers.Dense(3), ops.array(float32(2, 5, 3))
    expected_states = layer(x)
    layer.set_weights([float32(*weight.shape, seed=k) for k, weight in enumerate(layer.get_weights())])
    expected_states = layer(x)
    expected = dense(expected_states)
    outputs, states = rnn.rnn_forward(x, *layer.weights, *dense.weights)
    np.testing.assert_allclose(array(states), array(expected_states), **FLOAT32)
    np.testing.assert_allclose(array(outputs), array(expected), **FLOAT32)
    step = rnn.rnn_step(x[:, 0], ops.zeros((2, 4)), *layer.weights)
    np.testing.assert_allclose(array(step), array(expected_states)[:, 0], **FLOAT32)


def last_state(xs, kernel, recurrent_kernel, bias, start=None):
    state = np.zeros(len(bias)) if start is None else start
    for x in xs:
        state = np.tanh(x @ kernel + state @ recurrent_kernel + bias)
    return state


def test_back_propagation_through_time_equals_the_numeric_gradient():
    rng = np.random.default_rng(0)
    xs, kernel, recurrent_kernel, bias = (rng.normal(size=shape) for shape in ((7, 2), (2, 3), (3, 3), (3,)))
    numeric = np.zeros((3, 3))
    for place in np.ndindex(3, 3):
        nudge = np.zeros((3, 3))
        nudge[place] = 1e-6
        up, down = (last_state(xs, kernel, recurrent_kernel + sign * nudge, bias).sum() for sign in (1, -1))
        numeric[place] = (up - down) / 2e-6
    # Central differences in float64: the error is about 1e-10.
    np.testing.assert_allclose(rnn.bptt(xs, kernel, recurrent_kernel, bias), numeric, atol=1e-8)


def test_sensitivities_of_the_lectures_example_vanish():
    norms = rnn.state_sensitivities(np.vstack([INPUTS, np.zeros((17, 1))]), U, W, np.zeros(2))
    assert norms[0] == pytest.approx(0.4626, abs=1e-4)
    # While nothing comes in and the state is small, each step multiplies by the modulus of W's eigenvalues, the root of 0.11.
    assert (norms[-1] / norms[-11]) ** 0.1 == pytest.approx(np.sqrt(0.11), rel=0.05)


def test_sensitivities_equal_numeric_derivatives():
    rng = np.random.default_rng(1)
    xs, kernel, recurrent_kernel, bias = (rng.normal(size=shape) for shape in ((5, 2), (2, 3), (3, 3), (3,)))
    rows = [
        (last_state(xs, kernel, recurrent_kernel, bias, step) - last_state(xs, kernel, recurrent_kernel, bias, -step)) / 2e-6
        for step in 1e-6 * np.eye(3)
    ]
    norms = rnn.state_sensitivities(xs, kernel, recurrent_kernel, bias)
    assert norms[-1] == pytest.approx(np.sqrt(np.sum(np.square(rows))), abs=1e-8)


def test_clipping_shortens_as_kerass_optimizers_do_and_leaves_short_gradients_alone():
    gradients = {"kernel": float32(3, 4).astype(float), "bias": float32(4, seed=8).astype(float)}
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients.values()))
    optimizer = keras.optimizers.SGD(global_clipnorm=norm / 3)
    clipped = rnn.clip_gradients(gradients, norm / 3)
    for found, wanted in zip(
        clipped.values(), optimizer._clip_gradients([ops.array(g) for g in gradients.values()]), strict=True
    ):
        np.testing.assert_allclose(found, array(wanted), **FLOAT32)
    for name, gradient in rnn.clip_gradients(gradients, 2 * norm).items():
        np.testing.assert_array_equal(gradient, gradients[name])


# --- gates ---


def cell_and_weights(cell, inputs=3):
    cell.build((None, inputs))
    cell.set_weights([float32(*weight.shape, seed=k) for k, weight in enumerate(cell.get_weights())])
    return cell.weights


def test_lstm_step_equals_the_cell():
    cell = layers.LSTMCell(4)
    weights = cell_and_weights(cell)
    x, hidden, memory = (ops.array(float32(2, n, seed=n)) for n in (3, 4, 5))
    memory = memory[:, :4]
    _, (expected_hidden, expected_memory) = cell(x, [hidden, memory])
    new_hidden, new_memory = rnn.lstm_step(x, hidden, memory, *weights)
    np.testing.assert_allclose(array(new_hidden), array(expected_hidden), **FLOAT32)
    np.testing.assert_allclose(array(new_memory), array(expected_memory), **FLOAT32)


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ((0.5, 0.5, 0.5, 0.5), (1.11056, 0.54624)),
        ((0.1, 0.9, 0.5, 0.3), (1.13548, 0.49638)),
        ((0.9, 0.1, 0.5, 0.3), (1.04182, 0.47545)),
        ((0.1, 0.9, 0.3, 0.5), (1.02087, 0.52312)),
    ],
    ids=["all equal", "as they are", "input and forget gate swapped", "slides' order"],
)
def test_lstm_step_by_hand(blocks, expected):
    weights, one = ops.array([blocks]), ops.ones((1, 1))
    hidden, memory = rnn.lstm_step(one, 0.5 * one, one, weights, weights, ops.zeros((4,)))
    assert (float(memory[0, 0]), float(hidden[0, 0])) == pytest.approx(expected, abs=1e-5)


def test_gru_step_equals_the_cell():
    cell = layers.GRUCell(4)
    weights = cell_and_weights(cell)
    x, state = ops.array(float32(2, 3)), ops.array(float32(2, 4, seed=8))
    _, (expected,) = cell(x, [state])
    np.testing.assert_allclose(array(rnn.gru_step(x, state, *weights)), array(expected), **FLOAT32)


# --- models ---


def test_padding_changes_nothing_but_zeros_in_one_feature_do():
    model, x = rnn.build_sequence_classifier(features=2, units=6, n_classes=3), float32(4, 5, 2)
    padded = np.pad(x, ((0, 0), (0, 3), (0, 0)))
    np.testing.assert_allclose(array(model(padded)), array(model(x)), **FLOAT32)
    padded[:, 5:, 0] = 1
    assert np.abs(array(model(padded)) - array(model(x))).max() > 1e-3


def test_models_survive_saving(tmp_path):
    model, x = rnn.build_sequence_classifier(features=2, units=6, n_classes=3), float32(4, 5, 2)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(array(again(x)), array(model(x)), **FLOAT32)


# --- letters ---


def test_a_state_that_is_carried_over_reads_windows_as_if_they_were_one_text():
    ids = np.random.default_rng(0).integers(5, size=43)
    x, y = rnn.cut_text(ids, streams=2, steps=4)
    assert x.shape == y.shape == (5, 2, 4)
    shared = {"recurrent_initializer": keras.initializers.Orthogonal(seed=1), "kernel_initializer": keras.initializers.Ones()}
    whole = layers.SimpleRNN(3, return_sequences=True, **shared)
    carried = layers.SimpleRNN(3, return_sequences=True, stateful=True, **shared)
    one_hot = np.eye(5, dtype="float32")
    pieces = [array(carried(one_hot[window])) for window in x]
    together = array(whole(one_hot[ids[:40].reshape(2, 20)]))
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), together, **FLOAT32)
    np.testing.assert_array_equal(np.concatenate(y, axis=1).ravel(), ids[1:41])
