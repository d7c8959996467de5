"""What comes out is an input, or right for other inputs: who gives that has forgotten an input, or confused it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from grader.judging.other_inputs import AS_IF, cut_inputs, other_inputs
from grader.judging.pairs import ORDINALS, Pair, same
from grader.judging.vocabulary import Arrays, Call, Check


def inputs(check: Check, pairs: Sequence[Pair]) -> str:
    """An input that comes back as it was."""
    for k in range(min(len(ORDINALS), *(len(pair.case.run.args) for pair in pairs))):
        values = [_part(pair.case.run.args[k], pair.name) for pair in pairs]
        if all(isinstance(value, np.ndarray) for value in values) and all(
            same(check, pair.given, value.astype(float)) for pair, value in zip(pairs, values, strict=True)
        ):
            return f"What comes out is the {ORDINALS[k]} argument, as it was."
    return ""


def _part(value: Any, name: str) -> Any:
    """An argument, or what of a dict has the name of a value."""
    return value.get(name.rpartition(".")[2]) if isinstance(value, Mapping) else value


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
