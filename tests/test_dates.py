"""When something was handed in: every way of writing it is read right, or asked about, and never taken for something else."""

import contextlib
import io
import os
from datetime import UTC, datetime, timedelta, timezone

import pytest
from nbgrader.api import Gradebook
from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.utils import parse_utc
from rich.console import Console
from test_classroom import FULL, Scripted, course  # noqa: F401 (a fixture)

from grader.classroom import autograde as classroom
from grader.classroom.dates import SET_ASIDE, doubt, read_date
from grader.classroom.extensions import extend
from grader.classroom.plugin.hooks import settle_timestamp
from grader.classroom.records import read_record
from grader.classroom.room import Classroom
from grader.errors import CourseError
from grader.reports import terminal
from grader.reports.exports import CanvasExport
from grader.reports.rows import read_rows
from grader.reports.tables import read_tables
from sandboxes import needs_sandbox

NOON = datetime(2024, 1, 31, 12, 0, 0, tzinfo=UTC)
READABLE = {
    "nbgrader's": b"2024-01-31 12:00:00.000000 UTC",
    "nbgrader's, elsewhere": b"2024-01-31 04:00:00.000000 America/Los_Angeles",
    "no zone": b"2024-01-31 12:00:00",
    "Z": b"2024-01-31T12:00:00Z",
    "an offset": b"2024-01-31T14:00:00+02:00",
    "an offset after a blank": b"2024-01-31 14:00:00 +02:00",
    "an offset without a colon": b"2024-01-31 14:00:00 +0200",
    "an offset of hours": b"2024-01-31 09:00 -03",
    "GMT and an offset": b"Wed Jan 31 2024 13:00:00 GMT+0100 (CET)",
    "a browser": b"Wed Jan 31 2024 20:00:00 GMT+0800 (China Standard Time)",
    "an abbreviation": b"2024-01-31 04:00:00 PST",
    "blanks and lines": b"\n\t 2024-01-31 12:00:00  UTC \r\n\r\n",
    "a byte-order mark": b"\xef\xbb\xbf2024-01-31 12:00:00 UTC\r\n",
    "UTF-16": "2024-01-31 14:00:00+02:00\r\n".encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + "2024-01-31 12:00:00 UTC".encode("utf-16-be"),
    "UTF-16 without a mark": "2024-01-31 12:00".encode("utf-16-le"),
    "the date command": b"Wed Jan 31 12:00:00 UTC 2024",
    "an e-mail": b"Wed, 31 Jan 2024 13:00:00 +0100",
    "words for the month": b"31 January 2024 12:00",
    "a day that can be no month": b"31/01/2024 12:00",
}
UNREADABLE_TEXTS = {
    "nothing": b"",
    "a word": b"soon",
    "a weekday": b"Monday 12:00",
    "an hour": b"12:00",
    "a month": b"January 2024",
    "seconds since 1970": b"1801396800",
    "seconds with a fraction": b"1801396800.25",
    "a zone that means several": b"2024-01-31 12:00:00 CST",
    "a zone that is none": b"2024-01-31 12:00:00 Nowhere/Land",
    "a file for a zone": b"2024-01-31 12:00:00 Europe/../../../etc/localtime",
    "a zone and a distance from it": b"31 Jan 2024 12:00 PST-0800",
    "day or month": b"01/02/2024 12:00",
    "no such day": b"2024-02-30 12:00",
    "beyond the calendar": b"9999-12-31 23:59:00 -1400",
    "not text": b"\xff\x00\xc3\x28",
    "a book": b"2024-01-31 12:00 " * 100_000,
}


@pytest.mark.parametrize("content", READABLE.values(), ids=READABLE)
def test_nbgrader_reads_what_was_meant(tmp_path, content):
    timestamp = tmp_path / "timestamp.txt"
    timestamp.write_bytes(content)
    settle_timestamp(tmp_path)
    assert parse_utc(timestamp.read_text().strip()) == NOON.replace(tzinfo=None)
    assert doubt(tmp_path) == "" and [path.name for path in tmp_path.iterdir()] == ["timestamp.txt"]
    before = timestamp.stat()
    settle_timestamp(tmp_path)
    assert timestamp.stat().st_mtime_ns == before.st_mtime_ns  # else the class would be graded anew each time


@pytest.mark.parametrize("content", UNREADABLE_TEXTS.values(), ids=UNREADABLE_TEXTS)
def test_what_is_no_date_is_set_aside_for_a_person(tmp_path, content):
    (tmp_path / "timestamp.txt").write_bytes(content)
    for _ in range(2):
        settle_timestamp(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [SET_ASIDE]
        assert (tmp_path / SET_ASIDE).read_bytes() == content
        assert "counts as on time" in doubt(tmp_path) and len(doubt(tmp_path)) < 400
    (tmp_path / "timestamp.txt").write_text("2024-01-31 12:00 UTC")
    assert doubt(tmp_path) == ""  # a person has said it


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_holds_no_date(tmp_path, make):
    make(tmp_path / "timestamp.txt")
    settle_timestamp(tmp_path)
    assert not (tmp_path / "timestamp.txt").exists() and "it is no file that can be read" in doubt(tmp_path)


@pytest.mark.parametrize("moment", [datetime(1980, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=400)])
def test_a_clock_that_is_wrong_is_said(tmp_path, moment):
    (tmp_path / "timestamp.txt").write_text(moment.isoformat())
    settle_timestamp(tmp_path)
    assert f"{moment:%Y-%m-%d %H:%M}" in doubt(tmp_path)


def test_nothing_is_no_doubt(tmp_path):
    settle_timestamp(tmp_path)
    assert doubt(tmp_path) == ""


def test_a_date_may_be_of_the_time_zone_of_who_reads_it():
    here = timezone(timedelta(hours=3))
    assert read_date("2024-01-31 15:00", here) == read_date("2024-01-31 12:00") == read_date("2024-01-31 12:00Z", here) == NOON


def test_what_is_shown_of_a_date_moves_no_terminal():
    with pytest.raises(ValueError, match="is no date") as caught:
        read_date("soon \x1b[31m\x07")
    assert "\x1b" not in str(caught.value) and "\x07" not in str(caught.value)


def console_of(table):
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return " ".join(console.file.getvalue().split())


@needs_sandbox
def test_a_date_that_cannot_be_read_waits_for_a_person_in_all_exercises(course):  # noqa: F811
    timestamp = course / "submitted" / "ada" / "tiny" / "timestamp.txt"
    url = f"sqlite:///{course}/gradebook.db"
    with Gradebook(url) as gradebook:
        gradebook.update_or_create_assignment("tiny", duedate="2024-01-01")

    def grade():
        room = Classroom.open(course, "tiny")
        list(room.execute(room.work(["ada"]), Scripted({})))
        assert room.grade("ada") == "" and room.is_graded("ada")
        assert Classroom.open(course, "tiny").is_graded("ada")  # nothing is left to do
        with Gradebook(url) as gradebook:
            submission = gradebook.find_submission("tiny", "ada")
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            comments = [comment.comment or "" for notebook in submission.notebooks for comment in notebook.comments]
            return submission.total_seconds_late, {grade.needs_manual_grade for grade in grades}, comments

    with contextlib.chdir(course):
        timestamp.write_text("2024-01-02T01:00:00+01:00")
        assert grade()[:2] == (24 * 3600, {False})
        timestamp.write_text("tomorrow night")
        late, flags, comments = grade()
        assert (late, flags) == (0, {True})  # not the date of the file before
        assert all("'tomorrow night' is no date" in comment for comment in comments)
        assert "'tomorrow night'" in read_record(course, "tiny", "ada").date
        (row,) = read_tables(course, "tiny").persons.to_dict("records")
        assert row["exercises"] == "all" and "'tomorrow night'" in row["reason"]
        summary = classroom.Summary({}, {"ada"}, {})
        assert "'tomorrow night' is no date" in console_of(terminal.summary(course, "tiny", summary))
        timestamp.write_text("2024-01-03 00:00 GMT")
        assert grade()[:2] == (48 * 3600, {False})


@needs_sandbox
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # nbgrader's own use of its database
def test_late_penalties_obey_an_extension_that_was_granted_before_or_after(course):  # noqa: F811
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        gradebook.update_or_create_assignment("tiny", duedate=datetime(2024, 6, 1, 12))
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(f'\nget_config().{LateSubmissionPlugin.__name__}.penalty_method = "zero"\n')
    for student in ("ada", "cai"):
        (course / "submitted" / student / "tiny" / "timestamp.txt").write_text("2024-06-03T14:00:00+02:00")

    def grade(*students):
        room = Classroom.open(course, "tiny")
        list(room.execute(room.work(students), Scripted({})))
        assert [room.grade(student) for student in students] == [""] * len(students)
        with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:  # nothing was executed, so somebody gives the points
            for student in students:
                gradebook.find_grade("rescale-check", "tiny", "tiny", student).manual_score = FULL
            gradebook.db.commit()
        assert [room.grade(student) for student in students] == [""] * len(students)
        return {student: row.total for student, row in read_rows(course, "tiny")[1].items()}

    with contextlib.chdir(course):
        extend(course, "tiny", [("", "ada", "2024-06-08T12:00Z"), ("", "dot", "2024-06-08T12:00Z")])
        with pytest.raises(CourseError, match="nothing of 'tiny' has been graded"):
            read_rows(course, "tiny")
        assert grade("ada", "cai") == {"ada": FULL, "cai": 0}  # the first is there before the first grading
        with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
            CanvasExport(to="canvas.csv").export(gradebook)
        assert "dot,,,dot,,\n" in (course / "canvas.csv").read_text()  # who has not handed in has no score
        told = console_of(terminal.scores(course, "tiny"))
        assert "ada: extension until 2024-06-08 12:00 UTC" in told and "cai: 172800 s late" in told and "dot: ext" in told
        rows = read_tables(course, "tiny").lateness.to_dict("records")
        assert [(row["student"], row["until"][:10], row["seconds_late"]) for row in rows] == [
            ("ada", "2024-06-08", 0),
            ("cai", "", 172800),
            ("dot", "2024-06-08", 0),
        ]
        extend(course, "tiny", [("", "cai", "2024-06-03T12:00Z"), ("", "ada", "none")])
        room = Classroom.open(course, "tiny")
        assert not room.is_graded("cai") and not room.is_graded("ada")
        assert grade("ada", "cai") == {"ada": 0, "cai": FULL}
