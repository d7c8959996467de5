"""The probe on each backend: what it makes of an answer's values, and what it says when they are not what was agreed."""

import contextlib
import gc
import json
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from course import probe
from course.probe import UNWRITTEN, Call, Encoder, LayerCall, ModelCall, Randomness

pytestmark = pytest.mark.all_backends

X = np.arange(6, dtype="float32").reshape(2, 3)


def collect(answer, run, off_limits=()):
    """One run's evidence after its way through JSON: arrays by name, or the error's text."""
    evidence = json.loads(json.dumps(probe.collect(answer, [run], off_limits)))
    (found,) = evidence["runs"]
    return found["error"] if "error" in found else probe.decode(found["arrays"])


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: x * 2.0,
        lambda x: ops.convert_to_numpy(x) * 2,
        lambda x: np.asarray(x, dtype="float64") * 2,
        lambda x: (np.asarray(x) * 2).tolist(),
        lambda x: [row * 2 for row in x],
        lambda x: tuple(tuple(float(v) * 2 for v in row) for row in np.asarray(x)),
        lambda x: keras.Variable(ops.convert_to_numpy(x) * 2),
    ],
    ids=["tensor", "numpy", "float64", "lists", "list of tensors", "tuples of numbers", "variable"],
)
def test_values_count_whatever_holds_them(answer):
    np.testing.assert_array_equal(collect(answer, Call((X,)))["result"], 2 * X)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "expected numbers, received NoneType"),
        ("text", "expected numbers, received str"),
        ({"a": 1}, "expected numbers, received dict"),
        (object(), "expected numbers, received object"),
        ([[1, 2], [3]], "ValueError"),
        (1j, "expected numbers"),
    ],
)
def test_what_is_no_array_of_numbers_is_said(value, said):
    assert said in collect(lambda x: value, Call((X,)))


def test_several_values_are_named_in_order_or_by_key():
    run = Call((X,), returns=("first", "second"))
    for answer in (lambda x: (x, 1), lambda x: [x, 1], lambda x: {"second": 1, "first": x, "more": None}):
        found = collect(answer, run)
        assert found.keys() == {"first", "second"}
        assert found["second"] == 1
    assert "expected 2 values (first, second), received one" in collect(lambda x: x, run)
    assert "expected 2 values (first, second), received 3 values" in collect(lambda x: (1, 2, 3), run)
    assert "expected a dict with the keys ['first', 'second'], received ['first']" in collect(lambda x: {"first": 1}, run)
    assert collect(lambda x: ({"a": x, "b": 2}, 1), run).keys() == {"first.a", "first.b", "second"}


def test_every_run_gets_fresh_copies_and_repeated_calls_show_what_was_changed():
    def changes(x):
        x += 1
        return x

    runs = [Call((X.copy(),), numpy=True), Call((X.copy(),), numpy=True), Call((X.copy(),), numpy=True, calls=2)]
    runs[1] = runs[0]
    found = [probe.decode(run["arrays"])["result"] for run in probe.collect(changes, runs)["runs"]]
    for array, offset in zip(found, (1, 1, 2), strict=True):
        np.testing.assert_array_equal(array, X + offset)
    np.testing.assert_array_equal(runs[0].args[0], X)


def test_an_error_is_evidence_of_its_run_alone():
    def picky(x):
        if x.shape == (2, 3):
            raise ValueError("a" * 1000)
        return x

    evidence = probe.collect(picky, [Call((X,)), Call((X.T.copy(),))])
    assert evidence["runs"][0]["error"].startswith("ValueError: aaa")
    assert len(evidence["runs"][0]["error"]) <= probe.MAX_ERROR_CHARS
    assert "arrays" in evidence["runs"][1]


def test_precision_and_random_state_are_put_back():
    keras.config.set_dtype_policy("float32")
    state = np.random.get_state()[1].tolist()

    def careless(x):
        keras.config.set_dtype_policy("mixed_float16")
        keras.config.set_floatx("float16")
        np.random.seed(1)
        return x

    collect(careless, Call((X,)))
    assert (keras.config.dtype_policy().name, keras.config.floatx()) == ("float32", "float32")
    assert np.random.get_state()[1].tolist() == state


class Scaled(layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.inner = layers.Dense(units)

    def call(self, x):
        return self.inner(x)


def test_a_layer_gets_its_weights_by_path():
    kernel, bias = np.ones((3, 4), "float32"), np.arange(4, dtype="float32")
    run = LayerCall((X,), init={"units": 4}, weights={"inner.kernel": kernel, "inner.bias": bias})
    np.testing.assert_allclose(collect(Scaled, run)["result"], X @ kernel + bias, atol=1e-6)
    missing = LayerCall((X,), init={"units": 4}, weights={"outer.kernel": kernel})
    assert "AttributeError" in collect(Scaled, missing)


def build(units):
    return keras.Sequential([layers.Dense(units), layers.Dense(2)])


def test_a_model_gets_its_weights_by_shape_and_is_called_on_each_input():
    shapes = ((3, 4), (4,), (4, 2), (2,))
    weights = tuple(np.full(shape, number + 1.0, "float32") for number, shape in enumerate(shapes))
    many = np.ones((probe.BATCH + 5, 3), "float32")
    found = collect(build, ModelCall((4,), weights=weights, inputs={"x": X, "many": many}))
    assert found["parameters"] == 26
    expected = (X @ weights[0] + weights[1]) @ weights[2] + weights[3]
    np.testing.assert_allclose(found["x"], expected, rtol=1e-6)
    assert found["many"].shape == (probe.BATCH + 5, 2)
    other = collect(build, ModelCall((5,), weights=weights, inputs={"x": X}))
    assert "expected weights of the shapes [(2,), (3, 4), (4,), (4, 2)], received [(2,), (3, 5), (5,), (5, 2)]" in other
    assert "expected a Keras model, received NoneType" in collect(lambda units: None, ModelCall((4,), inputs={"x": X}))


def test_small_calls_run_on_the_cpu_and_models_where_there_is_most_power(monkeypatch):
    """So that NumPy reads the tensors of every backend, and float32 is float32."""
    asked = []
    monkeypatch.setattr(keras, "device", lambda name: asked.append(name) or contextlib.nullcontext())
    collect(lambda x: x, Call((X,)))
    assert asked == ["cpu"]
    collect(build, ModelCall((4,), inputs={"x": X}))
    assert asked == ["cpu"]


def test_small_calls_may_build_layers_with_random_numbers_of_their_own():
    found = collect(lambda x: layers.Dropout(0.5)(layers.LSTM(2, dropout=0.5)(x[None])), Call((X,)))
    assert found["result"].shape == (1, 2)


# --- arguments that are made in the kernel ---


def test_a_generator_is_made_of_its_seed():
    run = Call((Randomness(3), 4), numpy=True)
    np.testing.assert_array_equal(collect(lambda rng, n: rng.random(n), run)["result"], np.random.default_rng(3).random(4))


def test_an_encoder_is_made_for_the_order_of_the_words():
    from course import data, pretrained

    order = 4 + np.random.default_rng(0).permutation(len(data.Grammar().words) - 4)
    ids, _ = data.Grammar(order).sample(3, np.random.default_rng(1))
    evidence = collect(lambda encoder: encoder, ModelCall((Encoder(order),), numpy=True, inputs={"x": ids}))
    expected = ops.convert_to_numpy(pretrained.load_encoder(order)(ids))
    np.testing.assert_allclose(evidence["x"], expected, atol=1e-5)


def test_of_a_models_outputs_only_the_places_that_were_asked_for():
    places = np.array([[0, 2], [1, 0]])
    run = ModelCall(inputs={"x": X, "y": X}, places={"x": places})
    inputs = layers.Input((3,))
    evidence = collect(lambda: keras.Model(inputs, ops.expand_dims(inputs, -1) * 2), run)
    np.testing.assert_array_equal(evidence["x"], [[4.0], [6.0]])
    assert evidence["y"].shape == (2, 3, 1)


def test_weights_of_one_shape_get_the_same_values():
    kernel, bias = np.array([[1.0, 2.0], [3.0, 4.0]], "float32"), np.array([5.0, 6.0], "float32")
    run = ModelCall(inputs={"x": np.ones((1, 2), "float32")}, weights=(kernel, bias))
    evidence = collect(lambda: keras.Sequential([layers.Input((2,)), layers.Dense(2), layers.Dense(2)]), run)
    once = np.ones((1, 2)) @ kernel + bias
    np.testing.assert_allclose(evidence["x"], once @ kernel + bias)


def test_who_calls_what_is_not_written_yet_reads_whose_it_is():
    def softmax(x):
        raise NotImplementedError()

    def attention(x):
        return softmax(x)

    run = Call((np.ones(2),))
    own, others = (collect(answer, run) for answer in (softmax, attention))
    assert own == "NotImplementedError: "
    assert others == f"NotImplementedError: `softmax`, which is used here, {UNWRITTEN}"


def test_of_an_error_in_a_compiled_function_only_what_is_wrong_is_said():
    """With TensorFlow a stack of some thousand characters stands before it."""

    def answer():
        model = keras.Sequential([layers.Embedding(5, 3)])
        model.compile("sgd", "mse")
        model.fit(np.full((8, 3), 7), np.zeros((8, 3, 2)), verbose=0)

    (found,) = probe.collect(answer, [Call()])["runs"]
    assert "File" not in found.get("error", "")


@pytest.mark.parametrize("collects", [True, False])
def test_nothing_collects_garbage_while_threads_are_looked_at(monkeypatch, collects):
    """Until Python 3.12 that may never end: a class once stood still at this place."""
    seen, frames, before = [], sys._current_frames, gc.isenabled()
    monkeypatch.setattr(sys, "_current_frames", lambda: seen.append(gc.isenabled()) or frames())
    (gc.enable if collects else gc.disable)()
    try:
        assert not probe.answering()
        assert seen == [False] and gc.isenabled() == collects
    finally:
        (gc.enable if before else gc.disable)()
