"""Archives of a learning management system become submissions.

What such an archive knows is in its names: who, whether late, and which attempt. Its dates are those of the download: Canvas
and Moodle write each file as of now. So a date proves that something was handed in by then, and never that it was late.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import ZipCollectApp
from traitlets.config import Config

from grader.classroom.archives import Member, Refused, UnreadableError, is_archive, members, unpacked, wrong
from grader.classroom.coursedir import gradebook_url, read_config, submission_folder
from grader.classroom.dates import TIMESTAMP, read_date, written
from grader.errors import CourseError
from grader.files import made_whole, write_whole
from grader.running.kernels.limits import MEGABYTE
from grader.shown import is_plain

COLLECTED = "collected"
"""The folder of a course directory that says what was collected of whom."""
ANONYMOUS = re.compile(r"(?P<late>LATE_)?(?P<name>anon_[^/_]+)_(?P<attempt>\d+)_(?P<file>[^/]+)")
CANVAS = re.compile(r"(?P<name>[^/]+?)_(?P<late>LATE_)?(?P<number>\d+)_(?P<attempt>\d+)_(?P<file>[^/]+)")
CANVAS_TEXT = re.compile(r"(?P<name>[^/]+?)_(?P<late>LATE_)?(?P<number>\d+)_(?:text|link)\.html")
MOODLE = re.compile(r"(?P<name>[^/]+?)_(?P<number>\d+)_assignsubmission_(?P<kind>[a-z]+)(?:_?/|_)(?P<file>.+)")
NOTEBOOK = re.compile(
    r"(?P<stem>.+?)(?P<again>(?:[ _]?\(\d+\)|-\d+|_\d+|-Copy\d+| - Copy| copy)*)\.ipynb(?:\.(?:txt|json))?", re.IGNORECASE
)
"""A notebook's name, with what systems and browsers add to one that is there already, or that they do not know."""
FILES, BYTES = 1_000, 256 * MEGABYTE
"""Of one student; more is no submission."""
NAMES = "lastfirst_101_5001_FILE (Canvas) or First Last_101_assignsubmission_file_/FILE (Moodle)"


@dataclass(frozen=True)
class Handed:
    """A file that somebody has handed in.

    Args:
        student: Whose id is that of the name.
        number: The system's number of the student, or "".
        attempt: The system's number of the file, which rises with time; 0 where there is none.
        late: Whether the name says so.
        file: Its path beside the notebook.
        member: Where it comes from.
        stated: A date that stands in the name, as it stands there.
    """

    student: str
    number: str
    attempt: int
    late: bool
    file: PurePosixPath
    member: Member
    stated: str = ""


@dataclass(frozen=True)
class Row:
    """What came of a file or a student.

    Args:
        student: Their id, or "".
        file: Where it was.
        date: What it says of when it was handed in.
        said: What was done with it.
        fault: Whether it was passed over for a fault, which a person should look at.
    """

    student: str
    file: str
    date: str
    said: str
    fault: bool = False


@dataclass(frozen=True)
class Course:
    """What a gradebook knows that collecting needs.

    Args:
        notebooks: The assignment's.
        due: By student who has more time, else by "", when it is due.
        by_number: Ids of students by the number that their learning management system gives them.
        by_name: Ids by first and last name, of those whose name nobody else has.
    """

    notebooks: Sequence[str]
    due: Mapping[str, datetime]
    by_number: Mapping[str, str]
    by_name: Mapping[str, str]


@dataclass
class _Attempt:
    """What one student has in one archive."""

    files: list[Handed] = field(default_factory=list)

    @property
    def order(self) -> tuple[int, str]:
        """The later, the greater: by the system's numbers, then by the archive's dates."""
        return max(file.attempt for file in self.files), max(file.member.when for file in self.files).isoformat()


def collect(course: Path, unit: str, places: Iterable[Path]) -> list[Row]:
    """Put the latest attempt of each student into `submitted/<student>/<unit>/`.

    An attempt replaces an older one whole. What was not collected, or has been changed since, is left as it is.

    Args:
        course: The course directory.
        unit: The assignment.
        places: Archives, folders and files as a learning management system names them.

    Returns:
        What came of each student, and of each file that was passed over.

    Raises:
        CourseError: If the assignment has not been released here.
    """
    known = _read_course(course, unit)
    rows: list[Row] = []
    attempts: dict[str, dict[Path, _Attempt]] = defaultdict(lambda: defaultdict(_Attempt))
    with ExitStack() as opened:
        for archive in _archives(places):
            for file in _handed_in(archive, opened, read_config(course), known, rows):
                attempts[file.student][file.member.place].files.append(file)
        for student, found in sorted(attempts.items()):
            numbers = {file.number for attempt in found.values() for file in attempt.files if file.number}
            if len(numbers) > 1:
                why = (
                    f"passed over: several people have this name ({', '.join(sorted(numbers))}); give their numbers to "
                    "nbgrader (lms_user_id), or tell them apart by c.FileNameCollectorPlugin.named_regexp"
                )
                rows.append(Row(student, "", "", why, fault=True))
            else:
                rows += _take(course, unit, student, list(found.values()), known, opened)
    return rows


def _read_course(course: Path, unit: str) -> Course:
    missing = CourseError(f"{unit!r} has not been released here: run `nbgrader generate_assignment {unit} --force` first.")
    if not (url := gradebook_url(course)):
        raise missing
    with Gradebook(url) as gradebook:
        try:
            assignment = gradebook.find_assignment(unit)
        except MissingEntry as error:
            raise missing from error
        due = {}
        if assignment.duedate:
            due = {submission.student.id: submission.duedate.replace(tzinfo=UTC) for submission in assignment.submissions}
            due[""] = assignment.duedate.replace(tzinfo=UTC)
        students = gradebook.students
        names = [f"{student.first_name} {student.last_name}".casefold() for student in students]
        return Course(
            [notebook.name for notebook in assignment.notebooks],
            due,
            {student.lms_user_id: student.id for student in students if student.lms_user_id},
            {name: student.id for name, student in zip(names, students, strict=True) if names.count(name) == 1},
        )


def _archives(places: Iterable[Path]) -> list[Path]:
    """The places, and for a folder the archives in it that are nobody's submission, before it."""
    found = []
    for place in places:
        inner = sorted(path for path in place.iterdir() if is_archive(path.name)) if place.is_dir() else []
        found += [path for path in inner if not any(kind.fullmatch(path.name) for kind in (ANONYMOUS, CANVAS, MOODLE))]
        found.append(place)
    return list(dict.fromkeys(found))


def _handed_in(archive: Path, opened: ExitStack, config: Config, known: Course, rows: list[Row]) -> Iterable[Handed]:
    """The files of an archive whose names tell who has handed them in; what is passed over is added to the rows."""
    collector = ZipCollectApp(config=config).collector_plugin(config=config)
    empty = True
    try:
        for member in members(archive, opened):
            empty = False
            where = f"{member.place.name}/{member.name if isinstance(member, Refused) else member.path}"
            if isinstance(member, Refused):
                rows.append(Row("", where, "", member.why, fault=True))
                continue
            said = collector.collect(f"/{where}") if collector.named_regexp else None
            file = _by_plugin(said, member) if said else _by_name(member, known)
            if isinstance(file, Handed) and not is_plain(file.student):
                file = f"{file.student!r} can be no student's id, which holds letters, digits, blanks and . _ - @ + alone"
            if isinstance(file, Handed):
                yield file
            elif archive.is_dir() and is_archive(member.path.name) and len(member.path.parts) == 1:
                continue  # an archive of its own
            else:
                rows.append(Row("", where, "", file, fault=True))
        if empty:
            raise UnreadableError("holds no file")
    except UnreadableError as error:
        rows.append(Row("", str(archive), "", str(error), fault=True))


def _by_plugin(said: Mapping[str, str], member: Member) -> Handed:
    """A file of which nbgrader's collector has read the name, by an expression of the instructor's."""
    name = said["file_id"] or member.path.name
    file = PurePosixPath(name if PurePosixPath(name).suffix else f"{name}{member.path.suffix}")
    return Handed(said["student_id"].strip(), "", 0, False, file, member, said.get("timestamp") or "")


def _by_name(member: Member, known: Course) -> Handed | str:
    """Whose file it is by Canvas's or Moodle's name, whatever folders are around it; why it is nobody's, else."""
    path = unicodedata.normalize("NFC", str(member.path))
    parts = path.split("/")
    for start in range(len(parts)):  # the archive may have been unpacked into a folder, and packed once more
        rest = "/".join(parts[start:])
        if found := MOODLE.fullmatch(rest):
            if found["kind"] != "file":
                return "is a text that was handed in, and no file"
            name = found["name"].strip()
            file = PurePosixPath(found["file"])
            return Handed(known.by_name.get(name.casefold(), name), found["number"], 0, False, file, member)
    if CANVAS_TEXT.fullmatch(parts[-1]):
        return "is a text or an address that was handed in, and no file"
    if found := ANONYMOUS.fullmatch(parts[-1]) or CANVAS.fullmatch(parts[-1]):
        number = found.groupdict().get("number") or ""
        student = known.by_number.get(number, found["name"].strip())
        return Handed(student, number, int(found["attempt"]), bool(found["late"]), PurePosixPath(found["file"]), member)
    return f"its name does not tell who handed it in; expected {NAMES}"


def _take(course: Path, unit: str, student: str, attempts: list[_Attempt], known: Course, opened: ExitStack) -> Iterable[Row]:
    """Collect the latest attempt of a student that holds a notebook which can be read."""
    taken = False
    for attempt in sorted(attempts, key=lambda attempt: attempt.order, reverse=True):
        first = attempt.files[0].member.place
        if taken:
            yield Row(student, first.name, "", "passed over: an older attempt")
            continue
        passed: list[Row] = []
        content, source = _content(student, attempt, known.notebooks, opened, passed)
        yield from passed
        if source is None:
            names = ", ".join(str(file.file) for file in attempt.files)
            yield Row(student, first.name, "", f"no notebook that can be read: {names}", fault=True)
            continue
        taken = True
        date, text = _date(source, known.due.get(student, known.due.get("")))
        try:
            said, fault = _put(course, unit, student, attempt, content, text)
        except OSError as error:
            said, fault = f"cannot be written ({error})", True
        if not any(f"{name}.ipynb" in content for name in known.notebooks):
            said += f"; no file of it is called {known.notebooks[0]}.ipynb"
        yield Row(student, f"{first.name}/{source.member.path}", date, said, fault)


def _content(
    student: str, attempt: _Attempt, notebooks: Sequence[str], opened: ExitStack, passed: list[Row]
) -> tuple[dict[str, bytes], Handed | None]:
    """What goes beside each other of an attempt, and the file that is the notebook."""
    content: dict[str, bytes] = {}
    source: Handed | None = None
    files = [inner for file in attempt.files for inner in _unpacked(file, opened, passed)]
    files.sort(key=lambda file: (_named(str(file.file), notebooks), *_rank(file)), reverse=True)
    base = files[0].file.parent if files and _named(str(files[0].file), notebooks) else PurePosixPath()
    for file in files:
        where = f"{file.member.place.name}/{file.member.path}"
        beside = file.file.relative_to(base) if file.file.is_relative_to(base) else file.file  # as they lay for the student
        path = _place(beside, notebooks)
        if path == TIMESTAMP:
            passed.append(Row(student, where, "", f"passed over: a {TIMESTAMP} of the student's own"))
        elif why := wrong(path):
            passed.append(Row(student, where, "", f"passed over: {why}", fault=True))
        elif path in content:
            passed.append(Row(student, where, "", f"passed over: there is a later {path}"))
        elif len(content) >= FILES or sum(map(len, content.values())) > BYTES:
            passed.append(Row(student, where, "", f"is more than {FILES} files or {BYTES // MEGABYTE} MB", fault=True))
            break
        else:
            try:
                content[path] = file.member.read()
            except UnreadableError as error:
                passed.append(Row(student, where, "", str(error), fault=True))
                continue
            if path.endswith(".ipynb") and (source is None or _named(path, notebooks) > _named(str(source.file), notebooks)):
                source = file
    return content, source


def _unpacked(file: Handed, opened: ExitStack, passed: list[Row]) -> Iterable[Handed]:
    """A file, or what is in it if it is a zip archive: many hand in a folder."""
    if file.file.suffix.lower() != ".zip":
        yield file
        return
    try:
        for inner in unpacked(file.member, opened):
            if isinstance(inner, Refused):
                passed.append(Row(file.student, f"{file.member.path}/{inner.name}", "", inner.why, fault=True))
            else:
                found = PurePosixPath(inner.path)
                yield Handed(file.student, file.number, file.attempt, file.late, found, inner, file.stated)
    except UnreadableError as error:
        passed.append(Row(file.student, f"{file.member.place.name}/{file.member.path}", "", str(error), fault=True))


def _place(file: PurePosixPath, notebooks: Sequence[str]) -> str:
    """Where a file goes: a notebook of the assignment to where nbgrader looks for it, whatever was added to its name."""
    found = NOTEBOOK.fullmatch(file.name)
    names = {name.casefold(): name for name in notebooks}
    exact = names.get(file.name.casefold().removesuffix(".ipynb"))
    if found and (name := exact or names.get(found["stem"].casefold())):
        return f"{name}.ipynb"
    return str(file)


def _rank(file: Handed) -> tuple[int, int, datetime, int]:
    """The later a file was handed in, the greater."""
    found = NOTEBOOK.fullmatch(file.file.name)
    again = [int(number) for number in re.findall(r"\d+", found["again"])] if found else []
    return file.attempt, max(again, default=0), file.member.when, -len(file.file.parts)


def _named(path: str, notebooks: Collection[str]) -> bool:
    return _place(PurePosixPath(path), list(notebooks)).removesuffix(".ipynb") in notebooks


def _date(source: Handed, due: datetime | None) -> tuple[str, str]:
    """What people read of when something was handed in, and what `timestamp.txt` says; "" for no such file."""
    if source.stated:
        try:
            moment = read_date(source.stated)
        except ValueError as error:
            return str(error), source.stated  # grading asks a person
        return f"{moment:%Y-%m-%d %H:%M} UTC", written(moment)
    moment = source.member.when
    by = f"by {moment:%Y-%m-%d %H:%M} UTC"
    if source.late and due and moment <= due:
        told = f"LATE by the name of the file, but the archive is of {moment:%Y-%m-%d %H:%M}, before the due date"
        return f"{told}: grading asks a person", told
    if source.late:
        return f"LATE, {by}", written(moment)
    if due and moment <= due:
        return by, written(moment)
    if source.attempt:
        return "in time, by its name", ""
    return f"{by}: counts as on time" if due else by, ""


def _before(path: Path) -> dict[str, Any] | None:
    """What was collected last; None if nothing was, or nobody can read it: then what lies there is left as it is."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        return found if {"order", "files"} <= found.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _put(
    course: Path, unit: str, student: str, attempt: _Attempt, content: Mapping[str, bytes], timestamp: str
) -> tuple[str, bool]:
    """Write a submission, whole or not at all, unless what is there is as new, or somebody else's.

    Returns:
        What was done, and whether that is a fault.
    """
    folder = submission_folder(course, student, unit)
    path = course / COLLECTED / unit / f"{student}.json"
    files = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(content.items())}
    record: dict[str, Any] = {"order": list(attempt.order), "files": files}
    before = _before(path)
    there = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*.ipynb") if file.is_file()}
    changed = before is None or there != _notebooks(before["files"])
    if there and there == _notebooks(files) and (before is None or changed or before["files"] == files):
        if before:
            record["order"] = max(record["order"], before["order"])
        write_whole(path, json.dumps(record))
        return "as it was", False
    if before and there and before["order"] > record["order"]:
        return "passed over: a later attempt was collected before", False
    if changed and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if before and before["files"] == files:
            return "left as it is: it was changed since it was collected", False
        how = "changed since it was collected" if before else "not collected from an archive"
        return f"passed over: what lies in {folder.relative_to(course)} was {how}; move it away to collect this", True
    with made_whole(folder) as new:
        for name, data in content.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_bytes(data)
        if timestamp:
            (new / TIMESTAMP).write_text(timestamp)
        if folder.exists():
            os.replace(folder, new.with_name("before"))
    write_whole(path, json.dumps(record))
    return "replaces what was collected before" if before and there else "new", False


def _notebooks(files: Mapping[str, str]) -> dict[str, str]:
    """Of files by their paths, the notebooks that nbgrader would see: grading changes no others, but may rename."""
    return {name: digest for name, digest in files.items() if name.endswith(".ipynb") and "/" not in name}
