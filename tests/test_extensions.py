"""More time for single students: all or none of a table. That penalties obey it is in test_dates.py."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest
from nbgrader.api import Gradebook
from test_cli import call

from grader.classroom.extensions import extend
from grader.errors import CourseError

DUE = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # nbgrader's own use of its database


@pytest.fixture
def small(tmp_path, empty_gradebook):
    """A course directory that knows ada and ben, and in which eve has handed in."""
    shutil.copyfile(empty_gradebook, tmp_path / "gradebook.db")
    with open_gradebook(tmp_path) as gradebook:
        gradebook.add_assignment("mlp", duedate=DUE.replace(tzinfo=None))
        gradebook.add_notebook("mlp", "mlp")
        gradebook.add_assignment("cnn")
        gradebook.add_student("ada")
        gradebook.add_student("ben")
    (tmp_path / "submitted" / "eve" / "mlp").mkdir(parents=True)
    return tmp_path


def open_gradebook(folder):
    return Gradebook(f"sqlite:///{folder}/gradebook.db")


def extensions(folder):
    with open_gradebook(folder) as gradebook:
        return {s.student.id: s.extension for s in gradebook.assignment_submissions("mlp")}


def test_a_date_becomes_an_extension_of_nbgraders_and_goes_again(small):
    grant = ["extend", "mlp", "--course", small, "--student", "ada", "--student", "eve", "--until"]
    for _ in range(2):
        assert "2024-06-08 11:00 UTC" in call(*grant, "2024-06-08T13:00+02:00")
        assert extensions(small) == dict.fromkeys(("ada", "eve"), timedelta(days=7, hours=-1))
    call(*grant, "2024-06-03 12:00 UTC")
    assert extensions(small) == dict.fromkeys(("ada", "eve"), timedelta(days=2))
    assert "none" in call(*grant, "none")
    assert extensions(small) == {}  # what was there for the extension alone


def test_a_date_without_a_zone_is_of_this_machine(small):
    granted = extend(small, "mlp", [("", "ada", "2024-06-08T13:00")])
    assert granted["ada"] == datetime(2024, 6, 8, 13).astimezone(UTC)


@pytest.mark.parametrize(
    ("unit", "student", "until", "told"),
    [
        ("mlp", "zoe", "2024-06-08T13:00", "there is no student 'zoe'"),
        ("mlp", "", "2024-06-08T13:00", "there is no student ''"),
        ("mlp", "..", "2024-06-08T13:00", "there is no student"),
        ("mlp", "ada", "next week", "'next week' is no date"),
        ("mlp", "ada", "2024-06-08T13:00 CST", "may mean several"),
        ("mlp", "ada", "2024-06-08", "names no hour"),
        ("mlp", "ada", "2024-06-01T12:00Z", "is not after the due date, 2024-06-01 12:00 UTC"),
        ("cnn", "ada", "2024-06-08T13:00", "'cnn' has no due date"),
        ("rnn", "ada", "2024-06-08T13:00", "'rnn' has not been released"),
    ],
)
def test_what_cannot_be_granted_is_said(small, unit, student, until, told):
    with pytest.raises(CourseError, match=told):
        extend(small, unit, [("", student, until)])
    assert extensions(small) == {}


def test_a_table_is_granted_whole_or_not_at_all(small):
    table = small / "more.csv"
    table.write_text("\ufeffName,Student,Until\nA,ada,2024-06-08T13:00Z\n\nE,eve,soon\nZ,zoe,2024-06-08T13:00Z\nA,ada,none\n")
    said = call("extend", "mlp", "--csv", table, "--course", small, code=1)
    assert all(line in said for line in ("more.csv:4: 'soon'", "more.csv:5: there is no student 'zoe'", "more.csv:6: 'ada'"))
    assert extensions(small) == {}
    table.write_text("student,until\nada,2024-06-08T13:00Z\neve,2024-06-09T12:00Z\nben,none\n")
    call("extend", "mlp", "--csv", table, "--course", small)
    assert extensions(small) == {"ada": timedelta(days=7, hours=1), "eve": timedelta(days=8)}
    table.write_text("who,when\nada,none\n")
    assert "no column student" in call("extend", "mlp", "--csv", table, "--course", small, code=1)
    assert "cannot be read" in call("extend", "mlp", "--csv", small / "none.csv", "--course", small, code=1)
    for words in (("--student", "ada"), ("--csv", table, "--student", "ada"), ("--until", "none")):
        assert "expected --student and --until, or --csv" in call("extend", "mlp", *words, "--course", small, code=1)
