"""Every exercise's check: those of its laws that train nothing. Proof files have the others: see `test_proven.py`.

Run once per backend: `KERAS_BACKEND=jax pytest tests/test_checks.py`.
"""

import nbformat
import pytest

from grader.judging.judge import UNANSWERED, matches
from grader.proving.laws import laws_of
from grader.units.variants import vary
from harness import COURSE, UNITS, grade, reference

pytestmark = pytest.mark.all_backends
DRAWS = 100
"""`grader prove` takes ten times as many."""
LAWS = {(unit.name, name): laws_of(unit, name) for unit in UNITS.values() for name in unit.text.exercises}
TRIED = [(*place, law.name) for place, laws in LAWS.items() for law in laws.values() if not law.trains]
SLOW = "distance"


@pytest.mark.parametrize(
    ("unit", "exercise", "law"), [pytest.param(*law, marks=[pytest.mark.slow] * (SLOW in law[-1])) for law in TRIED]
)
def test_law(unit, exercise, law):
    seen = LAWS[unit, exercise][law].seen(DRAWS)
    assert seen.holds, seen.verdict


@pytest.mark.parametrize(("unit", "exercise"), LAWS)
def test_what_was_handed_out_is_not_answered_yet(unit, exercise):
    release = nbformat.read(COURSE / "assignments" / unit / f"{unit}.ipynb", as_version=4)
    (stub,) = (cell.source for cell in release.cells if cell.id == exercise)
    verdict, _ = grade(unit, exercise, stub)
    assert (verdict.points, verdict.sentence) == (0, UNANSWERED)


@pytest.mark.parametrize(("unit", "exercise"), [("mlp", "build_mlp"), ("cnn", "build_cnn")])
def test_a_relu_on_the_logits_is_named_even_if_a_new_model_gives_only_zeros(unit, exercise):
    output = 'layers.Dense(n_classes, activation="relu", bias_initializer=keras.initializers.Constant(-1000))'
    _, judged = grade(unit, exercise, vary(reference(unit, exercise), [("layers.Dense(n_classes)", output)]))
    assert {"logits", "initial weights"} <= judged.failed
    (sentence,) = matches(judged)
    assert sentence.startswith("No output is negative")
