"""What is wrong with an answer whose mistake nobody listed: how its evidence differs from what is right, as a whole.

A diagnosis is a relation between what came out and what should have, that holds for all evidence of a check, or, if some of
it is right, for all that is not. Relations may be told, values may not: inputs are drawn anew for each submission, so that
nobody can answer with a relation. The most specific one is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from grader.judging.as_if import ORDINALS, other_inputs
from grader.judging.form import wrong_form
from grader.judging.vocabulary import Array, Case, Check, Judged

AXES = {(0, 2): "row", (1, 2): "column"}
"""What an entry along an axis is called, by axis and number of axes."""
LEAST = 3
"""So many numbers show a relation; fewer may fit one by chance."""


@dataclass(frozen=True)
class Pair:
    """An array of evidence, and what it should have been."""

    case: Case
    name: str
    right: Array
    given: Array
    fits: bool


def diagnose(judged: Judged) -> str:
    """A sentence that is true of the evidence and says how it is wrong; "" if none is known."""
    with np.errstate(all="ignore"):  # evidence may hold NaN and numbers that overflow
        if judged.errors:
            return wrong_form(judged)
        pairs = list(_pairs(judged))
        wrong = [pair for pair in pairs if not pair.fits]
        if not wrong:
            return ""
        if said := _not_finite(wrong):
            return said
        for find in (_order, _inputs, _like_other_inputs, _relation, _factor, _places, _rounded):
            if said := find(judged.check, pairs):
                return said
            if len(wrong) < len(pairs) and (said := find(judged.check, wrong)):
                return f"There, {said[0].lower()}{said[1:]}"
    return ""


def _pairs(judged: Judged) -> Iterator[Pair]:
    """All arrays that an oracle knows, of the parts that could be read."""
    for case in judged.cases:
        if case.accept or case.part not in judged.received:
            continue
        for name, right in judged.check.expected(case).items():
            given = judged.received[case.part][name]
            fits = judged.check.close({name: given}, {name: right})
            yield Pair(case, name, right.astype(float), given.astype(float), fits)


def _same(check: Check, given: Array, right: Array) -> bool:
    return given.shape == right.shape and check.close({"": given}, {"": right})


def _not_finite(wrong: Sequence[Pair]) -> str:
    """NaN or infinity, where all that is wrong is that."""
    spoilt = [~np.isfinite(pair.given) & np.isfinite(pair.right) for pair in wrong]
    if not all(bad.any() for bad in spoilt):
        return ""
    what = "NaN" if any(np.isnan(pair.given).any() for pair in wrong) else "Infinity"
    if all(bad.all() for bad in spoilt):
        return f"All that comes out there is {what}."
    return f"{what} comes out there, in some places."


# --- values ---


def _order(check: Check, pairs: Sequence[Pair]) -> str:
    """Several values that were returned in another order."""
    by_run: dict[int, dict[str, Pair]] = {}
    for pair in pairs:
        by_run.setdefault(id(pair.case.run), {})[pair.name] = pair
    for names in ([*found] for found in by_run.values() if len(found) > 1):
        for one, other in combinations(names, 2):
            swapped = [(found[one], found[other]) for found in by_run.values() if {one, other} <= found.keys()]
            if any(not a.fits for a, _ in swapped) and all(
                _same(check, a.given, b.right) and _same(check, b.given, a.right) for a, b in swapped
            ):
                a, b = one.partition(".")[0], other.partition(".")[0]  # of dicts
                one, other = (a, b) if a != b else (one, other)
                return f"Two values are in the wrong order: what should be `{one}` is `{other}`, and the other way round."
    return ""


RELATIONS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("Everything that comes out is 0.", np.zeros_like),
    ("Every sign is the wrong way round.", lambda x: -x),
    ("Nothing negative comes out: these are the absolute values of what is right.", np.abs),
    ("What should be negative is 0: is there a ReLU where none belongs?", lambda x: np.maximum(x, 0)),
    ("Each number is the square of the right one.", np.square),
    ("Each number is the square root of the right one.", np.sqrt),
    ("Each number is the logarithm of the right one.", np.log),
    ("Each number is the negative logarithm of the right one.", lambda x: -np.log(x)),
    ("Each number is the exponential of the right one.", np.exp),
    ("Each number is 1 divided by the right one.", lambda x: 1 / x),
    ("Each number is 1 minus the right one.", lambda x: 1 - x),
    ("Each number has gone through a tanh that does not belong there.", np.tanh),
    ("Each number has gone through a sigmoid that does not belong there.", lambda x: 1 / (1 + np.exp(-x))),
    ("Each number is rounded to a whole one.", np.round),
    ("Each number is rounded down.", np.floor),
    ("Each number is rounded up.", np.ceil),
    ("A softmax over the last axis was taken once more.", lambda x: _softmax(x, -1)),
    ("A softmax over the first axis was taken of what is right.", lambda x: _softmax(x, 0)),
    ("Each row was divided by its sum, once more than is right.", lambda x: x / x.sum(axis=-1, keepdims=True)),
    ("These are running sums along the last axis of what is right.", lambda x: np.cumsum(x, axis=-1)),
    ("The last two axes are exchanged: this is the transpose of what is right.", lambda x: np.swapaxes(x, -1, -2)),
    ("The first two axes are exchanged.", lambda x: np.swapaxes(x, 0, 1)),
    ("The last axis runs backwards.", lambda x: np.flip(x, -1)),
    ("The first axis runs backwards.", lambda x: np.flip(x, 0)),
    ("The second axis runs backwards.", lambda x: np.flip(x, 1)),
    ("All is right, but one place too late along the last axis.", lambda x: np.roll(x, 1, -1)),
    ("All is right, but one place too early along the last axis.", lambda x: np.roll(x, -1, -1)),
    ("All is right, but one place too late along the first axis.", lambda x: np.roll(x, 1, 0)),
    ("All is right, but one place too early along the first axis.", lambda x: np.roll(x, -1, 0)),
)
"""What an array may be of the right one, with a sentence that says so."""


def _softmax(x: Array, axis: int) -> Array:
    exponentials = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=axis, keepdims=True))


def _relation(check: Check, pairs: Sequence[Pair]) -> str:
    """One map of what is right gives all that came out."""
    if sum(pair.given.size for pair in pairs) < LEAST:
        return ""
    for sentence, change in RELATIONS:
        with suppress(Exception):  # an array may have too few axes
            if all(_same(check, pair.given, change(pair.right)) for pair in pairs):
                return sentence
    if all(pair.given.ndim and len(pair.given) > 1 for pair in pairs) and all(
        _same(check, pair.given, np.broadcast_to(pair.given[:1], pair.given.shape)) for pair in pairs
    ):
        return "All entries along the first axis are the same, and should not be."
    return ""


def _factor(check: Check, pairs: Sequence[Pair]) -> str:
    """One number times what is right, or one number more."""
    right = np.concatenate([pair.right.ravel() for pair in pairs])
    given = np.concatenate([pair.given.ravel() for pair in pairs])
    if len(right) < LEAST or np.ptp(right) == 0:
        return ""
    scale = (given @ right) / (right @ right)
    if np.isfinite(scale) and scale and all(_same(check, pair.given / scale, pair.right) for pair in pairs):
        return f"All values are {_times(scale)} what is right: is a factor missing, or one too many?"
    sizes = [_of_sizes(pair) for pair in pairs]
    for axis in sorted(set.intersection(*map(set, sizes))):
        for way, word in ((1.0, "large"), (-1.0, "small")):
            if all(_same(check, pair.given, pair.right * size[axis] ** way) for pair, size in zip(pairs, sizes, strict=True)):
                argument, along = axis
                return (
                    f"All values are too {word} by a factor, the size of the {ORDINALS[argument]} argument along axis {along}: "
                    "a sum in place of a mean, or a mean in place of a sum?"
                )
    step = np.mean(given - right)
    if np.isfinite(step) and all(_same(check, pair.given - step, pair.right) for pair in pairs):
        near = round(float(step))
        whole = near in (-1, 1) and abs(step - near) < 1e-3
        return f"All values are too {'large' if step > 0 else 'small'} by {'1' if whole else 'one and the same number'}."
    if np.isfinite(given).all() and np.ptp(given) > 0:
        scale, step = np.polyfit(right, given, 1)
        if abs(scale) > 1e-3 and all(_same(check, (pair.given - step) / scale, pair.right) for pair in pairs):
            return "All values are a multiple of what is right and a number more, the same two everywhere."
    return ""


def _times(scale: float) -> str:
    for number in (2, 3, 4, 5, 8, 10):
        if abs(scale - number) < 1e-3 * number:
            return f"{number} times"
        if abs(scale * number - 1) < 1e-3:
            return "half of" if number == 2 else f"a {ORDINALS[number - 1] if number < 8 else f'{number}th'} of"
    return "one and the same multiple of" if scale > 0 else "one and the same negative multiple of"


def _of_sizes(pair: Pair) -> dict[tuple[int, int], int]:
    """The sizes of a run's arguments that could be a factor, by argument and axis."""
    arrays = [(k, value) for k, value in enumerate(pair.case.run.args) if isinstance(value, np.ndarray)]
    return {(k, axis): size for k, value in arrays[: len(ORDINALS)] for axis, size in enumerate(value.shape[:3]) if size > 1}


def _places(check: Check, pairs: Sequence[Pair]) -> str:
    """Right but for the first or the last along an axis, or right there alone; right but for one kind of numbers."""
    found = [(pair, ~np.isclose(pair.given, pair.right, atol=check.atol, rtol=check.rtol)) for pair in pairs if not pair.fits]
    for end, word in ((0, "first"), (-1, "last")):
        for axis in range(max(bad.ndim for _, bad in found)):
            if any(bad.ndim <= axis or bad.shape[axis] < 2 for _, bad in found):
                continue
            moved = [np.moveaxis(bad, axis, 0) for _, bad in found]
            what = {_entry(axis, bad.ndim) for _, bad in found}
            name = what.pop() if len(what) == 1 else f"entry along axis {axis}"
            rest = [np.delete(bad, end, axis=0) for bad in moved]
            if not any(bad.any() for bad in rest):
                return f"All is right but for the {word} {name}."
            if not any(bad[end].any() for bad in moved) and all(bad.all() for bad in rest):
                return f"Only the {word} {name} is right."
    for word, sign in (("0", 0), ("negative", -1), ("positive", 1)):
        kinds = [np.sign(pair.right) == sign for pair, _ in found]
        if all((bad <= kind).all() and not kind.all() for (_, bad), kind in zip(found, kinds, strict=True)):
            return f"Only what should be {word} is wrong."
    return ""


def _entry(axis: int, axes: int) -> str:
    return AXES.get((axis, axes), "entry" if axes == 1 else f"entry along axis {axis}")


def _inputs(check: Check, pairs: Sequence[Pair]) -> str:
    """An input that comes back as it was."""
    for k in range(min(len(ORDINALS), *(len(pair.case.run.args) for pair in pairs))):
        values = [pair.case.run.args[k] for pair in pairs]
        if all(isinstance(value, np.ndarray) for value in values) and all(
            _same(check, pair.given, value.astype(float)) for pair, value in zip(pairs, values, strict=True)
        ):
            return f"What comes out is the {ORDINALS[k]} argument, as it was."
    return ""


def _rounded(check: Check, pairs: Sequence[Pair]) -> str:
    """Nearly right, of numbers that are not counted."""
    counted = all((pair.right == np.round(pair.right)).all() for pair in pairs)
    if not counted and all(
        np.abs(pair.given - pair.right).max(initial=0) <= 2e-3 * np.abs(pair.right).max(initial=0) for pair in pairs
    ):
        return "Nearly right, to about three digits: is a constant rounded, an epsilon too large, or the precision halved?"
    return ""


def _like_other_inputs(check: Check, pairs: Sequence[Pair]) -> str:
    """What comes out is right for other inputs: without an argument, with zeros for it, with two of them exchanged."""
    labels = dict.fromkeys(label for pair in pairs if not pair.fits for label, _ in other_inputs(pair.case.run))
    for label in labels:
        with suppress(Exception):  # an oracle may not bear other inputs
            if all(_same(check, pair.given, _right_for(check, pair, label)) for pair in pairs):
                return f"{label}."
    return ""


def _right_for(check: Check, pair: Pair, label: str) -> Array:
    run = dict(other_inputs(pair.case.run)).get(label)
    if run is None:  # this run has no such argument
        return pair.right
    return check.expected(replace(pair.case, run=run))[pair.name].astype(float)
