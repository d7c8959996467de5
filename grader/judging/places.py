"""Where what came out is right, and where it is wrong: along an axis, or by what should have come out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from grader.judging.pairs import ENTRIES, Pair, wrong_in, yes_or_no
from grader.judging.vocabulary import Array, Check

CHANCE = 0.02


def places(check: Check, pairs: Sequence[Pair]) -> str:
    """Right but for the first or the last along an axis, or right there alone."""
    said = next(_along_axes([wrong_in(check, pair) for pair in pairs if not pair.fits]), "")
    return f"{kinds(check, pairs)} {said}".strip() if said and yes_or_no(pairs) else said


def _along_axes(bad: Sequence[Array]) -> Iterator[str]:
    """What can be said of the entries along an axis, where all arrays agree."""
    found = []
    for axis in range(max(one.ndim for one in bad)):
        if any(one.ndim <= axis or one.shape[axis] < 2 for one in bad):
            continue
        # Whether each entry along the axis is right throughout, and whether it is wrong throughout.
        right = [np.atleast_1d(~one.any(axis=_others(one, axis))) for one in bad]
        wrong = [np.atleast_1d(one.all(axis=_others(one, axis))) for one in bad]
        if not _telling(bad, axis, right):
            continue
        what = {ENTRIES.get((axis, one.ndim), "entry" if one.ndim == 1 else f"entry along axis {axis}") for one in bad}
        name = what.pop() if len(what) == 1 else f"entry along axis {axis}"
        share = float(np.mean([one.mean() for one in right]))
        found += [(share, -axis, name, right, wrong)]
    for _, _, name, right, wrong in sorted(found, key=lambda one: one[:2], reverse=True):
        many = name.replace("entry", "entries") if "entry" in name else f"{name}s"
        for end, word in ((0, "first"), (-1, "last")):
            if all(not one[end] and np.delete(one, end).all() for one in right):
                yield f"All is right but for the {word} {name}."
            if all(one[end] and np.delete(all_wrong, end).all() for one, all_wrong in zip(right, wrong, strict=True)):
                yield f"Only the {word} {name} is right."
        for turn, word in ((1, "first"), (-1, "last")):
            counts = {_run(one[::turn]) for one in right}
            if len(counts) == 1 and (number := counts.pop()):
                yield f"Only the {word} {f'{number} {many} are' if number > 1 else f'{name} is'} right throughout."
            elif counts and 0 not in counts:
                yield f"The {word} {many} are right, and those {'after' if turn > 0 else 'before'} a certain one wrong."
        for start in (0, 1):
            if all(len(one) > 3 and one[start::2].all() and not one[1 - start :: 2].any() for one in right):
                yield f"Only every second {name} is right."
        if all(len(one) > 2 and (~one).sum() == 1 for one in right):
            yield f"All is right but for one {name}."


def _telling(bad: Sequence[Array], axis: int, right: Sequence[Array]) -> bool:
    """Whether what is right along an axis would hardly be so by chance, when the others are right as often as they are."""
    tables = [np.moveaxis(one, axis, 0) for one in bad]
    kept = sum(table[where].size for table, where in zip(tables, right, strict=True))
    lost = [table[~where].ravel() for table, where in zip(tables, right, strict=True)]
    return bool((1 - np.mean(np.concatenate(lost))) ** kept < CHANCE)


def _others(array: Array, axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(array.ndim) if other != axis)


def _run(right: Array) -> int:
    """How many entries are right before the first wrong one, if none is right behind it; else 0."""
    number = int(np.argmin(right))
    return number if not right[number:].any() else 0


def kinds(check: Check, pairs: Sequence[Pair]) -> str:
    """Right but for the numbers of one sign, or for True or False."""
    wrong = [pair for pair in pairs if not pair.fits]
    bad = [wrong_in(check, pair) for pair in wrong]
    for word, sign in (("0", 0), ("negative", -1), ("positive", 1)):
        if word == "negative" and yes_or_no(wrong):
            continue
        which = [np.sign(pair.right) == sign for pair in wrong]
        if not all((where <= one).all() and not one.all() for where, one in zip(bad, which, strict=True)):
            continue
        if yes_or_no(wrong):
            so, should = ("True", "False") if word == "0" else ("False", "True")
            return f"Some entries are {so} that should be {should}, and none is wrong the other way round."
        sides = {bool(one) for pair, where in zip(wrong, bad, strict=True) for one in (pair.given > pair.right)[where]}
        how = f": it is too {'large' if True in sides else 'small'}" if len(sides) == 1 else ""
        if word != "0" and not any(pair.given[where].any() for pair, where in zip(wrong, bad, strict=True)):
            how = ": it comes out as 0"
        return f"Only what should be {word} is wrong{how}."
    return "Some entries are True that should be False, and others the other way round." if yes_or_no(wrong) else ""
