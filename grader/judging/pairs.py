"""Arrays of evidence beside what they should have been: what a diagnosis looks at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from grader.judging.vocabulary import Array, Case, Check, Judged

LEAST = 3
"""So many numbers show a relation; fewer may fit one by chance."""
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")
ENTRIES = {(0, 2): "row", (1, 2): "column"}
"""What an entry along an axis is called, by axis and number of axes."""


@dataclass(frozen=True, eq=False)
class Pair:
    """An array of evidence, and what it should have been."""

    case: Case
    name: str
    right: Array
    given: Array
    fits: bool

    @property
    def group(self) -> str:
        """The value that it is, or is an entry of."""
        return self.name.partition(".")[0]


def pairs_of(judged: Judged) -> Iterator[Pair]:
    """All arrays that an oracle knows, of the parts that could be read."""
    for case in judged.cases:
        if case.accept or case.part not in judged.received:
            continue
        for name, right in judged.check.expected(case).items():
            given = judged.received[case.part][name]
            fits = judged.check.close({name: given}, {name: right})
            yield Pair(case, name, right.astype(float), given.astype(float), fits)


def same(check: Check, given: Array, right: Array) -> bool:
    """Whether an array equals another one, as closely as the check demands."""
    if given.shape != right.shape:
        return False
    near = np.abs(given - right) <= check.atol + check.rtol * np.abs(right)
    return bool((near | (given == right)).all())  # infinity is near nothing


def wrong_in(check: Check, pair: Pair) -> Array:
    """Where an array is wrong."""
    return np.asarray(~np.isclose(pair.given, pair.right, atol=check.atol, rtol=check.rtol))


def yes_or_no(pairs: Sequence[Pair]) -> bool:
    """Whether all is True or False, or 1 or 0."""
    return all(np.isin(array, (0, 1)).all() for pair in pairs for array in (pair.right, pair.given)) and any(
        pair.right.size > 1 for pair in pairs
    )


def counted(pairs: Sequence[Pair]) -> bool:
    """Whether whole numbers are asked for."""
    return all((pair.right == np.round(pair.right)).all() for pair in pairs)


def listed(words: Sequence[str]) -> str:
    """Words in a row, as one says them."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def together(pairs: Sequence[Pair]) -> tuple[Array, Array]:
    """All that is right, and all that came out, each in a row."""
    return np.concatenate([pair.right.ravel() for pair in pairs]), np.concatenate([pair.given.ravel() for pair in pairs])
