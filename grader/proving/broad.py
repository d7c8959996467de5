"""Broad inputs: those of a check, changed at random in ways that stay valid, to see whether two answers are the same.

A check's inputs are few, of fixed sizes, and of the same kind each time. These are other sizes, other magnitudes, ties, zeros,
repeated rows, other masks and integers nearby. What is valid is in no file, so the reference is asked: where it raises or gives
NaN, nothing is demanded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from course import probe
from course.probe import Call, LayerCall, ModelCall, Randomness
from grader.judging import Array, Arrays, Check
from grader.judging.deadline import OverTime, at_most
from grader.judging.judge import runs_of

RELATIVE, ABSOLUTE = 1e-4, 1e-6
"""Numbers are the same that differ by less, in units of the largest one, and at all."""
SECONDS = 10
"""Of the processor, for one call."""
TRIES = 5
"""So many times more inputs are made at most than are compared, since some are not valid."""


@dataclass(frozen=True)
class Draw:
    """A call, and what the reference gives, by name."""

    run: Call
    arrays: Arrays


class Broad:
    """Broad inputs of a check, made as they are needed and kept for the next answer.

    Args:
        check: The exercise's.
        reference: Its right answer.
        draws: How many.
    """

    def __init__(self, check: Check, reference: Callable[..., Any], draws: int) -> None:
        self.check, self.reference, self.draws = check, reference, draws
        self._known: list[Draw] = []
        self._made = self._make()

    def __iter__(self) -> Iterator[Draw]:
        for number in range(self.draws):
            if number == len(self._known) and (draw := next(self._made, None)):
                self._known.append(draw)
            if number >= len(self._known):
                return
            yield self._known[number]

    def _make(self) -> Iterator[Draw]:
        for seed in range(TRIES * self.draws):
            rng = np.random.default_rng([7, seed])
            runs = runs_of(self.check.draw(rng))
            run = widened(runs[seed % len(runs)], rng)
            arrays, error = outcome(self.reference, run)
            if not error and all(np.isfinite(array.astype(float)).all() for array in arrays.values()):
                yield Draw(run, arrays)

    def difference(self, answer: Callable[..., Any]) -> Draw | None:
        """The first of the draws on which an answer gives something else than the reference, or None."""
        for draw in self:
            arrays, error = outcome(answer, draw.run)
            if error or not same(arrays, draw.arrays):
                return draw
        return None


def outcome(answer: Callable[..., Any], run: Call) -> tuple[Arrays, str]:
    """What an answer gives for a call: arrays, or an error."""
    try:
        with at_most(SECONDS):
            (evidence,) = probe.collect(answer, [run])["runs"]
    except OverTime:
        return {}, "takes too long"
    if "error" in evidence:
        return {}, evidence["error"]
    return probe.decode(json.loads(json.dumps(evidence["arrays"]))), ""


def same(received: Arrays, expected: Arrays) -> bool:
    """Whether two results are the same but for rounding."""
    if received.keys() != expected.keys():
        return False
    for name, right in expected.items():
        given = received[name]
        if given.shape != right.shape:
            return False
        right, given = right.astype(float), given.astype(float)
        most = ABSOLUTE + RELATIVE * np.abs(right).max(initial=0)
        with np.errstate(all="ignore"):
            if not (np.abs(given - right) <= most).all():
                return False
    return True


def widened(run: Call, rng: np.random.Generator) -> Call:
    """A call like this one, changed at random."""
    named = _sizes(run)
    steps = int(rng.integers(0, 4))
    if named and rng.random() < 0.4:
        size = int(rng.choice(named))
        run = _mapped(run, _resized(size, int(rng.integers(1, size + 3))))
    for _ in range(steps):
        run = _mapped(run, lambda value: _changed(value, rng) if rng.random() < 0.5 else value, weights=rng.random() < 0.3)
    if run.kwargs and rng.random() < 0.15:
        gone = str(rng.choice(list(run.kwargs)))
        run = replace(run, kwargs={name: value for name, value in run.kwargs.items() if name != gone})
    return run


def _mapped(run: Call, change: Callable[[Any], Any], weights: bool = True) -> Call:
    """A call whose arguments, and inputs, and weights, are changed."""
    changes: dict[str, Any] = {
        "args": tuple(_deep(value, change) for value in run.args),
        "kwargs": {name: _deep(value, change) for name, value in run.kwargs.items()},
    }
    if isinstance(run, LayerCall):
        changes["init"] = {name: _deep(value, change) for name, value in run.init.items()}
        changes["weights"] = {name: _deep(value, change) if weights else value for name, value in run.weights.items()}
    if isinstance(run, ModelCall):
        changes["inputs"] = {name: _deep(value, change) for name, value in run.inputs.items()}
        changes["weights"] = tuple(_deep(value, change) if weights else value for value in run.weights)
    return replace(run, **changes)


def _deep(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, Mapping):
        return {name: _deep(item, change) for name, item in change(value).items()}
    if isinstance(value, list | tuple):
        items = [_deep(item, change) for item in change(value)]
        return tuple(items) if isinstance(value, tuple) else items
    return change(value)


def _sizes(run: Call) -> list[int]:
    """The sizes of axes that a call has."""
    found: set[int] = set()

    def note(value: Any) -> Any:
        found.update(np.shape(value) if isinstance(value, np.ndarray) else ())
        return value

    _mapped(run, note)
    return sorted(size for size in found if size > 1)


def _resized(size: int, other: int) -> Callable[[Any], Any]:
    """Another size in place of one: of every axis that has it, and of every integer that says it."""

    def change(value: Any) -> Any:
        if type(value) is int:
            return other if value == size else value
        if isinstance(value, np.ndarray):
            for axis, length in enumerate(value.shape):
                if length == size:
                    value = np.take(value, np.arange(other) % size, axis=axis)
        return value

    return change


# --- one value ---


def _changed(value: Any, rng: np.random.Generator) -> Any:
    """Another value of the same kind and range."""
    if isinstance(value, Randomness):
        return Randomness(int(rng.integers(1000)))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        if value > 0 and rng.random() < 0.3:
            return int(rng.integers(1, 4))
        return max(min(value, 0), value + int(rng.integers(-3, 6)))
    if isinstance(value, float):
        if 0 < value < 1:
            return float(rng.random())
        return value * float(10 ** rng.uniform(-1, 1))
    if isinstance(value, list | tuple) and len(value) > 1 and type(value[0]) is int:
        items = list(value) + [int(rng.integers(1, 9)) for _ in range(int(rng.integers(0, 3)))]
        return items[int(rng.integers(0, len(items) - 1)) :] if rng.random() < 0.5 else items
    if isinstance(value, Mapping):  # their order says nothing
        return {name: value[name] for name in rng.permutation(list(value)).tolist()}
    if isinstance(value, np.ndarray) and value.size:
        return _array(value, rng)
    return value


def _array(value: Array, rng: np.random.Generator) -> Array:
    if value.dtype.kind == "b":
        new = rng.random(value.shape) < rng.choice([0.2, 0.5, 0.9])
        if value.ndim and value.any(axis=-1).all():  # nowhere is nothing allowed
            new[..., 0] |= ~new.any(axis=-1)
        return np.asarray(new)
    if value.ndim and rng.random() < 0.3:
        return np.asarray(rng.permutation(value, axis=int(rng.integers(value.ndim))))
    if value.dtype.kind in "iu":
        return np.asarray(rng.choice(value.ravel(), value.shape), dtype=value.dtype)
    ways = (
        lambda x: x * 10 ** rng.uniform(-2, 1.5),
        lambda x: x + rng.normal() * 3,
        lambda x: -x,
        lambda x: np.where(rng.random(x.shape) < 0.3, 0, x),
        lambda x: np.round(x),
        lambda x: x[rng.integers(0, len(x), len(x))] if x.ndim else x,
        lambda x: rng.normal(size=x.shape) * max(np.abs(x).max(), 1e-3),
        lambda x: np.zeros_like(x) + x.flat[0],
        lambda x: x * np.where(rng.random(x.shape) < 0.2, 30, 1),
    )
    new = np.asarray(ways[int(rng.integers(len(ways)))](value.astype(float)))
    if (value >= 0).all():
        new = np.abs(new)
        if value.max() <= 1 and value.ndim and np.allclose(value.sum(axis=-1), 1):
            new = (new + 1e-3) / (new + 1e-3).sum(axis=-1, keepdims=True)
    return np.asarray(new, dtype=value.dtype)
