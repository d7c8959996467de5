"""Proof files: which rows a sample has, and what makes and breaks a row."""

import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from rich.console import Console

from grader.errors import CheckError
from grader.proving import held_out, proofs
from grader.proving.laws import DRAWS, VISIBLE, Law, Seen
from grader.proving.notebooks import NOTEBOOK
from grader.proving.proofs import Row, file_of, laws, read_rows, sample, write_row
from grader.proving.prove import faults, prove, table
from grader.units.shelf import find_unit
from harness import edit

BACKEND = keras.backend.backend()


# --- the sample ---


def row(law="reference", **changes):
    return replace(Row(law, "jax", True, "100 %", 1000, 10.0, "2026-11-29T00:00:00+00:00", "abc"), **changes)


def forty(**changes):
    days = [f"2026-01-{day:02}T00:00:00+00:00" for day in range(1, 32)] + ["2026-02-01T00:00:00+00:00"] * 9
    return [(("u", "e", f"mistake {k}"), row(f"mistake {k}", made=made, **changes)) for k, made in enumerate(days)]


def test_half_of_a_sample_is_of_the_newest_rows():
    for seed in range(50):
        chosen = sample(forty(), str(seed), 100)
        assert len(chosen) == len(set(chosen)) == 10
        newest = {f"mistake {k}" for k in range(30, 40)}
        assert sum(law in newest for _, _, law in chosen) == 5
        assert chosen == sample(forty(), str(seed), 100)


@pytest.mark.parametrize(("false", "share"), [(3, 5 / 30), (35, 5 / 10)])
def test_a_false_row_is_found_in_as_many_runs_as_the_sample_is_large(false, share):
    runs = 600
    found = sum(("u", "e", f"mistake {false}") in sample(forty(), f"commit {k}", 100) for k in range(runs))
    assert abs(found / runs - share) < 4 * np.sqrt(share * (1 - share) / runs)


def test_a_sample_has_one_row_of_each_half_whatever_it_costs_and_none_of_none():
    assert len(sample(forty(seconds=1000.0), "a", 100)) == 2
    assert len(sample(forty()[:1], "a", 100)) == 1
    assert sample([], "a", 100) == []


# --- files ---


def test_a_file_keeps_its_rows_and_forgets_laws_that_are_gone(tmp_path):
    file = tmp_path / "rows.csv"
    assert read_rows(file) == {}
    write_row(file, row("mistake 2", holds=False, verdict='100 %, "so", it\nis'), ["reference", "mistake 2"])
    write_row(file, row(), ["reference", "mistake 2"])
    assert [law for law, _ in read_rows(file)] == ["reference", "mistake 2"]
    assert read_rows(file)["mistake 2", "jax"].holds is False
    write_row(file, row(seconds=3.0, backend="torch"), ["reference"])
    assert read_rows(file) == {("reference", "jax"): row(), ("reference", "torch"): row(seconds=3.0, backend="torch")}
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize("text", ["law,backend\nreference,jax\n", "<<<<<<< ours\n", "law\n\n,,,,,,,,,,,"])
def test_a_file_that_is_none_is_named(tmp_path, text):
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(CheckError, match=r"rows\.csv: expected rows that `grader prove` writes"):
        read_rows(tmp_path / "rows.csv")


# --- proving ---


@pytest.fixture
def course(tiny, tmp_path):
    """A course directory with a small unit of its own."""
    return Path(shutil.copytree(tiny, tmp_path / "c"))


def test_another_version_of_keras_stales_every_row(course, monkeypatch):
    unit = find_unit(course, "tiny")
    every = laws(unit, "rescale")
    for law in every.values():
        source = proofs.source_of(unit, "rescale", law, BACKEND)
        write_row(file_of(unit, "rescale"), Row.of(law, BACKEND, Seen(True, ""), DRAWS, 0, source), list(every))
    assert faults(unit, "rescale", [BACKEND]) == []
    monkeypatch.setattr(proofs, "versions", lambda backend: f"keras 99 {backend}")
    late = faults(unit, "rescale", [BACKEND])
    assert late == [f"{BACKEND} · {name}: something that it depends on has changed" for name in every]


def see(course, exercise=""):
    unit = find_unit(course, "tiny")
    prove(course, [unit], exercise, [BACKEND], 100, 2, Console(quiet=True))
    shown, missing = table([unit], exercise, [BACKEND], 100)
    assert shown.row_count == (1 if exercise else 2)
    return {name: row for (name, _), row in read_rows(file_of(unit, "rescale")).items()}, missing


@pytest.mark.slow
def test_a_unit_of_ones_own_is_proven_and_only_what_changed_is_proven_again(course):
    first, missing = see(course)
    assert not missing and all(row.holds for row in first.values())
    assert {"reference", "alternative 2", "mistake 4", "trivial answers", "distance"} <= first.keys()
    assert read_rows(file_of(find_unit(course, "tiny"), NOTEBOOK))["run", BACKEND].holds
    again, _ = see(course)
    assert again == first
    edit(course / "checks" / "tiny" / "rescale.py", 'LIMITS, "low, high = ops.min(x), ops.max(x)"', 'RETURN, "return x"')
    third, missing = see(course, "rescale")
    assert {name for name in third if third[name] != first[name]} == {"mistake 1", VISIBLE}
    assert len(missing) == 1 and "rescale · " in missing[0] and "mistake 1: " in missing[0]


@pytest.mark.slow
def test_an_answer_that_ends_its_process_has_a_row_that_says_so(course):
    alternative = "    alternatives=(\n        'def rescale(x):\\n    import os\\n    os._exit(1)',"
    edit(course / "checks" / "tiny" / "rescale.py", "    alternatives=(", alternative)
    rows, missing = see(course, "rescale")
    assert {name for name, row in rows.items() if row.verdict == "the process died"} == {"alternative 1", VISIBLE}
    assert len(missing) == 2
    assert len(rows) == len(laws(find_unit(course, "tiny"), "rescale"))


def test_a_row_that_is_no_law_any_more_is_no_fault(course):
    unit = find_unit(course, "tiny")
    every = laws(unit, "rescale")
    for law in (*every.values(), Law("held-out 9, wrong", lambda draws: Seen(False, "100 %"))):
        source = proofs.source_of(unit, "rescale", law, BACKEND)
        seen = Seen(law.name in every, "")
        write_row(file_of(unit, "rescale"), Row.of(law, BACKEND, seen, DRAWS, 0, source), [*every, "held-out 9, wrong"])
    assert faults(unit, "rescale", [BACKEND]) == []


def test_whatever_a_law_raises_is_why_it_does_not_hold():
    assert Law("reference", lambda draws: 1 / 0).seen(1) == Seen(False, "ZeroDivisionError: division by zero")


def test_an_edit_that_does_not_fit_any_more_is_a_law_that_does_not_hold(course):
    edit(course / "checks" / "tiny" / "rescale.py", '(LIMITS, "low, high = ops.min(x), ops.max(x)")', '("no such line", "")')
    late = laws(find_unit(course, "tiny"), "rescale")["mistake 1"]
    assert late.seen(1) == Seen(False, "an edit's text occurs 0 times in the reference, expected once: 'no such line'")


ANSWERS = """# %% right: by hand
def rescale(x):
    return (x - ops.min(x, axis=0, keepdims=True)) / (ops.max(x, axis=0) - ops.min(x, axis=0))

# %% wrong: from -1 to 1
def rescale(x):
    return 2 * (x - ops.min(x, axis=0)) / (ops.max(x, axis=0) - ops.min(x, axis=0)) - 1
"""


def test_held_out_answers_are_laws(course):
    unit = find_unit(course, "tiny")
    held_out.file_of(unit, "rescale").write_text(ANSWERS)
    every = laws(unit, "rescale")
    assert every["held-out 1, right"].seen(100) == Seen(True, "100 %")
    assert every["held-out 2, wrong"].seen(100) == Seen(True, "0 %, diagnosed")
    held_out.file_of(unit, "rescale").write_text(ANSWERS.replace("right", "wrong", 1))
    assert laws(unit, "rescale")["held-out 1, wrong"].seen(100) == Seen(False, "100 %, unspecific")
    held_out.file_of(unit, "rescale").write_text(f"import os\n{ANSWERS}")
    with pytest.raises(CheckError, match=r"expected each answer below a line `# %% right: …`"):
        laws(unit, "rescale")
