"""Whole numbers, one for each run, that are wrong: by how much, in terms of what was handed in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from grader.judging.pairs import ORDINALS, Pair, counted, listed
from grader.judging.vocabulary import Array, Call, Check

BITS = (32, 16, 8)
"""Of integers that overflow."""
MOST = 8
"""So often a term is counted too much or too little at most."""


def counts(check: Check, pairs: Sequence[Pair]) -> str:
    """By how much counts are wrong: by one, by what was handed in, by what overflowed, or in the last digits."""
    if not counted(pairs) or any(pair.right.size != 1 or not np.isfinite(pair.given).all() for pair in pairs):
        return ""
    pairs = list({id(pair.case.run): pair for pair in pairs}.values())
    right = np.array([pair.right.item() for pair in pairs])
    apart = np.array([pair.given.item() for pair in pairs]) - right
    if not np.allclose(apart, np.round(apart)):
        return "What comes out is no whole number, and what is counted is one."
    if np.all(np.abs(apart) == 1) and np.ptp(apart) == 0:
        return f"The number is too {_size(apart[0])} by 1."
    if said := _of_terms(np.round(apart), [terms(pair.case.run) for pair in pairs]):
        return said
    for bits in BITS:
        # Of whole numbers, one in 2 to the power of so many bits is a multiple by chance.
        if (apart % 2**bits == 0).all() and bits * np.count_nonzero(apart) > 10:
            return f"The number is off by what integers of {bits} bits cannot hold: did they overflow?"
    if (np.abs(apart) < 1e-5 * right).all():
        return "Right but for the last digits: is something counted in floats, which cannot hold every large integer?"
    return ""


def _size(apart: float) -> str:
    return "large" if apart > 0 else "small"


def _of_terms(apart: Array, known: Sequence[dict[str, int]]) -> str:
    """One or two terms that, counted some times too often or too seldom, are the difference in every run."""
    table = {name: np.array([float(one[name]) for one in known]) for name in known[0] if all(name in one for one in known)}
    for size in (1, 2):
        for names in combinations(table, size) if len(apart) > size + 1 else ():
            columns = np.stack([table[name] for name in names], axis=1)
            solved: Array = np.linalg.lstsq(columns, apart, rcond=None)[0]
            often = [round(float(times)) for times in solved]
            if all(0 < abs(times) <= MOST for times in often) and np.array_equal(columns @ np.array(often), apart):
                sides: dict[str, list[str]] = {}
                for times, name in zip(often, names, strict=True):
                    sides.setdefault(_size(times), []).append(_times(times, name))
                return f"The number is {', and '.join(f'too {side} by {listed(some)}' for side, some in sides.items())}."
    return ""


def _times(number: float, name: str) -> str:
    often = str(abs(int(number)))
    return often if name == "1" else name if often == "1" else f"{often} times {name}"


def terms(run: Call) -> dict[str, int]:
    """Whole numbers of a run that an answer may count too often or too seldom, by what they are called."""
    found = {}
    whole = [(ORDINALS[k], value) for k, value in enumerate(run.args[: len(ORDINALS)]) if type(value) is int]
    for size in range(1, len(whole) + 1):
        for some in combinations(whole, size):
            words = [word for word, _ in some]
            name = (
                f"the {' and the '.join(words)} argument"
                if size < 3
                else f"the {', the '.join(words[:-1])} and the {words[-1]} one"
            )
            found[name if size == 1 else f"the product of {name}"] = int(np.prod([value for _, value in some], dtype=object))
    for k, value in enumerate(run.args[: len(ORDINALS)]):
        if isinstance(value, list) and all(type(item) is int for item in value):
            name = f"the {ORDINALS[k]} argument"
            found |= {
                f"the first entry of {name}": value[0],
                f"the last entry of {name}": value[-1],
                f"the sum of {name}": sum(value),
                f"the number of entries of {name}": len(value),
                f"the product of the first two entries of {name}": value[0] * value[1],
                f"the product of the last two entries of {name}": value[-2] * value[-1],
            }
    return found | {"1": 1}
