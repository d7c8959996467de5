"""Every exercise's check: reference and alternatives earn every point, known mistakes are named, nothing trivial pays.

Run once per backend: `KERAS_BACKEND=jax pytest tests/test_checks.py`.
"""

import os

import keras
import numpy as np
import pytest

from course import probe
from course.probe import Call
from grader.judging.bars import bars_of
from grader.judging.judge import RIGHT, judge, matches, runs_of
from grader.proving.rehearsal import rehearse
from grader.units.variants import vary
from harness import UNITS, answer, grade, reference

pytestmark = pytest.mark.all_backends
EXERCISES = [(unit.name, name) for unit in UNITS.values() for name in unit.text.exercises]
BACKEND = keras.backend.backend()
DRAWS = int(os.environ.get("DRAWS", "100"))
"""How often inputs are drawn to measure distances; `make distances` takes 1,000."""
SEEDS = max(1, DRAWS // (50 if BACKEND == "tensorflow" else 100))
"""How often for each mistake: more on one backend, since what they show is not the backend's doing."""
TRAINED = {(unit, name) for unit, name in EXERCISES if bars_of(UNITS[unit].check(name))}
QUICK = [exercise for exercise in EXERCISES if exercise not in TRAINED]
ALL = EXERCISES if BACKEND == "torch" or DRAWS > 100 else QUICK
"""Whose right and wrong answers are tried here, training included: on PyTorch and in `make distances`. On TensorFlow
`test_end_to_end.py` trains; JAX, which compiles each model, trains the references."""
ANSWERED = EXERCISES if BACKEND == "jax" else ALL
MISTAKES = [(unit, name, k) for unit, name in ALL for k in range(len(UNITS[unit].check(name).mistakes))]
ALTERNATIVES = [(unit, name, k) for unit, name in ALL for k in range(len(UNITS[unit].check(name).alternatives))]


@pytest.mark.parametrize(("unit", "exercise"), ANSWERED)
def test_reference_earns_every_point(unit, exercise):
    verdict, *_ = grade(unit, exercise, reference(unit, exercise))
    assert (verdict.points, verdict.sentence) == (100.0, RIGHT)


@pytest.mark.parametrize(("unit", "exercise", "k"), ALTERNATIVES)
def test_alternative_earns_every_point(unit, exercise, k):
    source = vary(reference(unit, exercise), UNITS[unit].check(exercise).alternatives[k])
    verdict, *_ = grade(unit, exercise, source)
    assert (verdict.points, verdict.sentence) == (100.0, RIGHT)


@pytest.mark.parametrize(("unit", "exercise", "k"), MISTAKES)
def test_mistake_is_rejected_with_its_own_sentence(unit, exercise, k):
    check = UNITS[unit].check(exercise)
    mistake = check.mistakes[k]
    for seed in range(1 if (unit, exercise) in TRAINED else SEEDS):
        verdict, judged = grade(unit, exercise, vary(reference(unit, exercise), mistake.edits), seed)
        assert verdict.points < 100
        assert matches(check, judged) == [mistake.sentence]
        assert verdict.sentence == mistake.sentence


@pytest.mark.parametrize(("unit", "exercise"), [("mlp", "build_mlp"), ("cnn", "build_cnn")])
def test_a_relu_on_the_logits_is_named_even_if_a_new_model_gives_only_zeros(unit, exercise):
    output = 'layers.Dense(n_classes, activation="relu", bias_initializer=keras.initializers.Constant(-1000))'
    _, judged = grade(unit, exercise, vary(reference(unit, exercise), [("layers.Dense(n_classes)", output)]))
    assert {"logits", "initial weights"} <= judged.failed
    (sentence,) = matches(UNITS[unit].check(exercise), judged)
    assert sentence.startswith("No output is negative")


DRAWS_WITH_LAYERS = DRAWS // 10
"""Where each draw builds layers or models, of which 1,000 take minutes."""
MARGIN = 4
"""How far, in tolerances, a known mistake stays from right on every draw."""


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "exercise"), QUICK)
def test_reference_keeps_its_distance_from_the_tolerance(unit, exercise):
    """Over many draws: the reference's largest error is at most half of what is tolerated."""
    check = UNITS[unit].check(exercise)
    callable_ = answer(unit, exercise, reference(unit, exercise))
    worst = 0.0
    built = any(type(case.run) is not Call for case in check.draw(np.random.default_rng(0)))
    for seed in range(DRAWS_WITH_LAYERS if built else DRAWS):
        _, judged = rehearse(check, callable_, np.random.default_rng(seed))
        assert not judged.failed, (seed, judged.errors)
        for case in judged.cases:
            if not case.accept:
                worst = max(worst, distance(check, judged.received[case.part], check.expected(case)))
    assert worst <= 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_mistakes_keep_their_distance_from_the_tolerance(unit, exercise):
    """Over many draws: each mistake that the oracle can make is always far from right, in at least one part."""
    check = UNITS[unit].check(exercise)
    switched = [mistake for mistake in check.mistakes if mistake.switches]
    for seed in range(DRAWS if switched else 0):
        right = [(case, check.expected(case)) for case in check.draw(np.random.default_rng(seed)) if not case.accept]
        for mistake in switched:
            with np.errstate(all="ignore"):
                apart = [distance(check, check.expected(case, **mistake.switches), expected) for case, expected in right]
            assert max(apart) >= MARGIN, (seed, mistake.sentence, apart)


def distance(check, received, expected):
    """The largest difference between two results, in tolerances; infinite where they cannot be compared."""
    largest = 0.0
    for name, right in expected.items():
        if name not in received or received[name].shape != right.shape:
            return np.inf
        right, given = right.astype(float), received[name].astype(float)
        apart = np.abs(given - right) / (check.atol + check.rtol * np.abs(right))
        largest = max(largest, np.inf if np.isnan(apart).any() else apart.max(initial=0))
    return largest


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
    numbers = [x for x in [*run.args, *run.kwargs.values()] if isinstance(x, int | float | np.ndarray)]
    inputs = [x for x in numbers if np.shape(x) == shape and np.asarray(x).dtype.kind in "biuf"]
    return np.asarray(inputs[0]) if inputs else np.zeros(shape)


@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_an_answer_that_returns_none_earns_nothing(unit, exercise):
    verdict, judged = rehearse(UNITS[unit].check(exercise), lambda *args, **kwargs: None, np.random.default_rng(1))
    assert verdict.points == 0
    assert judged.errors


@pytest.mark.parametrize("kind", ["zeros", "ones", "uniform", "identity", "first input"])
@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_trivial_answers_earn_nothing(unit, exercise, kind):
    check = UNITS[unit].check(exercise)
    cases = check.draw(np.random.default_rng(1))
    runs = runs_of(cases)
    shapes = [{} for _ in runs]
    for case in cases:
        number = next(i for i, run in enumerate(runs) if run is case.run)
        shapes[number] |= case.shapes if case.accept else {n: v.shape for n, v in check.expected(case).items()}
    published = [
        {"arrays": probe.encode({name: trivial(run, kind, shape) for name, shape in wanted.items()})}
        for run, wanted in zip(runs, shapes, strict=True)
    ]
    verdict = judge(check, cases, {"runs": published}, 100.0)
    assert verdict.points == 0, verdict


@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_has_enough_mistakes_and_alternatives(unit, exercise):
    check = UNITS[unit].check(exercise)
    assert len(check.mistakes) >= 3
    assert len(check.alternatives) >= 2
    assert len({mistake.sentence for mistake in check.mistakes}) == len(check.mistakes)


@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_same_seed_same_cases_and_other_seed_other_cases(unit, exercise):
    check = UNITS[unit].check(exercise)
    first, again, other = (probe.encode(runs_of(check.draw(np.random.default_rng(seed)))) for seed in (1, 1, 2))
    assert first == again
    assert first != other
