"""Runs with other inputs, such as one of zeros: who gives what is right for these has forgotten the input, or confused it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import combinations, permutations
from typing import Any

import numpy as np

from grader.judging.pairs import ORDINALS, Pair, same
from grader.judging.vocabulary import Array, Arrays, Call, Check, LayerCall

Slot = tuple[str, Any, Callable[[Any], Call]]
"""A part of a run's input: what it is called, its value, and the run with another value for it."""
AS_IF = "What comes out is as if "
FEW = 3
"""Who writes out a sum does so for so many entries at most."""


def inputs(check: Check, pairs: Sequence[Pair]) -> str:
    """An input that comes back as it was."""
    for k in range(min(len(ORDINALS), *(len(pair.case.run.args) for pair in pairs))):
        values = [pair.case.run.args[k] for pair in pairs]
        if all(isinstance(value, np.ndarray) for value in values) and all(
            same(check, pair.given, value.astype(float)) for pair, value in zip(pairs, values, strict=True)
        ):
            return f"What comes out is the {ORDINALS[k]} argument, as it was."
    return ""


class Others:
    """Asks an oracle what would be right for other inputs, each of them once.

    Args:
        check: Whose oracle.
    """

    def __init__(self, check: Check) -> None:
        self.check = check
        self._runs: dict[tuple[int, str], dict[str, Call]] = {}
        self._known: dict[tuple[int, str], Arrays] = {}

    def taken(self, check: Check, pairs: Sequence[Pair]) -> str:
        """What comes out is right for other inputs: without an argument, with zeros for it, with two of them exchanged."""
        return self._as(pairs, other_inputs)

    def cut(self, check: Check, pairs: Sequence[Pair]) -> str:
        """What comes out is right for an input of which some entries are left out, in two runs: in one it may be chance."""
        return self._as(pairs, cut_inputs) if len({id(pair.case.run) for pair in pairs if not pair.fits}) > 1 else ""

    def _as(self, pairs: Sequence[Pair], others: Callable[[Call], Iterator[tuple[str, Call]]]) -> str:
        first, *more = sorted(pairs, key=lambda pair: (pair.fits, pair.right.size))
        runs = {id(pair.case.run): self._of(pair.case.run, others) for pair in pairs}
        found = (
            label
            for label in runs[id(first.case.run)]
            if all(self._fits(pair, label, runs[id(pair.case.run)].get(label)) for pair in (first, *more))
        )
        said = next(found, "")
        begin, were, what = said.partition(" were ")
        if not what:
            return f"{said}." if said else ""
        # One factor of a product may be taken for the other.
        other = next((label for label in found if label.endswith(f"{were}{what}")), "")
        return f"{begin}{other.replace(AS_IF, ', or ').replace(f'{were}{what}', ',')}{were}{what}."

    def _of(self, run: Call, others: Callable[[Call], Iterator[tuple[str, Call]]]) -> dict[str, Call]:
        place = id(run), others.__name__
        if place not in self._runs:
            self._runs[place] = dict(others(run))
        return self._runs[place]

    def _fits(self, pair: Pair, label: str, run: Call | None) -> bool:
        """Whether an array is what would be right for another run, if there is one; a run may have no such argument."""
        if run is None:
            return pair.fits
        place = id(pair.case.run), label
        if place not in self._known:
            self._known[place] = {}
            with suppress(Exception):  # an oracle may not bear other inputs
                self._known[place] = expected(self.check, pair, run)
        right = self._known[place].get(pair.name)
        return right is not None and same(self.check, pair.given, right)


def expected(check: Check, pair: Pair, run: Call) -> Arrays:
    """All that would be right for another run."""
    return {name: value.astype(float) for name, value in check.expected(replace(pair.case, run=run, of=())).items()}


# --- the other inputs ---


def other_inputs(run: Call) -> Iterator[tuple[str, Call]]:
    """Runs with other inputs, by what is said of an answer that takes the inputs for these; the likeliest first."""
    for name in run.kwargs:
        kept = {k: v for k, v in run.kwargs.items() if k != name}
        yield f"What comes out does not depend on `{name}`", replace(run, kwargs=kept)
    for name, value, put in slots(run):
        for what, other in _instead(value):
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


def _instead(value: Any) -> Iterator[tuple[str, Any]]:
    """What may be taken for a value by one who forgets it, or something about it."""
    if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind in "iu":
        yield from {"all zeros": np.zeros_like(value), "all ones": np.ones_like(value)}.items()
        yield from _turned(value)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
        for what, change in CHANGES.items():
            yield what, change(value)
        yield from _turned(value)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "b":
        yield "True everywhere", np.ones_like(value)
        yield "turned around, True for False", ~value
        if value.ndim > 1 and len(value) > 1:
            yield "that of the first entry for all", np.broadcast_to(value[:1], value.shape)
    elif isinstance(value, Mapping) and all(isinstance(item, np.ndarray) and item.dtype.kind == "f" for item in value.values()):
        for what, change in CHANGES.items():
            yield what, {name: change(item) for name, item in value.items()}
        if any(item.ndim > 1 for item in value.values()):
            yield (
                "the means of its matrices along axis 0",
                {
                    name: np.broadcast_to(item.mean(axis=0), item.shape) if item.ndim > 1 else item
                    for name, item in value.items()
                },
            )
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


CHANGES: dict[str, Callable[[Array], Array]] = {
    "all zeros": np.zeros_like,
    "all ones": np.ones_like,
    "of the other sign": np.negative,
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
