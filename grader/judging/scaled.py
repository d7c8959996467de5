"""An input that counts more or less than it should: which number would it have to be multiplied by to give what came out?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from grader.judging.as_if import expected
from grader.judging.other_inputs import slots
from grader.judging.pairs import LEAST, ORDINALS, Pair, same
from grader.judging.vocabulary import Array, Arrays, Call, Check, LayerCall

STEPS = 10
"""Of Newton's method at most, where what comes out is no linear function of the number."""
NEAR = 1e-4
"""A step for a slope."""
ROUGHLY = 1e-3
"""Numbers that are found are as exact as that."""


class Scaled:
    """Finds what an input was multiplied by, once for each run.

    Args:
        check: Whose oracle is asked.
    """

    def __init__(self, check: Check) -> None:
        self.check = check
        self._known: dict[tuple[int, str, tuple[str, ...]], float | None] = {}
        self._asked: dict[tuple[int, str, float], Arrays] = {}

    def find(self, check: Check, pairs: Sequence[Pair]) -> str:
        """What comes out is right for an input that is multiplied by a number, or for a number in place of an argument."""
        runs: dict[int, list[Pair]] = {}
        for pair in pairs:
            runs.setdefault(id(pair.case.run), []).append(pair)
        found = sorted(runs.values(), key=_size)
        if any(pair.fits or not np.isfinite(pair.given).all() for pair in pairs) or _size(found[0]) < LEAST:
            return ""
        said = []
        for name, value, _ in slots(found[0][0].case.run):
            if isinstance(found[0][0].case.run, LayerCall) and name.startswith("`") and isinstance(value, np.ndarray):
                continue  # a weight is no factor by itself: what its layer gives may be one
            numbers = []
            for some in found:
                if (number := self._number(some, name)) is None:
                    break
                numbers.append(number)
            else:
                said.append(_said(name, [some[0].case.run for some in found], numbers))
        return min(said, default=(0, ""), key=lambda one: one[0])[1]

    def _number(self, pairs: Sequence[Pair], name: str) -> float | None:
        """What an input is multiplied by, or, of a number, what stands in its place; None if nothing gives what came out."""
        place = id(pairs[0].case.run), name, tuple(pair.name for pair in pairs)
        if place not in self._known:
            self._known[place] = None
            with suppress(Exception):  # an oracle may not bear other inputs, and not every input is a number
                self._known[place] = self._solved(pairs, name)
        return self._known[place]

    def _solved(self, pairs: Sequence[Pair], name: str) -> float | None:
        run = pairs[0].case.run
        value, put = next((value, put) for slot, value, put in slots(run) if slot == name)

        def right(number: float) -> Array:
            place = id(run), name, number
            if place not in self._asked:
                self._asked[place] = expected(self.check, pairs[0], put(_times(value, number)))
            return np.concatenate([self._asked[place][pair.name].ravel() for pair in pairs])

        given = np.concatenate([pair.given.ravel() for pair in pairs])
        number = _solve(right, given, value if isinstance(value, float) else 1.0)
        fits = same(self.check, given, right(number)) and not same(self.check, given, right(number + 0.1))
        return number if fits else None


def _size(pairs: Sequence[Pair]) -> int:
    return sum(pair.given.size for pair in pairs)


def _times(value: Any, number: float) -> Any:
    if isinstance(value, float):
        return number
    if isinstance(value, Mapping):
        return {key: _times(item, number) for key, item in value.items()}
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        raise ValueError
    return value * number


def _solve(right: Callable[[float], Array], given: Array, number: float) -> float:
    """The number for which `right` comes nearest to what came out, by Newton's method; where it is linear, one step does."""
    before = right(number)
    distance = float(np.abs(given - before).max())
    for _ in range(STEPS):
        slope = (right(number + NEAR) - before) / NEAR
        step = float(np.vdot(slope, given - before) / np.vdot(slope, slope))
        number, last = number + step, distance
        before = right(number)
        distance = float(np.abs(given - before).max())
        if abs(step) < NEAR**2 or not distance < 0.7 * last:  # it has come to its end, or it goes nowhere
            break
    return number


def _said(name: str, runs: Sequence[Call], numbers: Sequence[float]) -> tuple[int, str]:
    """A sentence about the numbers that were found, one for each run, and how little it says."""
    values = [next(value for slot, value, _ in slots(run) if slot == name) for run in runs]
    instead = isinstance(values[0], float)
    factors = np.array(numbers) / np.array(values) if instead else np.array(numbers)
    begin = f"What comes out is as if {name} were"
    if instead and len(runs) > 1 and _equal(numbers, numbers[0]) and np.ptp(values) > ROUGHLY:
        return 0, f"{begin} one and the same number in all runs: is it built in?"
    known = {what: [_known(run, name).get(what, np.nan) for run in runs] for what in _known(runs[0], name)}
    if instead and (whats := [what for what in known if _equal(numbers, known[what])]):
        return 1, f"{begin} {whats[0]}."
    if instead and 0 in values:
        return 1, f"{begin} another number than the one that was handed in: is it built in?"
    for what, sizes in known.items():
        for word, factor in (("multiplied", np.array(sizes)), ("divided", 1 / np.array(sizes))):
            if _equal(factors, factor):
                return 1, f"{begin} {word} by {what}."
    if _equal(factors, factors[0]):
        return 2, f"{begin} multiplied by a number{', the same in each run' * (len(runs) > 1)}: is a factor missing, or wrong?"
    return 3, f"{begin} multiplied by a number, another one in each run: is a factor missing, or wrong?"


def _equal(numbers: Any, others: Any) -> bool:
    return bool(np.allclose(numbers, others, rtol=ROUGHLY))


def _known(run: Call, name: str) -> dict[str, float]:
    """Numbers of a run that an input could be multiplied by, by what they are called."""
    found: dict[str, float] = {}
    for k, value in enumerate(run.args[: len(ORDINALS)]):
        argument = f"the {ORDINALS[k]} argument"
        if isinstance(value, float):
            found |= {argument: value} if argument != name else {}
            found[f"1 minus {argument}"] = 1 - value
    for k, axis, size in _sizes(run):
        found[f"the size of the {ORDINALS[k]} argument along axis {axis}"] = size
        found[f"the root of the size of the {ORDINALS[k]} argument along axis {axis}"] = size**0.5
    return found


def _sizes(run: Call) -> Iterator[tuple[int, int, int]]:
    for k, value in enumerate(run.args[: len(ORDINALS)]):
        if isinstance(value, np.ndarray):
            yield from ((k, axis, size) for axis, size in enumerate(value.shape) if size > 1)
