"""The shared vocabulary of contracts: what exercises promise or demand whatever the values are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from course.probe import ANEW
from grader.judging.bars import Bar
from grader.judging.vocabulary import Array, Arrays, Asked, Call, Case, Contract, ModelCall


def _of_bars(cases: Sequence[Case]) -> tuple[ModelCall, list[Case]]:
    """The run of a trained model, and the cases that measure it.

    Raises:
        ValueError: If there are none.
    """
    barred = [case for case in cases if isinstance(case.accept, Bar)]
    if not barred or not isinstance(barred[0].run, ModelCall):
        raise ValueError("a contract about a trained model needs a part with a Bar, whose run is a ModelCall")
    run = barred[0].run
    return run, [case for case in barred if case.run is run]


def _learned(cases: Sequence[Case]) -> Asked:
    """With its weights drawn anew a model stays under every bar that it cleared."""
    run, barred = _of_bars(cases)
    shapes = {label: shape for case in barred for label, shape in case.shapes.items()}
    inputs = {label: name for label in shapes for name in run.inputs if label == name or label.startswith(f"{name}.")}
    names = {label: f"{ANEW}{label}" if label in inputs else label for label in shapes}

    def falls(arrays: Arrays) -> bool:
        anew = {label: arrays[name] for label, name in names.items()}
        return not any(case.accept and case.accept(anew) for case in barred)

    more = replace(run, anew=tuple(dict.fromkeys(inputs.values())))
    return Asked(run, more, falls, {names[label]: shape for label, shape in shapes.items()})


LEARNED = Contract(
    "learned by training",
    "With its weights drawn anew the model answers as well as before: what it knows lies beside its weights. Let training "
    "put it into them.",
    _learned,
    weight=0,
    required=True,
)
"""For every trained model: what it knows lies in its weights. One that counts or remembers elsewhere does not fall."""

LATER = "other values later"
SAME = 1e-3
"""Differences are smaller, in units of the largest forecast, when they are but rounding."""


def _past(cases: Sequence[Case]) -> Asked:
    """What a model gives for the first half of a series stays when the second half is another."""
    run, (case, *_) = _of_bars(cases)
    name = next(iter(case.shapes))
    rows, half = run.inputs[name], run.inputs[name].shape[1] // 2
    later = rows.copy()
    later[:, half:] = np.roll(rows, 1, axis=0)[:, half:]

    def same(arrays: Arrays) -> bool:
        before, after = (arrays[label][:, :half].astype(float) for label in (name, LATER))
        return bool(np.abs(before - after).max() <= SAME * np.abs(before).max())

    more = replace(run, inputs={**run.inputs, LATER: later})
    return Asked(run, more, same, {name: case.shapes[name], LATER: case.shapes[name]})


PAST = Contract(
    "only the past",
    "What comes later in a series changes the forecasts before it: the model has seen the values that it forecasts.",
    _past,
    weight=0,
    required=True,
)
"""For models that give an output after every step of a series, which must not depend on later steps."""


# --- what comes back ---


def _first(kind: type[Call], name: str, accept: Callable[[Array], bool]) -> Callable[[Sequence[Case]], Asked]:
    """Asks one number of the evidence of the first run of a kind, which stays as it is."""

    def asks(cases: Sequence[Case]) -> Asked:
        run = next(case.run for case in cases if isinstance(case.run, kind))
        return Asked(run, run, lambda arrays: accept(arrays[name]), {name: ()})

    return asks


INTEGER = Contract(
    "an integer",
    "A float comes back, and what is counted is an integer: divide with `//`, or take `int` in the end.",
    _first(Call, "result", lambda value: value.dtype.kind in "iu"),
    weight=0.25,
)
"""For answers that count."""

NOT_COMPILED = Contract(
    "not compiled",
    "The model is compiled, and should not be: whoever trains it chooses loss and optimizer.",
    _first(ModelCall, "compiled", lambda value: not value),
    weight=0.25,
)
BUILT = Contract(
    "weights from the beginning",
    "The model that comes back has no weights before its first call, so they cannot be counted: begin with an `Input`.",
    _first(ModelCall, "built", bool),
    weight=0.25,
)
"""For models whose sizes are all given."""
