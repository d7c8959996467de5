"""What happens before nbgrader looks at a submission."""

from __future__ import annotations

import itertools
import os
from contextlib import suppress
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Application, Config
from traitlets.log import get_logger

from grader.classroom.coursedir import read_config, read_secret
from grader.classroom.dates import TIMESTAMP, UNREADABLE, normalize
from grader.classroom.plugin.grade import NO_SANDBOX, Grade
from grader.classroom.records import record_path
from grader.running.kernels.sandbox import require
from grader.shown import CONTROL


def prepare(assignment: str, student: str, notebooks: list[str]) -> None:
    """Clear a submission's older automatic scores and its record, so that none survives whatever fails later.

    `Autograde` calls this in the course directory before each submission, even if no file in it has the right name, and
    logs what it raises. Then it copies what was handed in, so links and what would stop it are dealt with here. Manual
    scores stay. Without the secret or a sandbox nothing can be graded, so nothing is forgotten.

    Args:
        assignment: The unit's id.
        student: What nbgrader was told to grade, "*" for a whole class.
        notebooks: The files of this submission: `submitted/<student>/<assignment>/….ipynb`.
    """
    read_secret(Path.cwd())
    config = _config_in_force()
    if Grade(config=config).sandbox != NO_SANDBOX:  # type: ignore[no-untyped-call]
        require()
    folder = Path(notebooks[0]).parent
    student = folder.parent.name
    record_path(Path.cwd(), assignment, student).unlink(missing_ok=True)
    with Gradebook(CourseDirectory(config=config).db_url) as gradebook, suppress(MissingEntry):
        submission = gradebook.find_submission(assignment, student)
        submission.timestamp = None  # nbgrader keeps an older file's where it finds none
        for notebook in submission.notebooks:
            for grade in notebook.grades:
                grade.auto_score = None
                grade.needs_manual_grade = True
            for comment in notebook.comments:
                comment.auto_comment = f"No {notebook.name}.ipynb could be graded in what was submitted last."
        gradebook.db.commit()
    make_harmless(folder)


def _config_in_force() -> Config:
    """nbgrader's configuration of the working directory, and over it what the command that runs was told."""
    config = read_config(Path.cwd())
    if Application.initialized():
        config.merge(Application.instance().config)
    return config


def make_harmless(folder: Path) -> None:
    """Put in place of each link what it was, so that no other file is copied for it, and have the date as nbgrader reads it.

    nbgrader logs the files that it copies, so their names lose what a terminal would obey.
    """
    for path in folder.rglob("*"):
        if path.is_symlink():
            target = str(path.readlink())
            path.unlink()
            path.write_text(f"This was a link to {target!r}. Links that are handed in are not followed.\n")
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        if CONTROL.search(path.name):
            path.rename(_free(path.with_name(CONTROL.sub("_", path.name))))
    try:
        normalize(folder / TIMESTAMP)
    except (ValueError, OSError) as error:
        (folder / TIMESTAMP).rename(_free(folder / UNREADABLE))
        get_logger().warning(f"{folder / TIMESTAMP} was renamed, and the submission counts as on time: {error}")


def _free(path: Path) -> Path:
    """The path, or one with a number that nothing has yet: no file is renamed over another."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(free for free in itertools.chain([path], numbered) if not os.path.lexists(free))
