"""`grader init`: a course directory of an instructor's own, outside this repository, and units of one's own in it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

from course.cells import checked_exercise
from course.places import CONFIG_FILE
from grader.classroom.coursedir import (
    SECRET_FILE,
    SOURCES,
    demand_empty,
    gradebook_url,
    release_file,
    source_file,
    start,
)
from grader.errors import CourseError
from grader.files import files_in, made_whole
from grader.handout.build import build, release, write
from grader.units.shelf import SHIPPED_ROOT, Home, find_unit, find_units
from grader.units.unit import Unit

SMALL = Home.in_folder(Path(__file__).with_name("small")).units()[0]
"""The unit that a new one begins as."""
README = "README.md"
TEXT = """\
# A course directory

What lies here belongs to whoever grades, and to nobody else: `{secret}` decides which inputs each submission gets, and
`gradebook.db` holds the scores. Back both up. The steps of a term are in the grader's `docs/instructor.md`; in short:

    grader kit kit                 # what students get, as a folder and a zip
    grader collect {unit} all.zip    # what students handed in, as Canvas or Moodle packs it
    grader autograde {unit}          # submissions lie in submitted/<student>/{unit}/{unit}.ipynb
    grader report {unit}
    nbgrader generate_feedback {unit}

Units of your own, with oracle and known mistakes, stand in `units/`, `solutions/` and `checks/`:
`grader init . --unit <name>` makes a small one to start from, `--copy <unit>` a copy of one that comes with the grader, and
`docs/authoring.md` goes on from there. An assignment with ordinary assertions in its check cells is a notebook
`build/source/<name>/<name>.ipynb` made with nbgrader's *Create Assignment*; `nbgrader generate_assignment <name>` releases it,
and `grader autograde <name>` grades it as nbgrader does, in the sandbox.
"""


def begin(
    course: Path, units: Sequence[str] = (), due: Sequence[str] = (), new: Sequence[str] = (), copies: Sequence[str] = ()
) -> list[Path]:
    """Make a course directory with some units, released and in its gradebook, or add units to one that is there.

    Args:
        course: A new or empty directory, or a course directory.
        units: Names of units that come with the grader; where nothing is named at all, all of them.
        due: When units are due, as "mlp=2027-01-31T23:59"; of this machine's time zone unless it says otherwise.
        new: Names of units of one's own that begin as the small one.
        copies: Names of units that come with the grader, of which own copies are made; they may be released already.

    Returns:
        What was made.

    Raises:
        CourseError: If the directory holds anything else, a unit is not known or there already, or a date is none.
    """
    if course.resolve() == SHIPPED_ROOT:
        raise CourseError("this is the grader's own repository: name a directory beside it, such as ../mycourse.")
    there = (course / CONFIG_FILE).is_file() and (course / SECRET_FILE).is_file()
    named = [*units, *new, *copies]
    if not there:
        demand_empty(course)
    elif not named:
        raise CourseError(f"{course} is a course directory already; name the units to add to it, or --unit, or --copy.")
    chosen = named or [unit.name for unit in find_units(course)]
    if twice := sorted(name for name in set(chosen) if chosen.count(name) > 1):
        raise CourseError(f"{twice[0]!r} is named twice; a course has one unit of that name.")
    dates = dict(_date(text, chosen) for text in due)
    shipped = {name: find_unit(course, name) for name in chosen if name not in new}
    for name in [*new, *copies]:
        _demand_new(course, name)
    if taken := [name for name in new if source_file(course, name).exists()]:
        raise CourseError(
            f"{source_file(course, taken[0])} exists; nothing of your own is ever overwritten. Name another unit."
        )
    released = [name for name in chosen if release_file(course, name).exists()]
    if taken := [name for name in released if name not in copies]:
        raise CourseError(f"{release_file(course, taken[0])} exists: {taken[0]!r} is released already.")
    files = build(course, [unit for name, unit in shipped.items() if name not in released])  # before anything is made
    made = [] if there else _start(course, chosen[0])
    try:
        for name in new:
            made += copy_unit(SMALL, course, name)
            files |= build(course, [find_unit(course, name)])
        for name in copies:
            made += copy_unit(shipped[name], course)
            _take_over_points(course, name)
        made += files
        write(files)
        release(course, [name for name in chosen if name not in released])
        _set_dates(course, dates)
    except BaseException:
        _undo(course, made, there)
        raise
    return [path for path in made if not path.is_relative_to(course / SOURCES)]


def copy_unit(unit: Unit, course: Path, name: str = "") -> list[Path]:
    """Put a copy of a unit among a course directory's own, under another name if one is given.

    Returns:
        The files.
    """
    name = name or unit.name
    home = Home.in_folder(course)
    files = {home.texts / f"{name}.py": unit.text_file, home.solutions / f"{name}.py": unit.solution_file}
    contents = {place: path.read_bytes() for place, path in files.items()}
    contents |= {home.checks / name / path: content for path, content in files_in(unit.checks_folder).items()}
    contents |= {home.texts / name / path: content for path, content in unit.files.items()}
    write(contents)
    return list(contents)


def _start(course: Path, unit: str) -> list[Path]:
    start(course)
    (course / README).write_text(TEXT.format(secret=SECRET_FILE, unit=unit))
    return [course / name for name in (CONFIG_FILE, SECRET_FILE, "gradebook.db", README)]


def _undo(course: Path, made: Iterable[Path], there: bool) -> None:
    """Take away what was made: all that is in a course directory that was empty, of another only that."""
    for path in made if there else course.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _take_over_points(course: Path, name: str) -> None:
    """Give the checks of a copy the points that they have in the course, which may have been changed in Jupyter."""
    if not source_file(course, name).is_file():
        return
    cells = nbformat.read(source_file(course, name), as_version=4).cells
    points = {exercise: cell.metadata.nbgrader.points for cell in cells if (exercise := checked_exercise(cell))}
    text = find_unit(course, name).text_file

    def point(match: re.Match[str]) -> str:
        return f"{match[1]}{points.get(match[2], float(match[3])):g}"

    with made_whole(text) as new:
        new.write_text(re.sub(r'^(# %% check="(\w+)" points=)([\d.]+)', point, text.read_text(), flags=re.MULTILINE))


def _set_dates(course: Path, dates: Mapping[str, str]) -> None:
    with Gradebook(gradebook_url(course)) as gradebook:
        for unit, date in dates.items():
            gradebook.update_or_create_assignment(unit, duedate=date)


def _demand_new(course: Path, name: str) -> None:
    """Demand that a name can be a unit's, and that no own unit has it."""
    if not re.fullmatch(r"[A-Za-z]\w*", name, flags=re.ASCII):
        raise CourseError(f"{name!r} cannot be a unit's name; expected letters, digits and _, a letter first.")
    home = Home.in_folder(course)
    for path in (home.texts / f"{name}.py", home.texts / name, home.solutions / f"{name}.py", home.checks / name):
        if path.exists():
            raise CourseError(f"{path} exists; nothing of your own is ever overwritten. Name another unit, or move it.")


def _date(text: str, units: Sequence[str]) -> tuple[str, str]:
    unit, _, when = text.partition("=")
    try:
        moment = datetime.fromisoformat(when).astimezone()
    except ValueError as error:
        raise CourseError(f"{text!r} is no due date; expected one such as {units[0]}=2027-01-31T23:59.") from error
    if unit not in units:
        raise CourseError(f"{text!r}: {unit!r} is none of the units {', '.join(units)}.")
    return unit, moment.isoformat()
