"""What can be said of answers that gave no values: of a wrong shape, with an entry missing, or that raised."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from grader.judging.matching import named
from grader.judging.pairs import listed
from grader.judging.vocabulary import Call, Judged

NOISE = re.compile(
    r"Exception encountered when calling [\w.]+\(\)\. |\{\{.*?\}\} ?| ?\[Op:\w+\].*| ?Arguments received by .*|\\x1b\[[\d;]*m"
)
"""What backends and Keras put around the message of an error."""


def wrong_form(judged: Judged) -> str:
    """How a shape is wrong, where all that is wrong is a shape."""
    sizes, exchanged = [], set[frozenset[str]]()
    for part, error in judged.errors.items():
        found = re.fullmatch(r"(.+) should have the shape \(([\d, ]*)\), received \(([\d, ]*)\)\.", error)
        if not found:
            return ""
        right, given = (tuple(int(size) for size in re.findall(r"\d+", text)) for text in found.groups()[1:])
        sizes.append((right, given))
        name, expected = found[1].strip("`"), judged.check.expected(replace(named(judged, part), of=()))
        exchanged.add(frozenset({name, next((other for other in expected if expected[other].shape == given), "")}))
    if len(exchanged) == 1 and "" not in (both := exchanged.pop()):
        one, other = sorted(both)
        return f"That is the shape of the other value: are `{one}` and `{other}` in the wrong order?"
    first, *others = (list(_shapes(right, given)) for right, given in sizes)
    return next((sentence for sentence in first if all(sentence in other for other in others)), "")


def _shapes(right: tuple[int, ...], given: tuple[int, ...]) -> Iterator[str]:
    """What can be said of a shape that should have been another."""
    if given and not right:
        yield "One number was asked for, an array came back: is a sum or a mean missing?"
    if right and not given:
        yield "A single number came back: was everything summed or averaged, where some axes should stay?"
    if sorted(right) == sorted(given):
        yield "The sizes are right, but the axes are in another order."
    if [size for size in given if size != 1] == [size for size in right if size != 1]:
        yield "An axis of size 1 is missing." if len(given) < len(right) else "There is an axis of size 1 too many."
    for axis in range(len(right)):
        if given and given == right[:axis] + right[axis + 1 :]:
            yield f"Axis {axis} is missing: has something been summed, averaged or picked along it?"
    if len(given) == len(right):
        apart = {axis: b - a for axis, (a, b) in enumerate(zip(right, given, strict=True)) if a != b}
        for step, word in ((1, "many"), (-1, "few")):
            if set(apart.values()) == {step}:
                yield f"Along axis {' and '.join(map(str, apart))} there is one entry too {word}."


# --- what was raised ---


def lacking(error: str) -> str:
    """What is said of a dict in which an entry is missing; "" if that is not what is wrong."""
    found = re.fullmatch(r"There is no evidence of '(.+)\.(.+)'\.", error)
    return f"`{found[1]}` came back without `{found[2]}`: it should have an entry for each that was handed in." if found else ""


def without_noise(error: str) -> str:
    """What was raised, without what libraries put around it."""
    return NOISE.sub("", error).strip()


def called_with(run: Call) -> str:
    """What an answer was called with when it raised: kinds and shapes, never values."""
    given = [_kind(value) for value in run.args] + [f"`{name}`, {_kind(value)}" for name, value in run.kwargs.items()]
    return f"It was called with {listed(given)}." if given else ""


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, Mapping):
        return f"a dict of {listed([f'`{name}` {np.shape(item)}' for name, item in value.items()])}"
    if isinstance(value, list):
        return f"a list of {len(value)} entries"
    return "an integer" if isinstance(value, int) else "a number" if isinstance(value, float) else f"a {type(value).__name__}"
