"""Inputs in place of those that an answer was given, such as zeros: what may be taken for an input by one who confuses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations, permutations
from typing import Any

import numpy as np

from grader.judging.pairs import ORDINALS
from grader.judging.vocabulary import Array, Call, LayerCall

Slot = tuple[str, Any, Callable[[Any], Call]]
"""A part of a run's input: what it is called, its value, and the run with another value for it."""
AS_IF = "What comes out is as if "
"""How the sentence about most of them begins."""
FEW = 3
"""Who writes out a sum does so for so many entries at most."""


def other_inputs(run: Call) -> Iterator[tuple[str, Call]]:
    """Runs with other inputs, by what is said of an answer that takes the inputs for these; the likeliest first."""
    for name in run.kwargs:
        kept = {k: v for k, v in run.kwargs.items() if k != name}
        yield f"What comes out does not depend on `{name}`", replace(run, kwargs=kept)
    for name, value, put in slots(run):
        of_a_layer = isinstance(run, LayerCall) and not name.endswith("argument")
        for what, other in _forgotten(value) if of_a_layer else _instead(value):
            yield f"{AS_IF}{name} were {what}", put(other)
    for (i, one), (j, other) in combinations(enumerate(run.args[: len(ORDINALS)]), 2):
        if np.shape(one) == np.shape(other) and not isinstance(one, Mapping):
            exchanged = _with_argument(_with_argument(run, i, other), j, one)
            yield f"{AS_IF}the {ORDINALS[i]} and the {ORDINALS[j]} argument were exchanged", exchanged
    if isinstance(run, LayerCall):
        yield from _other_layers(run)


def cut_inputs(run: Call) -> Iterator[tuple[str, Call]]:
    """Runs with arrays of which some entries are left out."""
    for name, value, put in slots(run):
        for what, other in _fewer(value):
            yield f"{AS_IF}{name} were {what}", put(other)


def slots(run: Call) -> Iterator[Slot]:
    """The parts of a run's input: arguments, what is in those that are dicts, weights, and the weights of a layer together."""
    for k, value in enumerate(run.args[: len(ORDINALS)]):
        yield f"the {ORDINALS[k]} argument", value, partial(_with_argument, run, k)
        for name, item in value.items() if isinstance(value, Mapping) else ():
            yield f"`{name}` of the {ORDINALS[k]} argument", item, partial(_with_entry, run, k, name)
    for name, value in run.kwargs.items():
        yield f"`{name}`", value, partial(_with_keyword, run, name)
    if isinstance(run, LayerCall):
        for path, value in run.weights.items():
            yield f"`{path}`", value, partial(_with_weight, run, path)
        for layer, weights in _layers(run).items():
            yield f"what `{layer}` gives", weights, partial(_with_weights, run)


def _with_argument(run: Call, k: int, value: Any) -> Call:
    return replace(run, args=(*run.args[:k], value, *run.args[k + 1 :]))


def _with_entry(run: Call, k: int, name: str, value: Any) -> Call:
    return _with_argument(run, k, {**run.args[k], name: value})


def _with_keyword(run: Call, name: str, value: Any) -> Call:
    return replace(run, kwargs={**run.kwargs, name: value})


def _with_weight(run: LayerCall, path: str, value: Any) -> Call:
    return _with_weights(run, {path: value})


def _with_weights(run: LayerCall, weights: Mapping[str, Any]) -> Call:
    return replace(run, weights={**run.weights, **weights})


def _layers(run: LayerCall) -> dict[str, dict[str, Array]]:
    """The weights of a layer's inner layers, by their names; of a dense layer they give its output a factor."""
    found: dict[str, dict[str, Array]] = {}
    for path, value in run.weights.items():
        layer, _, _ = path.rpartition(".")
        found.setdefault(layer, {})[path] = value
    return {layer: weights for layer, weights in found.items() if layer and len(weights) > 1}


def _other_layers(run: LayerCall) -> Iterator[tuple[str, Call]]:
    """One inner layer stands for another one, too."""
    for (name, weights), (other, others) in permutations(_layers(run).items(), 2):
        if [value.shape for value in weights.values()] == [value.shape for value in others.values()]:
            given = dict(zip(weights, others.values(), strict=True))
            yield f"{AS_IF}`{other}` stood in the place of `{name}`", _with_weights(run, given)


def _forgotten(value: Any) -> Iterator[tuple[str, Any]]:
    """What arrays may be taken for by one who forgets them or their sign."""
    for what, change in FORGOTTEN.items():
        if isinstance(value, Mapping) and all(_floats(item) for item in value.values()):
            yield what, {name: change(item) for name, item in value.items()}
        elif _floats(value):
            yield what, change(value)


def _floats(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _instead(value: Any) -> Iterator[tuple[str, Any]]:
    """What may be taken for a value by one who forgets it, or something about it."""
    yield from _forgotten(value)
    if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind in "iu":
        yield from {"all zeros": np.zeros_like(value), "all ones": np.ones_like(value)}.items()
        yield from _turned(value)
    elif _floats(value):
        for what, change in CHANGES.items():
            yield what, change(value)
        yield from _turned(value)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "b":
        yield "True everywhere", np.ones_like(value)
        yield "turned around, True for False", ~value
        if value.ndim > 1 and len(value) > 1:
            yield "that of the first entry for all", np.broadcast_to(value[:1], value.shape)
    elif isinstance(value, Mapping) and all(_floats(item) for item in value.values()):
        for what, change in CHANGES.items():
            yield what, {name: change(item) for name, item in value.items()}
        if any(item.ndim > 1 for item in value.values()):
            means = {name: item.mean(axis=0) if item.ndim > 1 else item for name, item in value.items()}
            yield "the means of its matrices along axis 0", {k: np.broadcast_to(v, value[k].shape) for k, v in means.items()}
    elif isinstance(value, float):
        yield from {
            "0": 0.0,
            "1": 1.0,
            "of the other sign": -value,
            "twice as large": 2 * value,
            "half as large": value / 2,
        }.items()
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from {"one more": value + 1, "one less": value - 1, "twice as large": 2 * value}.items()
        for number in range(11):
            yield str(number), number
    elif isinstance(value, list) and len(value) > 1:
        repeated = [k for k in range(1, len(value)) if value[k] == value[k - 1]]
        if repeated:
            yield "without one of two equal entries that follow each other", [*value[: repeated[0]], *value[repeated[0] + 1 :]]
        yield "without its last entry", value[:-1]
        yield "without its first entry", value[1:]
        yield "without its second entry", [value[0], *value[2:]]


def _turned(value: Array) -> Iterator[tuple[str, Array]]:
    """The same numbers, or some of them, in other places."""
    for axis, size in enumerate(value.shape):
        if size > 1:
            yield f"backwards along axis {axis}", np.flip(value, axis)
    if value.ndim and len(value) > 1:
        yield "its first entry along axis 0, everywhere", np.broadcast_to(value[:1], value.shape)
    if value.ndim > 1 and value.shape[-1] == value.shape[-2]:
        yield "transposed", np.swapaxes(value, -1, -2)
    elif value.ndim == 2 and min(value.shape) > 1:
        yield "reshaped where it should be transposed", value.reshape(value.shape[::-1]).T
    if value.ndim > 1 and value.dtype.kind == "f":
        yield "its mean along axis 0, everywhere", np.broadcast_to(value.mean(axis=0), value.shape)


FORGOTTEN: dict[str, Callable[[Array], Array]] = {
    "all zeros": np.zeros_like,
    "all ones": np.ones_like,
    "of the other sign": np.negative,
}
CHANGES: dict[str, Callable[[Array], Array]] = {
    "twice as large": lambda value: 2 * value,
    "half as large": lambda value: value / 2,
    "without its signs": np.abs,
    "0 where it is negative": lambda value: np.maximum(value, 0),
    "nothing but its signs": np.sign,
    "squared": np.square,
    "cut to whole numbers": np.trunc,
}


def _fewer(value: Any) -> Iterator[tuple[str, Any]]:
    """Arrays of which some entries along an axis are left out."""
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return
    for axis, size in enumerate(value.shape):
        where = np.arange(size).reshape(-1, *[1] * (value.ndim - axis - 1))
        for number in range(1, min(FEW + 1, size)):
            entries = "entry" if number == 1 else f"{number} entries"
            yield f"0 but for its first {entries} along axis {axis}", value * (where < number)
        if size > 1:
            yield f"0 in its last entry along axis {axis}", value * (where < size - 1)
            yield f"0 in its first entry along axis {axis}", value * (where > 0)
