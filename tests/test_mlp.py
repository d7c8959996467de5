"""The solutions of `mlp`: doctests, cases computed by hand, and Keras's own ops, layers and optimizers.

Run once per backend: `KERAS_BACKEND=jax pytest tests/test_mlp.py`.
"""

import doctest
import math
import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

from solutions import mlp

pytestmark = pytest.mark.all_backends

FLOAT32 = {"atol": 1e-6, "rtol": 1e-6}
"""Rounding of float32 over sums of a few terms."""
PARAMS = ("hidden_kernel", "hidden_bias", "output_kernel", "output_bias")


def array(tensor):
    return np.asarray(ops.convert_to_numpy(tensor))


def rng():
    return np.random.default_rng(7)


def float32(*shape, scale=1.0):
    """Drawn values as a tensor."""
    return ops.convert_to_tensor((scale * rng().normal(size=shape)).astype("float32"))


def network(inputs, hidden, outputs):
    random = rng()
    shapes = (inputs, hidden), (hidden,), (hidden, outputs), (outputs,)
    return {name: random.normal(size=shape) for name, shape in zip(PARAMS, shapes, strict=True)}


def tensors(params):
    return {name: ops.convert_to_tensor(value.astype("float32")) for name, value in params.items()}


def as_model(params):
    """The same network out of Keras's own layers."""
    inputs, hidden, outputs = *params["hidden_kernel"].shape, len(params["output_bias"])
    model = keras.Sequential([layers.Input((inputs,)), layers.Dense(hidden, activation="tanh"), layers.Dense(outputs)])
    model.set_weights([params[name] for name in PARAMS])
    return model


def test_doctests():
    result = doctest.testmod(mlp)
    assert result.attempted > 10
    assert result.failed == 0


# --- one neuron ---


def test_affine_by_hand():
    # 1·1 + 2·3 + 10 = 17 and 1·2 + 2·4 + 20 = 30
    result = mlp.affine(ops.array([[1.0, 2.0]]), ops.array([[1.0, 2.0], [3.0, 4.0]]), ops.array([10.0, 20.0]))
    assert array(result).tolist() == [[17.0, 30.0]]


@pytest.mark.parametrize("batch", [1, 6])
def test_affine_equals_dense(batch):
    x = float32(batch, 5)
    dense = layers.Dense(3, bias_initializer="random_normal")
    expected = array(dense(x))
    assert array(mlp.affine(x, dense.kernel, dense.bias)) == pytest.approx(expected, abs=1e-6)


def test_relu_by_hand():
    assert array(mlp.relu(ops.array([[-3.0, -0.5], [0.0, 2.5]]))).tolist() == [[0.0, 0.0], [0.0, 2.5]]


def test_relu_equals_keras():
    z = float32(2, 3, 4, scale=5)
    np.testing.assert_array_equal(array(mlp.relu(z)), array(ops.relu(z)))


def test_sigmoid_by_hand():
    # exp(log 3) = 3, so 3 / (1 + 3) and, for the other sign, 1 / (1 + 3)
    result = array(mlp.sigmoid(ops.array([math.log(3), -math.log(3), 0.0])))
    assert result == pytest.approx([0.75, 0.25, 0.5], abs=1e-7)


def test_sigmoid_of_large_numbers_neither_warns_nor_overflows():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        result = array(mlp.sigmoid(ops.array([1000.0, -1000.0, 88.0, -88.0])))
    assert result == pytest.approx([1, 0, 1, 0], abs=1e-30)


def test_the_slope_of_the_sigmoid_is_a_quarter_at_zero_and_0_far_out():
    # Branches for the two signs, or a gradient through |z|, can lose it just at 0. A step of length 1 moves by the slope.
    class Squashed(layers.Layer):
        def build(self, shape):
            self.z = self.add_weight(shape=(3,), name="z")

        def call(self, x):
            return x * mlp.sigmoid(ops.convert_to_tensor(self.z))

    layer = Squashed()
    model = keras.Sequential([keras.Input((3,)), layer])
    layer.z.assign([0.0, 1000.0, -1000.0])
    model.compile(keras.optimizers.SGD(1.0), loss=lambda _, squashed: ops.sum(squashed))
    model.fit(np.ones((1, 3)), np.ones((1, 3)), verbose=0)
    assert array(layer.z).tolist() == [-0.25, 1000.0, -1000.0]


def test_sigmoid_equals_keras():
    z = float32(4, 5, scale=6)
    np.testing.assert_allclose(array(mlp.sigmoid(z)), array(ops.sigmoid(z)), **FLOAT32)


# --- many classes ---


def test_softmax_by_hand():
    # exponentials 1, 2 and 5 of a sum of 8
    logits = np.log(np.array([[1.0, 2.0, 5.0]], dtype="float32"))
    assert array(mlp.softmax(ops.array(logits))) == pytest.approx(np.array([[0.125, 0.25, 0.625]]), abs=1e-6)


def test_softmax_does_not_change_with_a_shift():
    logits = ops.round(float32(4, 3) * 8) / 8  # eighths stay exact when 1000 is added
    np.testing.assert_allclose(array(mlp.softmax(logits + 1000)), array(mlp.softmax(logits)), **FLOAT32)


def test_softmax_equals_keras():
    logits = float32(6, 5, scale=4)
    np.testing.assert_allclose(array(mlp.softmax(logits)), array(ops.softmax(logits)), **FLOAT32)


@pytest.mark.parametrize("classes", [2, 10])
def test_cross_entropy_of_equal_logits_is_the_log_of_the_number_of_classes(classes):
    labels = np.arange(6, dtype="int32") % classes
    assert float(mlp.cross_entropy(ops.zeros((6, classes)), labels)) == pytest.approx(math.log(classes), abs=1e-6)


def test_cross_entropy_of_large_logits():
    # softmax rounds the right class to 0; the loss is the gap between the logits
    loss = mlp.cross_entropy(ops.array([[1000.0, 0.0], [0.0, 2000.0]]), ops.array([1, 1], dtype="int32"))
    assert float(loss) == pytest.approx(500.0, rel=1e-6)


def test_cross_entropy_equals_keras():
    logits, labels = float32(7, 4, scale=3), np.array([0, 1, 2, 3, 3, 1, 0], dtype="int32")
    expected = float(keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits))
    assert float(mlp.cross_entropy(logits, labels)) == pytest.approx(expected, abs=1e-5)


# --- a network ---


def test_forward_by_hand():
    # tanh(atanh 0.5) = 0.5 in one unit, 0 in the other: 0.5 · 4 + 0 · 100 + 1 = 3
    params = {
        "hidden_kernel": np.array([[math.atanh(0.5), 0.0]]),
        "hidden_bias": np.zeros(2),
        "output_kernel": np.array([[4.0], [100.0]]),
        "output_bias": np.ones(1),
    }
    assert array(mlp.mlp_forward(tensors(params), ops.ones((1, 1)))) == pytest.approx(np.array([[3.0]]), abs=1e-6)


@pytest.mark.parametrize("sizes", [(2, 3, 1), (4, 6, 5)])
def test_forward_equals_keras(sizes):
    params, x = network(*sizes), float32(8, sizes[0])
    expected = array(as_model(params)(x))
    np.testing.assert_allclose(array(mlp.mlp_forward(tensors(params), x)), expected, atol=1e-5, rtol=1e-5)


def test_count_by_hand():
    # the lecture's network: 3 · (2 + 1) + (3 + 1); a linear model of two inputs: 2 + 1
    assert mlp.count_params([2, 3, 1]) == 13
    assert mlp.count_params([2, 1]) == 3


@pytest.mark.parametrize("sizes", [[4, 3], [64, 32, 10], [5, 7, 6, 2]])
def test_count_equals_keras(sizes):
    model = keras.Sequential([layers.Input((sizes[0],)), *(layers.Dense(size) for size in sizes[1:])])
    assert mlp.count_params(sizes) == model.count_params()


# --- back-propagation ---


def loss(params, x, labels):
    """The loss in float64, written for the test: the mean of log-sum-exp minus the label's logit."""
    logits = np.tanh(x @ params["hidden_kernel"] + params["hidden_bias"]) @ params["output_kernel"] + params["output_bias"]
    return float(np.mean(np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(labels)), labels]))


@pytest.mark.parametrize("name", PARAMS)
def test_backward_agrees_with_finite_differences(name):
    params, x = network(4, 3, 5), rng().normal(size=(6, 4))
    labels = np.array([0, 4, 2, 1, 3, 2])
    expected, step = np.zeros_like(params[name]), 1e-5
    for index in np.ndindex(expected.shape):
        moved = []
        for sign in (1, -1):
            changed = {key: value.copy() for key, value in params.items()}
            changed[name][index] += sign * step
            moved.append(loss(changed, x, labels))
        expected[index] = (moved[0] - moved[1]) / (2 * step)
    received = mlp.mlp_backward(params, x, labels)[name]
    assert received.dtype == np.float64
    # Central differences at this step are right to about 1e-10.
    assert np.linalg.norm(received - expected) / np.linalg.norm(expected) < 1e-6


def test_backward_by_hand():
    # Zero weights: two classes of probability 1/2; the hidden units are 0, so nothing but the output bias moves.
    params = {name: np.zeros_like(value) for name, value in network(2, 3, 2).items()}
    grads = mlp.mlp_backward(params, np.ones((4, 2)), np.array([0, 0, 0, 1]))
    assert grads["output_bias"].tolist() == [-0.25, 0.25]
    assert not any(grads[name].any() for name in PARAMS[:3])


def test_backward_of_a_repeated_batch_is_the_same():
    params, x, labels = network(3, 4, 3), rng().normal(size=(5, 3)), np.array([0, 1, 2, 1, 0])
    once, twice = mlp.mlp_backward(params, x, labels), mlp.mlp_backward(params, np.tile(x, (2, 1)), np.tile(labels, 2))
    for name in PARAMS:
        np.testing.assert_allclose(once[name], twice[name], atol=1e-14)


# --- steps ---


def test_step_by_hand():
    params, grads = {"w": np.array([1.0, -1.0])}, {"w": np.array([4.0, 2.0])}
    # velocity 0.5 · 2 - 0.25 · 4 = 0 and 0.5 · (-4) - 0.25 · 2 = -2.5
    stepped, velocity = mlp.momentum_step(params, grads, {"w": np.array([2.0, -4.0])}, 0.25, 0.5)
    assert velocity["w"].tolist() == [0.0, -2.5]
    assert stepped["w"].tolist() == [1.0, -3.5]


def test_steps_leave_their_inputs_alone():
    params, grads, velocity = ({"w": np.array([value])} for value in (1.0, 2.0, 3.0))
    mlp.momentum_step(params, grads, velocity, 0.1, 0.9)
    assert [params, grads, velocity] == [{"w": [1.0]}, {"w": [2.0]}, {"w": [3.0]}]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_three_steps_equal_keras(momentum):
    random = rng()
    start, gradients = random.normal(size=(2, 3)), random.normal(size=(3, 2, 3))
    variable = keras.Variable(start.astype("float32"))
    optimizer = keras.optimizers.SGD(learning_rate=0.1, momentum=momentum)
    optimizer.build([variable])
    params, velocity = {"w": start}, {"w": np.zeros((2, 3))}
    for gradient in gradients:
        optimizer.apply([ops.convert_to_tensor(gradient.astype("float32"))])
        params, velocity = mlp.momentum_step(params, {"w": gradient}, velocity, 0.1, momentum)
    np.testing.assert_allclose(params["w"], array(variable.value), **FLOAT32)


# --- a Keras model ---


def test_model_is_one_relu_layer_between_two_affine_maps():
    model = mlp.build_mlp(5, 8, 3)
    kernel, bias, output_kernel, output_bias = (random.normal(size=w.shape) for random in [rng()] for w in model.weights)
    model.set_weights([kernel, bias, output_kernel, output_bias])
    x = float32(7, 5)
    expected = np.maximum(array(x) @ kernel + bias, 0) @ output_kernel + output_bias
    np.testing.assert_allclose(array(model(x)), expected, atol=1e-5, rtol=1e-5)
    assert model.count_params() == mlp.count_params([5, 8, 3])


def test_model_is_not_linear():
    model = mlp.build_mlp(4, 16, 3)
    first, second = ops.unstack(float32(2, 1, 4, scale=2), 2)
    inputs = first + second, first, second, ops.zeros((1, 4))
    both, one, other, nothing = (array(model(x)) for x in inputs)
    assert np.abs(both - one - other + nothing).max() > 1e-3  # 0 for every affine map


def test_model_survives_saving_and_training(tmp_path):
    model, x, labels = mlp.build_mlp(4, 6, 3), float32(12, 4), np.arange(12) % 3
    model.compile(optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [weight.copy() for weight in model.get_weights()]
    model.fit(x, labels, epochs=1, batch_size=4, verbose=0)
    assert all(np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(array(again(x)), array(model(x)), **FLOAT32)
