"""`grader init`: a course directory of an instructor's own, outside this repository."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import chdir
from datetime import datetime
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory

from course import syllabus
from grader.classroom.coursedir import CONFIG_FILE, SECRET_FILE, read_config, start
from grader.errors import CourseError
from grader.handout.build import build, write

HERE = Path(__file__).parents[2]
"""What the units are built from: this repository, or what was installed of it."""
README = "README.md"
TEXT = """\
# A course directory

What lies here belongs to whoever grades, and to nobody else: `{secret}` decides which inputs each submission gets, and
`gradebook.db` holds the scores. Back both up. The steps of a term are in the grader's `docs/instructor.md`; in short:

    grader kit kit                 # what students get, as a folder and a zip
    grader autograde {unit}          # submissions lie in submitted/<student>/{unit}/{unit}.ipynb
    grader report {unit}
    nbgrader generate_feedback {unit}

An assignment of your own, with ordinary assertions in its check cells, is a notebook `build/source/<name>/<name>.ipynb`
made with nbgrader's *Create Assignment*; `nbgrader generate_assignment <name>` releases it, and `grader autograde <name>`
grades it as nbgrader does, in the sandbox. An exercise with oracle and known mistakes is added to the grader itself:
`docs/authoring.md`.
"""


def begin(course: Path, units: Sequence[str] = (), due: Sequence[str] = ()) -> list[Path]:
    """Make a course directory with some units, released and in its gradebook.

    Args:
        course: A new or empty directory.
        units: Ids; empty for all of the syllabus.
        due: When units are due, as "mlp=2027-01-31T23:59"; of this machine's time zone unless it says otherwise.

    Returns:
        What was made.

    Raises:
        CourseError: If the directory holds anything, a unit is not known, or a date is none.
    """
    units = units or [unit.id for unit in syllabus.UNITS]
    if unknown := set(units) - {unit.id for unit in syllabus.UNITS}:
        known = ", ".join(unit.id for unit in syllabus.UNITS)
        raise CourseError(f"there is no unit {sorted(unknown)[0]!r}; expected some of {known}.")
    dates = dict(_date(text, units) for text in due)
    files = build(HERE, units)
    start(course)
    write({course / path.relative_to(HERE): text for path, text in files.items() if path.is_relative_to(HERE / "build")})
    (course / README).write_text(TEXT.format(secret=SECRET_FILE, unit=units[0]))
    with chdir(course):
        config = read_config(Path())
        for unit in units:
            coursedir = CourseDirectory(config=config)
            coursedir.assignment_id = unit
            GenerateAssignment(coursedir=coursedir, config=config).start()
            with Gradebook(coursedir.db_url) as gradebook:
                gradebook.update_or_create_assignment(unit, duedate=dates.get(unit))
    made = [CONFIG_FILE, SECRET_FILE, "gradebook.db", README, *(f"assignments/{unit}/{unit}.ipynb" for unit in units)]
    return [course / name for name in made]


def _date(text: str, units: Sequence[str]) -> tuple[str, str]:
    unit, _, when = text.partition("=")
    try:
        moment = datetime.fromisoformat(when).astimezone()
    except ValueError as error:
        raise CourseError(f"{text!r} is no due date; expected one such as {units[0]}=2027-01-31T23:59.") from error
    if unit not in units:
        raise CourseError(f"{text!r}: {unit!r} is none of the units {', '.join(units)}.")
    return unit, moment.isoformat()
