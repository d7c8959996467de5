"""One test that every layer of the course has to pass: build, call, serialise, save, train, mixed precision."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops


def run_layer_test(
    layer_class: type[keras.layers.Layer],
    init: Mapping[str, Any],
    inputs: Mapping[str, np.ndarray],
    output_shape: tuple[int, ...],
    weight_shapes: Mapping[str, tuple[int, ...]],
    tmp_path: Path,
) -> None:
    """Assert what holds for any layer with one output.

    Args:
        layer_class: The layer, registered as serialisable.
        init: Keyword arguments of its constructor.
        inputs: Arguments of its call by name; the first axis of each is the batch.
        output_shape: What the call gives.
        weight_shapes: Shape by path of every weight, such as `"dense.kernel"`.
        tmp_path: An empty folder.
    """
    keras.utils.set_random_seed(0)
    layer = layer_class(**init)
    expected = _run(layer, inputs)
    assert expected.shape == output_shape
    assert np.isfinite(expected).all()
    assert _shapes(layer, weight_shapes) == dict(weight_shapes)
    assert len(layer.weights) == len(weight_shapes)
    _assert_config_round_trip(layer, inputs, output_shape)
    _assert_saves_and_trains(layer, inputs, expected, tmp_path)
    _assert_mixed_precision(layer, init, inputs)


def _run(layer: keras.layers.Layer, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    result = layer(**{name: ops.convert_to_tensor(value) for name, value in inputs.items()})
    return ops.convert_to_numpy(ops.cast(result, "float32"))


def _shapes(layer: keras.layers.Layer, paths: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for path in paths:
        variable: Any = layer
        for name in path.split("."):
            variable = getattr(variable, name)
        shapes[path] = tuple(variable.shape)
    return shapes


def _assert_config_round_trip(
    layer: keras.layers.Layer, inputs: Mapping[str, np.ndarray], output_shape: tuple[int, ...]
) -> None:
    config = layer.get_config()
    again = type(layer).from_config(json.loads(json.dumps(keras.saving.serialize_keras_object(config))))
    assert again.get_config() == config
    assert _run(again, inputs).shape == output_shape
    assert [tuple(w.shape) for w in again.weights] == [tuple(w.shape) for w in layer.weights]


def _assert_saves_and_trains(
    layer: keras.layers.Layer, inputs: Mapping[str, np.ndarray], expected: np.ndarray, tmp_path: Path
) -> None:
    """As part of a model whose batch size is open, the layer is saved, loaded without help, and trained by one step."""
    symbols = {name: keras.Input(value.shape[1:], dtype=str(value.dtype), name=name) for name, value in inputs.items()}
    model = keras.Model(symbols, layer(**symbols))
    assert model.output_shape == (None, *expected.shape[1:])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    # The same float32 operations on the same numbers; a compiled graph may reorder sums.
    np.testing.assert_allclose(loaded.predict(dict(inputs), verbose=0), expected, atol=1e-6, rtol=1e-6)

    before = [ops.convert_to_numpy(w.value).copy() for w in loaded.trainable_variables]
    loaded.compile(keras.optimizers.SGD(0.1), "mse")
    # Not all the same, which a normalised output is always equally far from.
    targets = np.random.default_rng(0).normal(size=expected.shape)
    history = loaded.fit(dict(inputs), targets, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for old, variable in zip(before, loaded.trainable_variables, strict=True):
        new = ops.convert_to_numpy(variable.value)
        assert np.isfinite(new).all(), variable.path
        # A bias may rightly have a gradient of 0, such as one that adds the same to all scores of a softmax.
        assert variable.path.endswith("bias") or new.ndim < 2 or abs(new - old).max() > 1e-6, variable.path


def _assert_mixed_precision(layer: keras.layers.Layer, init: Mapping[str, Any], inputs: Mapping[str, np.ndarray]) -> None:
    mixed = type(layer)(**init, dtype="mixed_float16")
    tensors = {name: ops.convert_to_tensor(value) for name, value in inputs.items()}
    assert keras.backend.standardize_dtype(mixed(**tensors).dtype) == "float16"
    assert {keras.backend.standardize_dtype(w.dtype) for w in mixed.weights} == {"float32"}
    for target, source in zip(mixed.weights, layer.weights, strict=True):
        target.assign(source.value)
    # float16 has 11 significant bits: about 1e-3 of a number, a few times over.
    expected = _run(layer, inputs)
    np.testing.assert_allclose(_run(mixed, inputs), expected, atol=5e-3 * max(1.0, abs(expected).max()))
