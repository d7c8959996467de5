"""The shared vocabulary of contracts: what exercises promise or demand whatever the values are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from course.probe import AGAIN, ANEW, FIRST, Kept, Twice
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
    "What comes later in a sequence changes what the model says before it: it has seen what it predicts.",
    _past,
    weight=0,
    required=True,
)
"""For models that give an output after every step of a series, which must not depend on later steps."""


FEW = 256
"""Rows that models are made from where only their seed matters."""
SHOWN = 8
"""Rows that they are called on."""
ALIKE = 0.01
"""Models are the same whose outputs differ by less, on average and of their mean size: graphics cards add up in any order."""


def _repeated(cases: Sequence[Case]) -> Asked:
    """The same few rows and the same seed give the same model."""
    run, (case, *_) = _of_bars(cases)
    label, shape = next(iter(case.shapes.items()))
    name = next(name for name in run.inputs if label == name or label.startswith(f"{name}."))
    most = max(len(value) for value in run.args if isinstance(value, np.ndarray))
    args = tuple(value[:FEW] if isinstance(value, np.ndarray) and len(value) == most else value for value in run.args)
    places = {key: found[found[:, 0] < SHOWN] for key, found in run.places.items() if key == name}
    twice = Twice(args, returns=run.returns, numpy=run.numpy, inputs={name: run.inputs[name][:SHOWN]}, places=places)

    def same(arrays: Arrays) -> bool:
        one, other = (arrays[f"{when}{label}"].astype(float) for when in (FIRST, AGAIN))
        return bool(np.abs(one - other).mean() <= ALIKE * np.abs(one).mean())

    few = len(next(iter(places.values()), twice.inputs[name])), *shape[1:]
    return Asked(twice, twice, same, {f"{when}{label}": few for when in (FIRST, AGAIN)})


SAME_SEED = Contract(
    "the same seed again",
    "The same data and the same seed give two different models: set the seed, with `keras.utils.set_random_seed(seed)`, "
    "before the weights are made.",
    _repeated,
    weight=0.25,
)
"""For every trained model."""


# --- what is handed over ---


def _kept(cases: Sequence[Case]) -> Asked:
    """An answer leaves its arguments as they were."""
    run = next(case.run for case in cases if type(case.run) is Call)
    before = dict(_arrays(run.args))

    def same(arrays: Arrays) -> bool:
        return all(np.array_equal(arrays[name], value) for name, value in before.items())

    kept = Kept(run.args, run.kwargs, numpy=run.numpy)
    return Asked(kept, kept, same, {name: value.shape for name, value in before.items()})


def _arrays(args: Sequence[Any]) -> Iterator[tuple[str, Array]]:
    """Arguments as evidence names them."""
    for k, value in enumerate(args):
        if isinstance(value, Mapping):
            yield str(k), np.asarray(len(value))
            yield from ((f"{k}.{name}", np.asarray(item)) for name, item in value.items())
        else:
            yield str(k), np.asarray(value)


KEPT = Contract(
    "arguments left as they are",
    "What was handed over has been changed: make new arrays and leave the arguments alone, whoever calls may need them again.",
    _kept,
    weight=1,
)
"""For answers that get arrays or lists which they could change."""


# --- what comes back ---


def _of_kind(kinds: str, name: str, shape: Callable[..., tuple[int, ...]]) -> Callable[[Sequence[Case]], Asked]:
    """What a function gives in its first part has a dtype of these kinds."""

    def asks(cases: Sequence[Case]) -> Asked:
        run = next(case.run for case in cases if type(case.run) is Call)
        shapes = {name: shape(*run.args, **run.kwargs)}
        return Asked(run, run, lambda arrays: arrays[name].dtype.kind in kinds, shapes)

    return asks


INTEGER = Contract(
    "an integer",
    "A float comes back, and what is counted is an integer: divide with `//`, or take `int` in the end.",
    _of_kind("iu", "result", lambda *args: ()),
    weight=0.25,
)
"""For answers that count."""


def indices(name: str, shape: Callable[..., tuple[int, ...]]) -> Contract:
    """For answers that say where something is.

    Args:
        name: Of the indices among what comes back.
        shape: Theirs, from the answer's arguments.
    """
    sentence = f"The indices in `{name}` are floats, and nothing can be looked up with these: leave them integers."
    return Contract("integer indices", sentence, _of_kind("iu", name, shape), weight=0.25)


def booleans(shape: Callable[..., tuple[int, ...]], name: str = "result") -> Contract:
    """For masks.

    Args:
        shape: The mask's, from the answer's arguments.
        name: Of the mask among what comes back.
    """
    sentence = 'Numbers come back where booleans are asked for: a comparison gives them, or `ops.cast(…, "bool")`.'
    return Contract("booleans", sentence, _of_kind("b", name, shape), weight=0.25)


def doubles(shapes: Callable[..., Mapping[str, tuple[int, ...]]]) -> Contract:
    """For answers that are asked for float64, where comparing values cannot tell.

    Args:
        shapes: By name, of what comes back, from the answer's arguments.
    """

    def asks(cases: Sequence[Case]) -> Asked:
        run = next(case.run for case in cases if type(case.run) is Call)
        found = shapes(*run.args, **run.kwargs)
        return Asked(run, run, lambda arrays: all(arrays[name].dtype == float for name in found), found)

    sentence = (
        "Not all that comes back is in float64, which is asked for: leave the arrays as they are handed over, and cast nothing."
    )
    return Contract("double precision", sentence, asks, weight=0.25)


def _of_model(name: str, accept: Callable[[Array], bool]) -> Callable[[Sequence[Case]], Asked]:
    """Asks what is known of a model as it came back."""

    def asks(cases: Sequence[Case]) -> Asked:
        run = next(case.run for case in cases if isinstance(case.run, ModelCall))
        return Asked(run, run, lambda arrays: accept(arrays[name]), {name: ()})

    return asks


NOT_COMPILED = Contract(
    "not compiled",
    "The model is compiled, and should not be: whoever trains it chooses loss and optimizer.",
    _of_model("compiled", lambda value: not value),
    weight=0.25,
)
BUILT = Contract(
    "weights from the beginning",
    "The model that comes back has no weights before its first call, so they cannot be counted: begin with an `Input`.",
    _of_model("built", bool),
    weight=0.25,
)
"""For models whose sizes are all given."""
