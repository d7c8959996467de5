"""What all that came out is of what is right: its negative, its transpose, twice as much, the same numbers in other places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import combinations

import numpy as np

from grader.judging.pairs import LEAST, ORDINALS, Pair, counted, same, together, yes_or_no
from grader.judging.vocabulary import Array, Check


def order(check: Check, pairs: Sequence[Pair]) -> str:
    """Several values that were returned in another order."""
    by_run: dict[int, dict[str, Pair]] = {}
    for pair in pairs:
        by_run.setdefault(id(pair.case.run), {})[pair.name] = pair
    for names in ([*found] for found in by_run.values() if len(found) > 1):
        for one, other in combinations(names, 2):
            swapped = [(found[one], found[other]) for found in by_run.values() if {one, other} <= found.keys()]
            if any(not a.fits for a, _ in swapped) and all(
                same(check, a.given, b.right) and same(check, b.given, a.right) for a, b in swapped
            ):
                a, b = one.partition(".")[0], other.partition(".")[0]  # of dicts
                one, other = (a, b) if a != b else (one, other)
                return f"Two values are in the wrong order: what should be `{one}` is `{other}`, and the other way round."
    return ""


MAPS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
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
    ("A log-softmax over the last axis was taken of what is right.", lambda x: np.log(_softmax(x, -1))),
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


def mapped(check: Check, pairs: Sequence[Pair]) -> str:
    """One map of what is right gives all that came out."""
    if sum(pair.given.size for pair in pairs) < LEAST:
        return ""
    for sentence, change in MAPS:
        with suppress(Exception):  # an array may have too few axes
            if all(same(check, pair.given, change(pair.right)) for pair in pairs):
                return sentence
    right, given = together(pairs)
    if np.ptp(given) <= 1e-6 < np.ptp(right):
        number = ("False", "True") if yes_or_no(pairs) else ("0", "1")
        return f"Everything that comes out is {number[int(given[0])] if given[0] in (0, 1) else 'one and the same number'}."
    if all(pair.given.ndim and len(pair.given) > 1 for pair in pairs) and all(
        same(check, pair.given, np.broadcast_to(pair.given[:1], pair.given.shape)) for pair in pairs
    ):
        return "All entries along the first axis are the same, and should not be."
    return ""


def multiple(check: Check, pairs: Sequence[Pair]) -> str:
    """One number times what is right, or one number more."""
    right, given = together(pairs)
    if len(right) < LEAST or np.ptp(right) == 0:
        return ""
    scale = (given @ right) / (right @ right)
    if _far_from_right(scale) and all(same(check, pair.given / scale, pair.right) for pair in pairs):
        return f"All values are {_times(scale)} what is right: is a factor missing, or one too many?"
    sizes = [_of_sizes(pair) for pair in pairs]
    for axis in sorted(set.intersection(*map(set, sizes))):
        for way, word in ((1.0, "large"), (-1.0, "small")):
            if all(same(check, pair.given, pair.right * size[axis] ** way) for pair, size in zip(pairs, sizes, strict=True)):
                argument, along = axis
                return (
                    f"All values are too {word} by a factor, the size of the {ORDINALS[argument]} argument along axis {along}: "
                    "a sum in place of a mean, or a mean in place of a sum?"
                )
    step = np.mean(given - right)
    if np.isfinite(step) and all(same(check, pair.given - step, pair.right) for pair in pairs):
        near = round(float(step))
        whole = near in (-1, 1) and abs(step - near) < 1e-3
        return f"All values are too {'large' if step > 0 else 'small'} by {'1' if whole else 'one and the same number'}."
    if np.isfinite(given).all() and np.ptp(given) > 0:
        scale, step = np.polyfit(right, given, 1)
        if (
            _far_from_right(scale)
            and abs(scale) > 1e-3
            and all(same(check, (pair.given - step) / scale, pair.right) for pair in pairs)
        ):
            return "All values are a multiple of what is right and a number more, the same two everywhere."
    return ""


def _far_from_right(scale: float) -> bool:
    return bool(np.isfinite(scale)) and abs(scale) > 1e-9 and abs(scale - 1) > 1e-3


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


def multiples(check: Check, pairs: Sequence[Pair]) -> str:
    """A number of its own for each part, row or column, times what is right or more than that."""
    if any(pair.fits for pair in pairs):
        return ""
    runs: dict[int, list[Pair]] = {}
    for pair in pairs:
        runs.setdefault(id(pair.case.run), []).append(pair)
    joined = [together(some) for some in runs.values()]
    if all(len(right) >= LEAST and _one_multiple(check, given, right) for right, given in joined):
        return "In each part all values are one multiple of what is right, and another one in each: is a factor wrong?"
    for axis, name in ((-1, "row"), (0, "column")):
        tables = [pair for pair in pairs if pair.right.ndim > 1 and min(pair.right.shape[0], pair.right.shape[-1]) >= LEAST]
        if not tables or len(tables) < len(pairs):
            continue
        lines = [line for pair in tables for line in _lines(pair, axis)]
        if all(_one_multiple(check, given, right) for right, given in lines):
            return f"Each {name} is a multiple of the right one, another one in each {name}."
        if all(same(check, given - np.mean(given - right), right) for right, given in lines):
            return f"Each {name} is right but for a number that is added to all of it, another one for each {name}."
    return ""


def _lines(pair: Pair, axis: int) -> list[tuple[Array, Array]]:
    """The rows or columns of an array, right and given."""
    right, given = (np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis]) for array in (pair.right, pair.given))
    return list(zip(right, given, strict=True))


def _one_multiple(check: Check, given: Array, right: Array) -> bool:
    scale = (given.ravel() @ right.ravel()) / (right.ravel() @ right.ravel())
    return bool(np.isfinite(scale)) and abs(scale) > 1e-3 and same(check, given / scale, right)


def elsewhere(check: Check, pairs: Sequence[Pair]) -> str:
    """The right numbers, in other places."""
    if any(pair.right.ndim == 0 or np.isnan(pair.given).any() for pair in pairs):
        return ""
    binary = yes_or_no(pairs)
    if all(same(check, np.sort(pair.given, axis=-1), np.sort(pair.right, axis=-1)) for pair in pairs):
        if binary:
            return "Each row has as many True as it should, but in other places."
        if max(pair.right.ndim for pair in pairs) > 1:
            return "Each row holds the right numbers, but in another order."
    if not binary and all(same(check, np.sort(pair.given, axis=None), np.sort(pair.right, axis=None)) for pair in pairs):
        return "The right numbers come out in other places: was an array reshaped that should be transposed, or joined wrongly?"
    if counted(pairs) and not binary and all(_from_the_end(pair) for pair in pairs):
        return "What is largest comes out smallest, and the other way round: is it counted from the other end?"
    return ""


def _from_the_end(pair: Pair) -> bool:
    """Whether a number and what it should be are the same together in all places, where these differ; or it is but one."""
    return bool(np.ptp(pair.given + pair.right) == 0 and (np.ptp(pair.right) > 0 or pair.right.size == 1))


def sums(check: Check, pairs: Sequence[Pair]) -> str:
    """Whether rows sum to 1, where they should."""
    if all(pair.right.ndim and pair.right.shape[-1] > 1 for pair in pairs):
        ones = [[np.allclose(array.sum(axis=-1), 1, atol=1e-4) for array in (pair.right, pair.given)] for pair in pairs]
        if all(both == [True, True] for both in ones):
            return "Each row sums to 1, as it should, but is shared out wrongly."
        if all(both == [True, False] for both in ones):
            return "The rows do not sum to 1, and should."
    return ""


def tendency(check: Check, pairs: Sequence[Pair]) -> str:
    """What little is known of numbers that are wrong in many ways: too large, or of the right signs."""
    right, given = together(pairs)
    if not np.isfinite(given).all() or yes_or_no(pairs):
        return ""
    bad = ~np.isclose(given, right, atol=check.atol, rtol=check.rtol)
    which = "All values are" if bad.all() else "What is wrong is"
    for word, so in (("large", given > right), ("small", given < right)):
        if so[bad].all():
            return f"{which} too {word}."
    if len(right) >= 2 * LEAST and np.ptp(np.sign(right)) == 2 and (np.sign(given) == np.sign(right)).all():
        return "Every sign is right, the sizes are not."
    ranked = given[np.argsort(right, kind="stable")]
    if len(right) >= 2 * LEAST and np.ptp(right) > 0 and (np.diff(ranked) >= -check.atol).all() and np.ptp(given) > 0:
        return "The larger a number should be, the larger it comes out, and yet it is wrong: is the function of another form?"
    return ""
