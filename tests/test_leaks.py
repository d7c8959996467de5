"""No label that a check judges by can be read from what enters the kernel."""

import inspect

import numpy as np
import pytest

from grader.judging import Bar, ModelCall
from grader.judging.bars import bars_of
from grader.judging.contracts import PAST
from harness import UNITS

TRAINED = [(unit.name, name) for unit in UNITS.values() for name, check in unit.checks().items() if bars_of(check)]
ENOUGH = 7
"""Tokens that two rows must both show, and have in common, to be taken for the same sentence."""
BY_CHANCE = 0.03
"""How many hidden words of 4,000 one row shows by chance: short sentences of a small grammar are sometimes alike."""


def held(judge, seen=None):
    """The arrays that a judging function keeps to itself, those of the functions that it calls included."""
    seen = set() if seen is None else seen
    if id(judge) in seen:
        return
    seen.add(id(judge))
    if isinstance(judge, np.ndarray):
        yield judge
    elif isinstance(judge, Bar):
        yield from held(judge.measure, seen)
    elif isinstance(judge, dict | list | tuple):
        for item in judge.values() if isinstance(judge, dict) else judge:
            yield from held(item, seen)
    elif inspect.isfunction(judge):
        cells = [cell.cell_contents for cell in judge.__closure__ or ()]
        for item in [*cells, *(judge.__defaults__ or ())]:
            yield from held(item, seen)


def judged_labels(cases):
    """`(run, input's name, labels)` of all that trained models are asked: integers, one for each row of scores."""
    for case in cases:
        if isinstance(case.run, ModelCall) and case.accept:
            for label, shape in case.shapes.items():
                if name := next((name for name in case.run.inputs if label == name or label.startswith(f"{name}.")), None):
                    for array in held(case.accept):
                        if shape and array.shape == shape[:-1] and array.dtype.kind in "iu":
                            yield case.run, name, array


def rows_of(array):
    return {row.tobytes() for row in np.ascontiguousarray(array)}


def readable(run, name, labels):
    """The share of labels that somebody knows who compares rows, and nothing else."""
    rows, given = run.inputs[name], [array for array in run.args if isinstance(array, np.ndarray)]
    if any(array.shape == labels.shape and (array == labels).all() for array in [*given, *run.inputs.values()]):
        return 1.0
    if name in run.places:
        return read_off(run, name, labels)
    told = set().union(*(rows_of(x) for x in given if x.shape[1:] == rows.shape[1:] and x.dtype == rows.dtype))
    return float(np.mean([row.tobytes() in told for row in rows]))


def read_off(run, name, labels):
    """The share of hidden tokens that another row shows which is the same sentence, beyond what chance gives."""
    rows, (n, place) = run.inputs[name], run.places[name].T
    hidden = rows[n[0], place[0]]
    share = 0.0
    for other in [*run.args, *run.inputs.values()]:
        if isinstance(other, np.ndarray) and other.shape[1:] == rows.shape[1:]:
            alike, shared = np.ones((len(rows), len(other)), bool), np.zeros((len(rows), len(other)), int)
            for a, b in zip(rows.T, other.T, strict=True):
                seen = (a != hidden)[:, None] & (b != hidden)
                alike &= (a[:, None] == b) | ~seen
                shared += seen
            tells = (alike & (shared >= ENOUGH))[n] & (hidden != other[:, place].T)
            read = tells.any(axis=1) & (other[tells.argmax(axis=1), place] == labels)
            share = max(share, (read.sum() - 5 - BY_CHANCE * len(other)) / len(labels))
    return share


@pytest.mark.parametrize(("unit", "exercise"), TRAINED)
def test_no_judged_label_can_be_read_from_what_enters_the_kernel(unit, exercise):
    check = UNITS[unit].check(exercise)
    for seed in range(3):
        found = list(judged_labels(check.draw(np.random.default_rng(seed))))
        assert found or PAST in check.contracts  # what comes next in a series is no label, and only who looks ahead reads it
        for run, name, labels in found:
            assert readable(run, name, labels) == 0, name


@pytest.mark.parametrize(("unit", "exercise"), TRAINED)
def test_judged_labels_are_other_ones_for_every_submission(unit, exercise):
    check = UNITS[unit].check(exercise)
    first, second = (list(judged_labels(check.draw(np.random.default_rng(seed)))) for seed in (1, 2))
    for (_, name, labels), (_, _, others) in zip(first, second, strict=True):
        assert (labels == others).mean() < 0.6, name
