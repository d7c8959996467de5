"""What is kept of each submission beside nbgrader's gradebook: its verdicts, and the outcome of its last execution."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from grader.errors import CourseError
from grader.files import write_whole
from grader.judging.judge import Verdict
from grader.running.kept import Kept

RECORDS, EXECUTIONS = "verdicts", "executions"


@dataclass(frozen=True)
class Record:
    """What was judged of one submission: enough to draw its inputs again and to explain its verdicts.

    Args:
        digest: Hash of the sanitised notebook, and of what lies beside it.
        verdicts: By exercise.
        points: By exercise, its maximum.
        sandboxed: Whether its code ran in a sandbox.
        settings: Backend, versions and limits, by name.
        key: Of the job whose outcome was judged.
        date: Why a person has to say when it was handed in, or "".
    """

    digest: str
    verdicts: Mapping[str, Verdict]
    points: Mapping[str, float]
    sandboxed: bool
    settings: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    date: str = ""


def record_path(course: Path, unit: str, student: str) -> Path:
    """Where a submission's record is."""
    return course / RECORDS / unit / f"{student}.json"


def write_record(path: Path, record: Record) -> None:
    """Write a record, whole or not at all."""
    write_whole(path, json.dumps(asdict(record)))


def read_record(course: Path, unit: str, student: str) -> Record:
    """Read a submission's record.

    Raises:
        CourseError: If the submission has not been graded here.
    """
    path = record_path(course, unit, student)
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise CourseError(f"{path} is missing: {student!r} has not been graded for {unit!r} here.") from error
    verdicts = {name: Verdict(**verdict) for name, verdict in data["verdicts"].items()}
    return Record(**data | {"verdicts": verdicts})


def kept_outcome(course: Path, assignment: str, student: str, notebook: str = "") -> Kept:
    """What is kept of a submission's last execution; a unit has one notebook, of its own name."""
    return Kept(course / EXECUTIONS / assignment / student / f"{notebook or assignment}.json")
