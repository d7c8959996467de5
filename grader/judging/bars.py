"""Bars that a trained model has to clear.

No oracle knows what a trained model answers. So a check measures it on fresh samples, and demands a number that right answers
reach with room to spare and that weak ones do not. How much room, and where the numbers come from: `proving/measurements.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from grader.judging.vocabulary import Arrays, Case, Check


@dataclass(frozen=True)
class Bar:
    """Accepts evidence whose measurement is at least `least`; for `Case.accept`. NaN is never enough.

    Args:
        least: The bar.
        measure: The number, from the evidence: a larger one is better. What it needs to know, such as the labels of the
            judged samples, it keeps to itself.
        judged: Number of predictions that the number is taken from.
    """

    least: float
    measure: Callable[[Arrays], float]
    judged: int

    def __call__(self, arrays: Arrays) -> bool:
        return bool(self.measure(arrays) >= self.least)


def bars(cases: Iterable[Case]) -> dict[str, Bar]:
    """The bars among a check's cases, by part."""
    return {case.part: case.accept for case in cases if isinstance(case.accept, Bar)}


def bars_of(check: Check) -> dict[str, Bar]:
    """The bars of a check, by part. Its exercise is one whose answer trains if there is any."""
    return bars(check.draw(np.random.default_rng(0)))
