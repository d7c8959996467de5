"""Runs with other inputs, such as one of zeros: who gives what is right for these has forgotten the input, or confused it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from grader.judging.vocabulary import Call, LayerCall

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")


def other_inputs(run: Call) -> Iterator[tuple[str, Call]]:
    """Runs with other inputs, by what is said of an answer that takes the inputs for these."""
    for name, value in run.kwargs.items():
        yield (
            f"What comes out does not depend on `{name}`",
            replace(run, kwargs={k: v for k, v in run.kwargs.items() if k != name}),
        )
        if isinstance(value, np.ndarray) and value.dtype.kind == "b":
            yield (
                f"What comes out is as if `{name}` were turned around, True for False",
                replace(run, kwargs={**run.kwargs, name: ~value}),
            )
    for k, value in enumerate(run.args[: len(ORDINALS)]):
        for what, other in _instead(value):
            yield (
                f"What comes out is as if the {ORDINALS[k]} argument were {what}",
                replace(run, args=_with(run.args, k, other)),
            )
        if isinstance(value, Mapping):
            for name, item in value.items():
                for what, other in _instead(item):
                    changed = _with(run.args, k, {**value, name: other})
                    yield (
                        f"What comes out is as if `{name}` of the {ORDINALS[k]} argument were {what}",
                        replace(run, args=changed),
                    )
    if isinstance(run, LayerCall):
        for path, value in run.weights.items():
            for what, other in _instead(value):
                yield f"What comes out is as if `{path}` were {what}", replace(run, weights={**run.weights, path: other})
    for i, one in enumerate(run.args[: len(ORDINALS)]):
        for j in range(i + 1, min(len(run.args), len(ORDINALS))):
            if np.shape(one) == np.shape(run.args[j]) and not isinstance(one, Mapping):
                exchanged = _with(_with(run.args, i, run.args[j]), j, one)
                yield (
                    f"What comes out is as if the {ORDINALS[i]} and the {ORDINALS[j]} argument were exchanged",
                    replace(run, args=exchanged),
                )


def _with(args: tuple[Any, ...], k: int, value: Any) -> tuple[Any, ...]:
    return (*args[:k], value, *args[k + 1 :])


def _instead(value: Any) -> Iterator[tuple[str, Any]]:
    """What may be taken for a value by one who forgets it."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        yield "all zeros", np.zeros_like(value)
        yield "all ones", np.ones_like(value)
        yield "of the other sign", -value
        if value.ndim > 1 and value.shape[-1] == value.shape[-2]:
            yield "transposed", np.swapaxes(value, -1, -2)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "b":
        yield "True everywhere", np.ones_like(value)
        yield "turned around, True for False", ~value
    elif isinstance(value, float):
        yield "0", 0.0
        yield "1", 1.0
        yield "of the other sign", -value
        yield "twice as large", 2 * value
        yield "half as large", value / 2
