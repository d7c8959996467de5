"""A course directory: where things are in it, its configuration, its secret, its gradebook."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from jupyter_core.application import JupyterApp
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.engine import make_url
from traitlets.config import Application, Config

from course.cells import asks_probe
from course.places import CONFIG_FILE, HANDED_IN, RELEASES
from grader.errors import CourseError

SOURCES = "build/source"
"""The folder of a course directory in which the source notebooks are; the releases are in `RELEASES`."""
SUBMITTED, AUTOGRADED = HANDED_IN
SECRET_FILE = ".course-secret"
CONFIG = '''\
"""nbgrader's configuration of this course directory."""

from grader.plugin import configure

c = get_config()
configure(c)  # all that grading needs; below it, what you want otherwise

# c.Grade.backend = "jax"            # TensorFlow, unless KERAS_BACKEND says otherwise
# c.Limits.notebook_seconds = 600    # `grader doctor` lists all limits
'''


def demand_empty(course: Path) -> None:
    """Demand that a course directory can be made here: no gradebook is ever overwritten.

    Raises:
        CourseError: If the directory holds anything.
    """
    if course.exists() and (not course.is_dir() or any(course.iterdir())):
        raise CourseError(f"{course} is not empty; name a new directory, or delete it first.")


def start(course: Path) -> None:
    """Make an empty course directory: configuration and secret.

    Raises:
        CourseError: If the directory holds anything.
    """
    demand_empty(course)
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


class _Reader(JupyterApp):
    """Reads configuration, and leaves the logs of the process alone: to configure them closes what others write to."""

    def _configure_logging(self) -> None:
        """Called by traitlets when the first message is logged, and when the configuration sets a level."""


def read_config(course: Path) -> Config:
    """nbgrader's configuration of a course directory, over what Jupyter's own folders say for all; empty without any."""
    name = Path(CONFIG_FILE).stem
    app = _Reader(config_file_name=name, raise_config_file_errors=True)
    app.load_config_file()
    Application.load_config_file(app, name, path=str(course))
    config: Config = app.config
    return config


def source_file(course: Path, unit: str) -> Path:
    """Where a unit's source notebook is, with the answers and the hidden lines."""
    return course / SOURCES / unit / f"{unit}.ipynb"


def release_file(course: Path, unit: str) -> Path:
    """Where a unit's release is, which students get."""
    return course / RELEASES / unit / f"{unit}.ipynb"


def submission_folder(course: Path, student: str, assignment: str) -> Path:
    """Where a student's submission is."""
    return course / SUBMITTED / student / assignment


def autograded_folder(course: Path, student: str, assignment: str) -> Path:
    """Where nbgrader puts a submission that it has graded."""
    return course / AUTOGRADED / student / assignment


def gradebook_url(course: Path) -> str:
    """Where nbgrader keeps its database; "" if there is none yet, which asking it would make."""
    url: str = CourseDirectory(config=read_config(course), root=str(course.resolve())).db_url
    place = make_url(url)
    return "" if place.get_backend_name() == "sqlite" and not Path(place.database or "").is_file() else url


def asked_exercises(gradebook: Gradebook, assignment: str, notebook: str) -> list[str]:
    """The exercises whose tests ask the probe, as the notebook was released: there are some in a unit's, and in no other.

    No name says what is a unit's, nor what is handed in.
    """
    try:
        released = gradebook.find_notebook(notebook, assignment)
    except MissingEntry:
        return []
    tests = {cell.name for cell in released.grade_cells}
    sources = {cell.name.removesuffix("-check"): cell.source for cell in released.source_cells if cell.name in tests}
    return [name for name, source in sources.items() if asks_probe(name, source)]
