"""Every exercise's check: the reference and the alternatives earn every point, each known mistake is named, nothing trivial pays.

Run once per backend: `KERAS_BACKEND=jax pytest tests/test_checks.py`.
"""

import numpy as np
import pytest

from course import probe, syllabus
from grader import checks
from grader.judge import RIGHT, judge, matches, read, runs_of
from grader.variants import vary
from harness import grade, unit_text

EXERCISES = [(unit.id, name) for unit in syllabus.UNITS for name in unit_text(unit.id).exercises]
MISTAKES = [(unit, name, k) for unit, name in EXERCISES for k in range(len(checks.load(unit, name).mistakes))]
ALTERNATIVES = [(unit, name, k) for unit, name in EXERCISES for k in range(len(checks.load(unit, name).alternatives))]


def reference(unit, exercise):
    return unit_text(unit).exercises[exercise].reference


@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_reference_earns_every_point(unit, exercise):
    verdict, *_ = grade(unit, exercise, reference(unit, exercise))
    assert (verdict.points, verdict.sentence) == (100.0, RIGHT)


@pytest.mark.parametrize(("unit", "exercise", "k"), ALTERNATIVES)
def test_alternative_earns_every_point(unit, exercise, k):
    source = vary(reference(unit, exercise), checks.load(unit, exercise).alternatives[k])
    verdict, *_ = grade(unit, exercise, source)
    assert (verdict.points, verdict.sentence) == (100.0, RIGHT)


@pytest.mark.parametrize(("unit", "exercise", "k"), MISTAKES)
def test_mistake_is_rejected_with_its_own_sentence(unit, exercise, k):
    check = checks.load(unit, exercise)
    mistake = check.mistakes[k]
    verdict, cases, evidence = grade(unit, exercise, vary(reference(unit, exercise), mistake.edits))
    assert verdict.points < 100
    assert matches(check, read(check, cases, evidence)) == [mistake.sentence]
    assert verdict.sentence == mistake.sentence


def trivial(run, kind, shape):
    """An array that takes no thought: constants, the first input of that shape, an identity matrix, a uniform row."""
    if kind == "zeros":
        return np.zeros(shape)
    if kind == "ones":
        return np.ones(shape)
    if kind == "uniform":
        return np.full(shape, 1 / (shape[-1] if shape else 1))
    if kind == "identity":
        return np.broadcast_to(np.eye(*shape[-2:]), shape) if len(shape) > 1 else np.ones(shape)
    inputs = [x for x in [*run.args, *run.kwargs.values()] if np.shape(x) == shape and np.asarray(x).dtype.kind in "biuf"]
    return np.asarray(inputs[0]) if inputs else np.zeros(shape)


@pytest.mark.parametrize("kind", ["zeros", "ones", "uniform", "identity", "first input", "None"])
@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_trivial_answers_earn_nothing(unit, exercise, kind):
    check = checks.load(unit, exercise)
    cases = check.cases(np.random.default_rng(1))
    runs = runs_of(cases)
    shapes = [{} for _ in runs]
    for case in cases:
        number = next(i for i, run in enumerate(runs) if run is case.run)
        shapes[number] |= case.shapes if case.accept else {n: v.shape for n, v in check.expected(case).items()}
    published = [
        {"error": "ProbeError: expected numbers, received NoneType."}
        if kind == "None"
        else {"arrays": probe.encode({name: trivial(run, kind, shape) for name, shape in wanted.items()})}
        for run, wanted in zip(runs, shapes, strict=True)
    ]
    verdict = judge(check, cases, {"runs": published}, 100.0)
    assert verdict.points == 0, verdict


@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_has_enough_mistakes_and_alternatives(unit, exercise):
    check = checks.load(unit, exercise)
    assert len(check.mistakes) >= 3
    assert len(check.alternatives) >= 2
    assert len({mistake.sentence for mistake in check.mistakes}) == len(check.mistakes)


@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_same_seed_same_cases_and_other_seed_other_cases(unit, exercise):
    check = checks.load(unit, exercise)
    first, again, other = (probe.encode(runs_of(check.cases(np.random.default_rng(seed)))) for seed in (1, 1, 2))
    assert first == again
    assert first != other
