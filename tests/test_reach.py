"""What stales which rows of the proof files: whatever a row reaches by imports, and nothing else."""

import shutil
from functools import cache

import pytest

from grader.proving import proofs, reach
from grader.proving.laws import VISIBLE
from grader.proving.notebooks import NOTEBOOK
from grader.proving.proofs import laws
from grader.proving.prove import parts_of
from grader.units.shelf import Home
from harness import COURSE, UNITS, edit

pytestmark = pytest.mark.slow


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A copy of all that rows may depend on."""
    for name in ("course", "solutions", "grader"):
        shutil.copytree(COURSE / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(reach, "ROOT", tmp_path)
    return tmp_path


def sources(repository, name="mlp", backend="jax"):
    """The digests of all rows of a unit."""
    folders = repository / "course" / "units", repository / "solutions", repository / "grader" / "checks"
    unit = Home(*folders, package="copied", own=True).get(name)
    found = {(part, law.name): (unit, part, law) for part in parts_of(unit) for law in laws(unit, part).values()}
    return {place: proofs.source_of(*of, backend) for place, of in found.items()}


@cache
def untouched():
    """The digests of the rows of `mlp`, which take seconds: the same for every copy."""
    return sources(COURSE)


SEEN = {}
"""By repository, the digests after the last edit."""


def staled(repository, file, old, new):
    """The rows of `mlp` that an edit stales."""
    before = SEEN.get(repository) or untouched()
    edit(repository / file, old, new)
    after = SEEN[repository] = sources(repository)
    return {place for place in after if after[place] != before.get(place)}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("course/data/signals.py", "\ndef ", "\ndef new_generator(rng):\n    return rng.random()\n\n\ndef "),
        ("grader/checks/cnn/conv2d.py", "CHECK = Check(", "OTHER = 3\n\nCHECK = Check("),
        ("grader/reports/report.html", "<body", "<body class='new'"),
        ("grader/judging/judge.py", "MAX_SENTENCE = 500", "MAX_SENTENCE = 400"),
        ("solutions/mlp.py", '"""', '"""Other words. '),
        ("grader/checks/mlp/softmax.py", "CHECK = Check(", "# a comment\nCHECK = Check("),
    ],
)
def test_what_no_row_reaches_stales_none(repository, file, old, new):
    assert staled(repository, file, old, new) == set()


OF_SOFTMAX = {("softmax", name) for name in laws(UNITS["mlp"], "softmax")}
RUN = {(NOTEBOOK, "run")}


def test_a_changed_solution_stales_its_rows_and_no_others(repository):
    found = staled(
        repository,
        "solutions/mlp.py",
        "    return exponentials / ",
        "    exponentials = 1.0 * exponentials\n    return exponentials / ",
    )
    wanted = {("softmax", name) for name in ("reference", "distance")} | RUN
    assert wanted <= found <= OF_SOFTMAX | RUN
    assert ("softmax", "mistake 1") in found and ("softmax", "trivial answers") not in found


def test_a_changed_oracle_or_tolerance_stales_all_that_is_compared(repository):
    compared = {place for place in OF_SOFTMAX if place[1] not in ("inputs", "lists", VISIBLE)}
    assert staled(repository, "grader/checks/mlp/softmax.py", "def oracle(", "THREE = 3\n\n\ndef oracle(") == set()
    assert (
        staled(repository, "grader/checks/mlp/softmax.py", "logits.sum(axis=-1", "logits.sum(axis=1") - {("softmax", "lists")}
        == compared
    )
    assert staled(repository, "grader/checks/mlp/softmax.py", "    atol=1e-4", "    atol=1e-3") == compared


def test_a_changed_set_up_stales_every_answer_that_uses_it(repository):
    found = staled(repository, "course/units/mlp.py", "training.set_seed(0)", "training.set_seed(1)")
    assert {("softmax", "reference"), ("train_classifier", "reference"), *RUN} <= found
    assert ("softmax", "trivial answers") not in found


def test_a_higher_bar_stales_what_is_judged_by_it_and_a_sentence_nothing(repository):
    found = staled(repository, "grader/checks/mlp/train_classifier.py", "LEAST_ACCURACY = 0.52", "LEAST_ACCURACY = 0.53")
    assert ("train_classifier", "reference") in found and {part for part, _ in found} == {"train_classifier"}
    sentence = list(UNITS["mlp"].check("train_classifier").mistakes)[-1][:20]
    assert staled(repository, "grader/checks/mlp/train_classifier.py", sentence, f"So: {sentence}") == set()


def test_what_a_visible_check_tries_and_what_it_is_tried_on_stale_its_row(repository):
    row = {("softmax", VISIBLE)}
    assert staled(repository, "course/units/mlp.py", "[3.0, 3.0, 3.0]", "[4.0, 4.0, 4.0]") == row | RUN
    mistake = "ops.sum(exponentials, axis=0, keepdims=True)"
    found = staled(repository, "grader/checks/mlp/softmax.py", mistake, f"1.0 * {mistake}")
    assert len(found) == 2 and row < found
    held = staled(repository, "grader/checks/mlp/softmax.answers", "# %% right: ", "# %% wrong: ")
    assert held == row | {("softmax", "held-out 1, wrong")}
    assert staled(repository, "course/units/mlp.py", "is each exp divided", "is every exp divided") == row | RUN


def test_what_a_visible_check_needs_of_an_earlier_cell_counts_and_no_more_of_it(repository):
    def digest():
        return sources(repository, "rnn")["rnn_forward", VISIBLE]

    text, before = repository / "course" / "units" / "rnn.py", digest()
    edit(text, "new.shape == (1, 2), f", "(1, 2) == new.shape, f")
    assert digest() == before
    edit(text, "ops.array([[0.5, -0.3]])", "ops.array([[0.6, -0.3]])")
    assert digest() != before


def test_weights_that_are_read_count(repository):
    before = sources(repository, "bert")
    (repository / "course" / "encoder.keras").write_bytes(b"others")
    after = sources(repository, "bert")
    assert {part for part, name in after if after[part, name] != before[part, name]} == {"train_fine_tuned", NOTEBOOK}
