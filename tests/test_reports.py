"""Reports: what counts as the same answer, and a page that is safe whatever students wrote.

Reports of a real class are in test_end_to_end.py.
"""

import csv
import io
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.api import Gradebook
from rich.console import Console

from grader.classroom.autograde import Summary
from grader.classroom.records import Record
from grader.judging.judge import RIGHT, UNANSWERED, Verdict
from grader.reports import terminal
from grader.reports.exports import CanvasExport, MoodleExport, no_formula
from grader.reports.page import _distribution, page, write_report
from grader.reports.rows import Row
from grader.reports.similarity import length, normalized, similarity
from grader.reports.tables import Tables, _alike, _exercises, _misconceptions, pseudonym, together
from grader.running.execution import Evidence
from grader.running.jobs import Outcome
from harness import UNITS

ANSWER = '''
def mean(values, axis=0):
    """Average."""
    # add up
    total = sum(values)
    for step in range(axis):
        total = total + step
    return total / len(values)
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("total", "acc"),
        ("values", "xs"),
        ('    """Average."""\n', ""),
        ("# add up", "# my own idea"),
        ("sum(values)", "sum( values )"),
        ("def mean", "import numpy as np\n\ndef mean"),
    ],
)
def test_names_comments_and_layout_make_no_other_answer(old, new):
    assert normalized(ANSWER.replace(old, new), "mean") == normalized(ANSWER, "mean") != ""


@pytest.mark.parametrize(
    ("old", "new"), [("sum(", "max("), ("/ len", "* len"), ("axis=0", "axis=1"), ("total + step", "step + total")]
)
def test_what_is_done_makes_another_answer(old, new):
    assert normalized(ANSWER.replace(old, new), "mean") != normalized(ANSWER, "mean")


def test_of_a_class_only_what_the_student_wrote_counts():
    given = "class A:\n    def size(self):\n        return 3\n    def call(self, x):\n        raise NotImplementedError()"
    mine = given.replace("raise NotImplementedError()", "y = x + 1\n        return y")
    assert normalized(mine, "A", given) == "def call(self, v0):\n    v1 = v0 + 1\n    return v1"
    assert normalized(given, "A", given) == ""


@pytest.mark.parametrize("source", ["", "def mean(:", "mean = 3", "def other(): pass"])
def test_what_is_no_answer_is_like_nothing(source):
    assert normalized(source, "mean") == ""


def test_what_is_nested_too_deeply_is_like_nothing():
    sums = [f"def mean(v):\n    return {' + '.join(['v'] * terms)}" for terms in (20, 800)]
    assert [bool(normalized(source, "mean")) for source in sums] == [True, False]


def test_points_beyond_the_maximum_are_in_the_picture():
    figure = _distribution(pd.Series([42.0, 40.0, 3.0, -1.0]), 40.0)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 4


def test_similarity_is_one_for_the_same_and_falls_with_each_change():
    a = normalized(ANSWER, "mean")
    b = normalized(ANSWER.replace("sum(", "max("), "mean")
    c = normalized("def mean(v):\n    return 0", "mean")
    assert similarity(a, a) == 1 > similarity(a, b) > 0.9 > similarity(a, c)
    assert length(a) > length(c) > 5


def test_an_exercise_is_described_by_its_points():
    given = {"ada": (2, 2), "ben": (2, 1), "cai": (0, 1), "dot": (0, 0)}
    answers = [
        {"student": student, "exercise": exercise, "points": points, "maximum": 2.0, "answered": student != "dot"}
        for student, both in given.items()
        for exercise, points in zip("fg", both, strict=True)
    ]
    f, g = _exercises(pd.DataFrame(answers), ["f", "g"]).to_dict("records")
    assert (f["mean_share"], f["full"], f["partial"], f["answered"]) == (0.5, 0.5, 0, 3)
    assert (g["mean_share"], g["full"], g["partial"], g["answered"]) == (0.5, 0.25, 0.5, 3)
    assert [f["discrimination"], g["discrimination"]] == pytest.approx([2**-0.5] * 2)


def test_what_was_diagnosed_is_counted_beside_what_is_listed():
    known = next(iter(UNITS["mlp"].check("relu").mistakes))
    said = {
        "a": known,
        "b": "Not right yet. Every sign is the wrong way round.",
        "c": "Not right yet: values, vector. Every sign is the wrong way round.",
        "d": "Not right yet. The shapes are as expected, the values are not.",
        "e": "Not right yet: values. Your code raised ValueError: no.",
        "f": UNANSWERED,
        "g": RIGHT,
    }
    answers = pd.DataFrame([{"student": name, "exercise": "relu", "sentence": sentence} for name, sentence in said.items()])
    found = _misconceptions(answers, UNITS["mlp"], ["relu"])
    assert found[["sentence", "kind", "who"]].to_numpy().tolist() == [
        ["Every sign is the wrong way round.", "diagnosed", "b, c"],
        [known, "listed", "a"],
    ]


def test_the_same_answer_of_several_is_listed_unless_it_is_the_references(tmp_path):
    def write(folder, source):
        cell = new_code_cell(source, metadata={"nbgrader": {"grade_id": "mean"}})
        (tmp_path / folder / "mlp").mkdir(parents=True)
        nbformat.write(new_notebook(cells=[cell]), tmp_path / folder / "mlp" / "mlp.ipynb")

    write("assignments", "def mean(values, axis=0):\n    raise NotImplementedError()")
    write("build/source", ANSWER)
    odd = ANSWER.replace("total + step", "total - step * 0")
    works = {"ada": odd, "ben": odd.replace("total", "acc"), "cai": ANSWER, "dot": ANSWER, "eve": ANSWER.replace("+", "-")}
    for student, source in works.items():
        write(f"autograded/{student}", source)
    copies, near = _alike(tmp_path, "mlp", list(works), ["mean"], str.upper)
    assert copies["students"].tolist() == ["ADA, BEN"]
    assert copies["like_reference"][0] < 1
    assert {"CAI", "DOT"} <= set(near["student"])


def test_pseudonyms_last_and_depend_on_the_secret():
    assert pseudonym(b"s", "ada") == pseudonym(b"s", "ada") != pseudonym(b"s", "ben")
    assert pseudonym(b"t", "ada") != pseudonym(b"s", "ada")
    assert "ada" not in pseudonym(b"s", "ada")


@pytest.mark.parametrize(
    ("value", "written"), [("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("ada", "ada"), (-1.5, -1.5), ("", "")]
)
def test_no_cell_is_a_formula(value, written):
    assert no_formula(value) == written


HOSTILE = '<script>alert(1)</script><img src="//evil.example/x">'


def tables():
    students, names = ["ada", HOSTILE], ["softmax", "relu"]
    answer = {"points": 1.0, "maximum": 2.0, "sentence": HOSTILE}
    answers = pd.DataFrame([{"student": student, "exercise": name} | answer for student in students for name in names])
    rows = {"points": [3.0, 1.0], "seconds": [2.0, np.nan], "megabytes": [100.0, np.nan]}
    rows |= {"waits": [False, True], "sandboxed": [True, False]}
    shares = {"maximum": [2.0, 2.0], "answered": [2, 2], "mean_share": [0.5, 0.5], "full": [0.5, 0.0], "partial": [0.0, 1.0]}
    return Tables(
        answers,
        pd.DataFrame({"student": students} | rows),
        pd.DataFrame({"exercise": names} | shares | {"discrimination": [0.5, np.nan]}),
        pd.DataFrame([{"exercise": "relu", "students": 1, "sentence": HOSTILE, "who": HOSTILE}]),
        pd.DataFrame([{"student": HOSTILE, "exercises": "relu", "reason": HOSTILE}]),
        pd.DataFrame([{"exercise": "relu", "students": HOSTILE, "size": 2, "tokens": 40, "like_reference": 0.5}]),
        pd.DataFrame([{"student": "=cmd()", "exercise": "relu", "like_reference": 1.0, "tokens": 40}]),
        pd.DataFrame([{"setting": "backend", "value": "jax", "submissions": 2}]),
        pd.DataFrame([{"student": HOSTILE, "until": "2027-01-31 23:59 UTC", "seconds_late": 3600.0}]),
    )


class Page(HTMLParser):
    """What a page holds, and that its elements are closed in order."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.links, self.headers = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "xlink:href", "action", "data")]
        if tag == "th":
            self.headers.append(dict(attributes).get("scope"))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_runs_nothing_and_fetches_nothing():
    text = page(UNITS["mlp"], tables())
    found = Page(text)
    assert not {"script", "img", "iframe", "object", "form", "link"} & set(found.tags)
    assert all(link.startswith("#") for link in found.links)
    assert "default-src 'none'" in text
    assert "url(http" not in text and "@import" not in text
    assert found.headers and set(found.headers) == {"col", "row"}
    assert found.tags.count("svg") == found.tags.count("figcaption") == 2
    assert all(f'id="{link[1:]}"' in text for link in found.links)
    assert "Graded without a sandbox" in text
    assert ">nan<" not in text


def test_what_waits_for_one_reason_is_one_row():
    rows = [*(("a", name, "unread") for name in "xyz"), ("b", "x", "odd"), ("b", "y", ""), ("b", "z", "odd")]
    persons = pd.DataFrame(rows, columns=["student", "exercise", "reason"])
    assert together(persons, ["x", "y", "z"]).to_dict("records") == [
        {"student": "a", "reason": "unread", "exercises": "all"},
        {"student": "b", "reason": "odd", "exercises": "x, z"},
        {"student": "b", "reason": "", "exercises": "y"},
    ]
    assert list(together(persons.head(0), ["x"]).columns) == ["student", "reason", "exercises"]


def test_tables_are_written_as_csv_and_parquet(tmp_path):
    files = write_report(tmp_path, UNITS["mlp"], tables())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in files)
    for name, table in tables().named().items():
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"{name}.parquet"), table, check_dtype=False)
        assert len(pd.read_csv(tmp_path / f"{name}.csv")) == len(table)
    assert "'=cmd()" in (tmp_path / "references.csv").read_text()


ESCAPES = "\x1b]0;title\x07\x1b[31m\x1b[2J\x9b1m\b\r"


def test_no_terminal_obeys_what_students_chose(monkeypatch, tmp_path):
    """Ids, sentences, reasons, errors and evidence; most cannot hold such things, and none is trusted not to."""
    text = f"[red]{ESCAPES}words"
    verdict = Verdict(0.0, text, {"values": False}, text)
    record = Record("digest", {"relu": verdict, "softmax": verdict}, {"relu": 2.0, "softmax": 3.0}, True, {}, "key")
    row = Row({"relu": 0.0}, 0.0, frozenset(), frozenset({"relu"}))
    evidence = {"runs": [{"error": text}] * 20}
    monkeypatch.setattr(terminal, "read_rows", lambda *args: ({"relu": 2.0}, {text: row}))
    monkeypatch.setattr(terminal, "read_record", lambda *args: record)
    monkeypatch.setattr(terminal, "record_path", lambda *args: Path(__file__))
    monkeypatch.setattr(terminal, "in_order", lambda *args: ["relu"])
    monkeypatch.setattr(terminal, "is_unit", lambda *args: True)
    monkeypatch.setattr(terminal, "read_secret", lambda *args: b"secret")
    monkeypatch.setattr(terminal, "judged_outcome", lambda *args: Outcome("key", {"relu-check": Evidence(evidence)}))
    tables = [
        terminal.scores(tmp_path, "mlp"),
        terminal.sentences(tmp_path, "mlp"),
        terminal.summary(tmp_path, "mlp", Summary({text: 1.0}, set(), {text: text})),
        terminal.explain(tmp_path, UNITS["mlp"], text, "relu"),
    ]
    for table in tables:
        console = Console(file=io.StringIO(), width=200)
        console.print(table)
        said = console.file.getvalue()
        assert "[red]" in said and "words" in said  # and no markup is read
        assert not set(said) & set("\x1b\x07\x9b\b\r")


@pytest.mark.parametrize(("export", "column"), [(CanvasExport, "SIS Login ID"), (MoodleExport, "Username")])
def test_an_id_is_exported_as_it_is_or_left_out_by_name(tmp_path, caplog, export, column):
    ids = ["ada", "müller-lüdenscheid", "d@e.org", "c+1", "-ada", "+1", "@ben", "=1"]
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as gradebook:
        gradebook.add_assignment("mlp")
        for student in ids:
            gradebook.add_student(student, last_name="=Name")
        plugin = export(to=str(tmp_path / "scores.csv"))
        plugin.log.propagate = True
        with caplog.at_level("ERROR", logger=plugin.log.name):
            plugin.export(gradebook)
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row[column]]
    assert {row[column] for row in rows} == set(ids[:4])
    assert all(repr(student) in caplog.text for student in ids[4:])
    assert all(not value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())
