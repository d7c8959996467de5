"""What judging one submission may cost, and what is for a person: whatever was handed in, there is a verdict."""

import json
import signal
import threading

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course.cells import check_id, marked_cell
from course.probe import encode
from grader.classroom import questions
from grader.classroom.plugin.restore import Release, restore
from grader.classroom.plugin.submission import MAX_BYTES, MAX_CELLS, MAX_CODE, UNREADABLE, read_submission
from grader.judging import Call, Case, Check
from grader.judging.deadline import OverTime, at_most
from grader.judging.judge import RIGHT, plain
from grader.running.execution import Evidence
from grader.running.jobs import Outcome

ANSWER = "def f(x):\n    return 2 * x"


def doubled(x):
    return 2 * x


def judged(cells, oracle=doubled, files=(), exercises=("f",), monkeypatch=None):
    """The verdicts on a notebook of these cells, whose probe gave what is right."""
    run = Call((np.ones(3),))
    check = Check(lambda rng: [], oracle, mistakes={}, alternatives=(), off_limits=("keras.ops.softmax",))
    asked = {name: (check, [Case("values", run)]) for name in exercises}
    code = [new_code_cell(source) for source in cells]
    code += [marked_cell(f"probe({name})", check_id(name), grade=True, locked=True, points=2) for name in exercises]
    right = Evidence({"runs": [{"arrays": {"result": encode(np.full(3, 2.0))}}]})
    outcome = Outcome("", {check_id(name): right for name in exercises})
    known = questions.Questions("", dict.fromkeys(exercises, 2.0), asked, {})
    return questions.verdicts(new_notebook(cells=code), known, outcome, files)


def test_what_is_right_is_for_nobody_to_look_at():
    verdict = judged([ANSWER])["f"]
    assert (verdict.points, verdict.sentence, verdict.person) == (2, RIGHT, "")


@pytest.mark.parametrize(
    "source", ["x = 0x" + "f" * 5000, "x = " + "a + " * 10_000 + "a", "x = 1\n" * 20_000, "x = '\ud800'", "a = 1\0"]
)
def test_no_cell_costs_the_points_of_another(source):
    assert judged([source, ANSWER])["f"].points == 2


@pytest.mark.parametrize(
    ("files", "waits"),
    [
        (["yaml.py"], "yaml, which was handed in"),
        (["json/__init__.py"], "json, which was handed in"),
        (["helper.py", "test.py", "data/people.csv", "notes.txt"], ""),
    ],
)
def test_a_module_that_takes_the_place_of_an_installed_one_is_for_a_person(files, waits):
    assert waits in (found := judged([ANSWER], files=files)["f"].person) and bool(found) is bool(waits)


def test_what_takes_too_long_to_judge_is_for_a_person(monkeypatch):
    def endless(run):
        while True:
            try:
                sum(range(1000))
            except Exception:  # whatever a check of an instructor's own catches
                continue

    monkeypatch.setattr(questions, "JUDGING_SECONDS", 0.2)
    found = judged([ANSWER], endless, exercises=("f", "g"))
    assert [verdict.points for verdict in found.values()] == [0, 0]
    assert all("takes more than 0.2 s" in verdict.person for verdict in found.values())
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)


def test_a_bug_of_ours_in_the_search_costs_no_submission(monkeypatch):
    monkeypatch.setattr(questions, "Search", lambda *given: 1 / 0)
    assert "ZeroDivisionError" in judged([ANSWER])["f"].person


def test_a_limit_on_time_leaves_nothing_behind_and_asks_nothing_of_other_threads():
    before = signal.getsignal(signal.SIGPROF)

    def endless():
        with at_most(0.01):
            while True:
                pass

    with pytest.raises(OverTime):
        endless()
    assert signal.getsignal(signal.SIGPROF) is before
    ended = []

    def work():
        with at_most(60):
            ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [True]


def test_a_limit_that_is_over_while_it_is_taken_away_ends_nothing_and_leaves_no_timer(monkeypatch):
    set_timer = signal.setitimer

    def late(timer, *seconds):
        if seconds == (0,):
            signal.raise_signal(signal.SIGPROF)
        return set_timer(timer, *seconds)

    monkeypatch.setattr(signal, "setitimer", late)
    with at_most(60):
        pass
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)


@pytest.mark.parametrize("text", ["a\x1b[31m" * 1_000_000, "\x1b" * 5_000_000, "a " * 3_000_000, "\u202e" * 3_000_000])
def test_of_a_long_text_only_the_beginning_is_looked_at(text, monkeypatch):
    seen = []
    real = questions.zero.__globals__["ANSI"]
    watched = type("Watched", (), {"sub": lambda self, new, text: seen.append(len(text)) or real.sub(new, text)})()
    monkeypatch.setitem(plain.__globals__, "ANSI", watched)
    assert len(plain(text)) <= 500
    assert max(seen) < 10_000


@pytest.mark.parametrize(
    ("name", "cells", "said"),
    [
        ("file", [new_code_cell("x", metadata={"a": "b" * MAX_BYTES})], "larger than 20 MB"),
        ("cells", [new_code_cell("x", id=f"c{n}") for n in range(MAX_CELLS + 1)], "more than 2000 cells"),
        (
            "code",
            [new_code_cell("x = 1\n" * (MAX_CODE // 60), id=f"c{n}") for n in range(11)],
            "more than 500000 characters of code",
        ),
    ],
)
def test_what_is_too_much_to_read_is_said_to_be_so(name, cells, said, tmp_path):
    path = tmp_path / "mlp.ipynb"
    path.write_text(json.dumps(new_notebook(cells=cells)))
    notebook = read_submission(path)
    assert said in notebook.metadata[UNREADABLE]
    release = Release("", {"f": "probe(f)"}, {"f": 1.0})
    assert len(restore(notebook.cells, release)) == 3


def test_cells_of_an_old_format_are_counted_before_they_are_converted(tmp_path):
    path = tmp_path / "mlp.ipynb"
    cell = {"cell_type": "code", "input": "x", "language": "python", "outputs": []}
    for count, read in ((3, True), (MAX_CELLS, False)):
        sheets = [{"cells": [cell] * count}, {"cells": [cell]}]
        path.write_text(json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": sheets}))
        notebook = read_submission(path)
        assert (len(notebook.cells) == count + 1) is read
        assert ("more than 2000 cells" in notebook.metadata.get(UNREADABLE, "")) is not read


def test_pictures_among_the_outputs_are_read(tmp_path):
    path = tmp_path / "mlp.ipynb"
    output = {"output_type": "display_data", "data": {"image/png": "A" * 8_000_000}, "metadata": {}}
    cell = new_code_cell(ANSWER, outputs=[output, output])
    path.write_text(json.dumps(new_notebook(cells=[cell])))
    assert read_submission(path).cells[0].source == ANSWER
