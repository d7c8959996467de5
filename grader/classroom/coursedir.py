"""A course directory: its configuration and secret, and the record of what was judged, beside nbgrader's own files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jupyter_core.application import JupyterApp
from nbformat import NotebookNode
from traitlets.config import Application, Config

from course.cells import is_untouched_look
from grader.errors import CourseError
from grader.judging.judge import Verdict

SECRET_FILE = ".course-secret"
CONFIG_FILE = "nbgrader_config.py"
RECORDS = "verdicts"
CONFIG = '''\
"""nbgrader's configuration of this course directory."""

from grader.plugin import configure

c = get_config()
configure(c)  # all that grading needs; below it, what you want otherwise

# c.Grade.backend = "jax"            # TensorFlow, unless KERAS_BACKEND says otherwise
# c.Limits.notebook_seconds = 600    # `grader doctor` lists all limits
'''


def start(course: Path) -> None:
    """Make an empty course directory: configuration and secret.

    Raises:
        CourseError: If the directory holds anything: no gradebook is ever overwritten.
    """
    if course.exists() and (not course.is_dir() or any(course.iterdir())):
        raise CourseError(f"{course} is not empty; name a new directory, or delete it first.")
    course.mkdir(parents=True, exist_ok=True)
    (course / CONFIG_FILE).write_text(CONFIG)
    make_secret(course)


def make_secret(course: Path) -> Path:
    """Write a new secret, readable by its owner alone.

    Raises:
        CourseError: If there is one: with another secret the same submissions would get other inputs.
    """
    path = course / SECRET_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise CourseError(f"{path} exists; a new secret would give every submission other inputs. Delete it first.") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32) + "\n")
    return path


def read_secret(course: Path) -> bytes:
    """The course's secret.

    Raises:
        CourseError: If there is none; it is never made anew silently.
    """
    path = course / SECRET_FILE
    try:
        secret = path.read_text().strip()
    except FileNotFoundError as error:
        raise CourseError(
            f"{path} is missing: restore it from your backup, or run `grader secret` for a new course."
        ) from error
    if len(secret) < 32:
        raise CourseError(f"{path} holds {len(secret)} characters, expected at least 32.")
    return secret.encode()


def read_config(course: Path) -> Config:
    """nbgrader's configuration of a course directory, over what Jupyter's own folders say for all; empty without any."""
    name = Path(CONFIG_FILE).stem
    app = JupyterApp(config_file_name=name, raise_config_file_errors=True)
    app.load_config_file()
    Application.load_config_file(app, name, path=str(course))
    config: Config = app.config
    return config


def digest_of(notebook: NotebookNode) -> str:
    """The hash of all code of a sanitised notebook that runs: what inputs are drawn from."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code" and not is_untouched_look(cell)]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()


@dataclass(frozen=True)
class Record:
    """What was judged of one submission: enough to draw its inputs again and to explain its verdicts.

    Args:
        digest: Hash of the sanitised notebook.
        verdicts: By exercise.
        points: By exercise, its maximum.
        sandboxed: Whether its code ran in a sandbox.
        settings: Backend, versions and limits, by name.
        key: Of the job whose outcome was judged.
    """

    digest: str
    verdicts: Mapping[str, Verdict]
    points: Mapping[str, float]
    sandboxed: bool
    settings: Mapping[str, str] = field(default_factory=dict)
    key: str = ""


def record_path(course: Path, unit: str, student: str) -> Path:
    """Where a submission's record is."""
    return course / RECORDS / unit / f"{student}.json"


def write_record(path: Path, record: Record) -> None:
    """Write a record, whole or not at all."""
    write_whole(path, json.dumps(asdict(record)))


def write_whole(path: Path, text: str) -> None:
    """Write a file that holds all of the text or, if that fails, what it held before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # else a name that is there after a power cut may have nothing behind it
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


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
