"""Numbers that are right but for their digits or their limits: rounded, cut off, clipped, or nearly right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grader.judging.pairs import LEAST, Pair, counted, same, together
from grader.judging.vocabulary import Check


def precision(check: Check, pairs: Sequence[Pair]) -> str:
    """Rounded, cut off, clipped, or nearly right, of numbers that are not counted."""
    if counted(pairs):
        return ""
    right, given = together(pairs)
    for decimals in (1, 2, 3):
        step = 0.1**decimals
        if np.allclose(given, np.round(given, decimals), atol=1e-6) and (np.abs(given - right) < step / 2 + check.atol).all():
            return f"Each number is rounded, to {decimals} decimal{'s' * (decimals > 1)}: leave them as they are."
    whole = given == np.round(given)
    if (whole & (np.abs(given) < np.abs(right) + check.atol) & (np.abs(right - given) < 1) & (given * right >= 0)).all():
        return "What stands behind the point is cut off: were the numbers made integers?"
    if len(right) >= LEAST and (said := _clipped(check, pairs)):
        return said
    if all(_nearly(pair) for pair in pairs):
        return "Nearly right, to about three digits: is a constant rounded, an epsilon too large, or the precision halved?"
    return ""


def _nearly(pair: Pair) -> bool:
    """Whether all of an array is right to about three digits, of its own size or, where terms cancel, of the others'."""
    sizes = np.abs(pair.right)
    near = np.abs(pair.given - pair.right) <= 2e-3 * (sizes + np.median(sizes))
    return bool((near & ((pair.given != 0) | (sizes < 1e-6))).all())


def _clipped(check: Check, pairs: Sequence[Pair]) -> str:
    right, given = together(pairs)
    low, high = given.min(), given.max()
    if np.ptp(given) > 1e-6 and all(same(check, pair.given, np.clip(pair.right, low, high)) for pair in pairs):
        beyond = int((right > high + check.atol).sum()), int((right < low - check.atol).sum())
        if max(beyond) > 1 or (min(beyond) == 1 and np.isclose(low, -high)):
            sides = [word for word, number in zip(("larger", "smaller"), beyond, strict=True) if number]
            return f"All is right, except that nothing {' or '.join(sides)} than a certain number comes out: is it clipped?"
    return ""
