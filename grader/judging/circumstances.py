"""In what the runs that go wrong differ from those that are right: sizes, signs, zeros, a mask that is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from grader.judging.pairs import ORDINALS, Pair, listed
from grader.judging.vocabulary import Array, Call

Fact = bool | float

GIVEN = " is given"
MOST = 3
"""So many differences are said at most."""


def circumstances(pairs: Sequence[Pair]) -> str:
    """What is so of all runs that go wrong and of none that is right; "" if nothing is."""
    groups = {pair.group for pair in pairs if not pair.fits}
    # Runs that are judged by other values show nothing, but where every run names its values in its own way.
    alike = [pair for pair in pairs if pair.group in groups or pair.name in pair.case.run.returns]
    failed = {id(pair.case.run) for pair in pairs if not pair.fits}
    runs = {id(pair.case.run): pair.case.run for pair in alike}
    wrong, right = ([dict(facts(run)) for key, run in runs.items() if (key in failed) == bad] for bad in (True, False))
    found = list(_differences(wrong, right)) if wrong and right else []
    told = [one for one in found if not _tells_less(one, found)]
    return f"What goes wrong differs from what is right in this: {listed(told[:MOST])}." if told else ""


def _tells_less(one: str, found: Sequence[str]) -> bool:
    """Whether a length is compared that is 1 on one side, which is said."""
    return any(
        less in one and one.replace(less, more) in found
        for less, more in (("is longer", "has more than one entry"), ("is shorter", "has a single entry"))
    )


def _differences(wrong: list[dict[str, Fact]], right: list[dict[str, Fact]]) -> Iterator[str]:
    """First what is so or not, then what is larger or smaller."""
    names = list(dict.fromkeys(name for one in [*wrong, *right] for name in one))
    for name in sorted(names, key=lambda name: any(type(one.get(name)) in (int, float) for one in [*wrong, *right])):
        so, _, otherwise = name.partition(" / ")
        bad, good = ([one[name] for one in some if name in one] for some in (wrong, right))
        if name.endswith(GIVEN):
            if len(bad) == len(wrong) and not good:
                yield so
        elif len(bad) == len(wrong) and len(good) == len(right):
            if min(bad) >= max(good) + 1:
                yield so
            elif otherwise and max(bad) <= min(good) - 1:
                yield otherwise


def facts(run: Call) -> Iterator[tuple[str, Fact]]:
    """What is so of a run, by what is said where it is so, or is larger, and behind a slash, where it is not, or is smaller."""
    yield "the answer is called twice with the same arguments", run.calls > 1
    named = {f"the {ORDINALS[k]} argument": value for k, value in enumerate(run.args[: len(ORDINALS)])}
    for name, value in list(named.items()):
        if isinstance(value, Mapping):
            named |= {f"`{key}` of {name}": item for key, item in value.items()}
            yield from _of_size(name, np.concatenate([np.ravel(item) for item in value.values()]))
    named |= {f"`{name}`": value for name, value in run.kwargs.items()}
    for name in run.kwargs:
        yield f"`{name}`{GIVEN}", True
    whole = {name: value for name, value in named.items() if type(value) is int}
    for (one, first), (other, second) in combinations(whole.items(), 2):
        yield f"the product of {one} and {other} is odd", bool(first * second % 2)
    for name, value in named.items():
        yield from _of(name, value)
    arrays = {name: value for name, value in named.items() if isinstance(value, np.ndarray)}
    for (one, a), (other, b) in combinations(arrays.items(), 2):
        if a.ndim == b.ndim > 1:
            yield f"{one} and {other} have the same shape", a.shape == b.shape


def _of(name: str, value: Any) -> Iterator[tuple[str, Fact]]:
    if isinstance(value, np.ndarray) and value.size:
        yield from _of_array(name, value)
    elif isinstance(value, list) and value and all(type(item) is int for item in value):
        yield f"{name} has more entries / {name} has fewer entries", len(value)
        yield f"{name} holds a number twice", len(set(value)) < len(value)
        yield f"{name} holds larger numbers / {name} holds smaller numbers", float(2 * np.log10(max(value) + 1e-9))
    elif type(value) in (int, float):
        yield f"{name} is 0", value == 0
    if type(value) is int:
        yield f"{name} is 1", value == 1
        yield f"{name} is odd", bool(value % 2)
        yield f"{name} is larger / {name} is smaller", value


def _of_array(name: str, value: Array) -> Iterator[tuple[str, Fact]]:
    if value.dtype.kind == "b":
        yield f"False stands before True in {name}", not np.array_equal(value, np.sort(value, axis=-1)[..., ::-1])
    else:
        if value.dtype.kind == "f":
            yield f"{name} holds zeros", bool((value == 0).any())
        yield f"{name} holds negative numbers", bool((value < 0).any())
        yield from _of_size(name, value)
    if value.ndim > 1:
        yield f"{name} is square", value.shape[-1] == value.shape[-2]
    yield f"{name} has more axes / {name} has fewer axes", value.ndim
    for axis, size in enumerate(value.shape):
        more = f"{name} has more than one entry along axis {axis}"
        yield f"{name} has a single entry along axis {axis} / {more}", size == 1
        yield f"{name} is longer along axis {axis} / {name} is shorter along axis {axis}", size


def _of_size(name: str, value: Array) -> Iterator[tuple[str, Fact]]:
    # Half a power of ten is more than what is drawn alike differs by.
    size = 2 * np.log10(np.abs(value).max(initial=0) + 1e-9)
    yield f"{name} holds larger numbers / {name} holds smaller numbers only", float(size)
