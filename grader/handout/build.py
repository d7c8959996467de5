"""`grader build`: the units' source notebooks and releases, byte for byte repeatable, and the table of units in the README."""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import chdir, suppress
from pathlib import Path, PurePath

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import SaveCells
from nbgrader.utils import is_grade, is_locked, is_solution
from traitlets.config import Config

from course.cells import METADATA, asks_probe, check_id, checked_exercise
from grader.classroom.coursedir import SOURCES, gradebook_url, read_config, release_file, source_file
from grader.classroom.plugin import configure
from grader.errors import BuildError, CourseError
from grader.files import made_whole
from grader.handout.notebook import demand_clean_release, source_notebook
from grader.units.shelf import SHIPPED_ROOT, find_unit, find_units
from grader.units.unit import Unit

README = "README.md"
TABLE = re.compile(r"(?<=<!-- units -->\n).*?(?=<!-- end of units -->)", flags=re.DOTALL)
"""Where the README has the table of units."""


def chosen(course: Path, names: Sequence[str] = ()) -> list[Unit]:
    """The units that are named, or else those of a course directory's own; in the repository, all.

    A shipped unit's source notebook is built anew only by name: an instructor may have changed it in Jupyter.

    Raises:
        CourseError: If there is none.
    """
    repository = course.resolve() == SHIPPED_ROOT
    own = [unit for unit in find_units(course) if unit.own or repository]
    if units := [find_unit(course, name) for name in names] or own:
        return units
    raise CourseError(f"{course.resolve()} has no unit of your own: name one that comes with the grader, or make one.")


def build(course: Path, units: Sequence[Unit]) -> dict[Path, bytes]:
    """Make the units' notebooks, and what lies beside them.

    Args:
        course: The course directory that they are made for.
        units: Which.

    Returns:
        The files and what belongs in them; nothing is written.

    Raises:
        BuildError: If anything in a unit is wrong; the message names the file and the place.
    """
    files = {}
    for unit in units:
        _demand_checks(unit)
        source = source_notebook(unit)
        _demand_ours(source_file(course, unit.name))
        _demand_released_cells(course, unit.name, source)
        text = nbformat.writes(source) + "\n"
        release = _release(unit.name, text)
        demand_clean_release(unit.text, nbformat.reads(release, as_version=4))
        for place, notebook in ((source_file(course, unit.name), text), (release_file(course, unit.name), release)):
            files[place] = notebook.encode()
            files |= {place.parent / name: content for name, content in unit.files.items()}
    readme = course / README
    if readme.is_file() and TABLE.search(text := readme.read_text()):
        files[readme] = TABLE.sub(lambda _: _table(find_units(course)), text).encode()
    return files


def write(files: Mapping[Path, bytes]) -> None:
    """Write built files, each whole or not at all."""
    for path, content in files.items():
        with made_whole(path) as new:
            new.write_bytes(content)


def leftovers(course: Path, units: Sequence[Unit]) -> list[Path]:
    """What an earlier build put beside notebooks, and the units no longer have: it would still be handed out."""
    found = []
    for unit in units:
        for notebook in (source_file(course, unit.name), release_file(course, unit.name)):
            known = read_notebook(notebook).metadata.get(METADATA, {}).get("files", []) if notebook.is_file() else []
            found += [notebook.parent / name for name in known if name not in unit.files and ".." not in PurePath(name).parts]
    return [path for path in found if path.is_file()]


def released_with(course: Path, units: Sequence[Unit]) -> list[str]:
    """Which units are to be released when they are built: all, but in the repository those that its gradebook knows."""
    if not (url := gradebook_url(course)):
        return []
    with Gradebook(url) as gradebook:
        known = {assignment.name for assignment in gradebook.assignments}
    return [unit.name for unit in units if unit.name in known or course.resolve() != SHIPPED_ROOT]


def release(course: Path, units: Iterable[str]) -> None:
    """Let nbgrader release units and enter them into the gradebook: what students get is what will be graded.

    Raises:
        CourseError: If nbgrader cannot.
    """
    programs = str(Path(sys.executable).parent)  # nbgrader makes its gradebook with a program of its own environment
    if programs not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    with chdir(course):
        config = read_config(Path())
        for unit in units:
            try:
                coursedir = CourseDirectory(config=config)
                coursedir.assignment_id = unit
                converter = GenerateAssignment(coursedir=coursedir, config=config)
                converter.force = True
                level = converter.log.level  # of the whole process
                converter.log.setLevel(logging.ERROR)  # that it replaces the older release is what is wanted
                try:
                    converter.start()
                finally:
                    converter.log.setLevel(level)
            except NbGraderException as error:
                raise CourseError(f"nbgrader could not release {unit!r}: {error}") from error


def stale(course: Path, files: Mapping[Path, bytes]) -> list[Path]:
    """The committed files, which source notebooks are not, that differ from what was built."""
    committed = [path for path in files if not path.is_relative_to(course / SOURCES)]
    return [path for path in committed if not path.is_file() or path.read_bytes() != files[path]]


def still_counted(course: Path, units: Sequence[Unit]) -> list[str]:
    """A line for each exercise that counts nothing any more, and that somebody's manual score counts in all the same."""
    lines: list[str] = []
    if not (url := gradebook_url(course)):
        return lines
    with Gradebook(url) as gradebook:
        for unit in units:
            dropped = {check_id(name): name for name, exercise in unit.text.exercises.items() if not exercise.points}
            with suppress(MissingEntry):
                books = [book for submission in gradebook.assignment_submissions(unit.name) for book in submission.notebooks]
                by_hand = [(grade.name, book.student.id) for book in books for grade in book.grades if grade.manual_score]
                for check, name in dropped.items():
                    if students := sorted(student for found, student in by_hand if found == check):
                        who = ", ".join(students)
                        lines.append(f"{unit.name}: {name} counts nothing, but by hand you gave points to {who}, which stay.")
    return lines


def _table(units: Sequence[Unit]) -> str:
    """The units as a table of the README."""
    rows = ["| unit | what students build | exercises | points | minutes |", "| --- | --- | --- | --- | --- |"]
    for unit in units:
        link = release_file(Path(), unit.name).as_posix()
        numbers = f"{len(unit.text.exercises)} | {unit.text.points:g} | {unit.head.minutes:g}"
        rows.append(f"| [`{unit.name}`]({link}) | {unit.head.builds} | {numbers} |")
    return "\n".join(rows) + "\n"


def _demand_checks(unit: Unit) -> None:
    """Demand that exercises and checks are the same names, and that the checks work."""
    for exercise in unit.text.exercises:
        unit.demand_working(exercise)
    if extra := sorted(set(unit.exercises) - set(unit.text.exercises)):
        raise BuildError(f"{unit.check_file(extra[0])}: {unit.text_file} has no exercise of that name.")
    if notebooks := [name for name in unit.files if name.endswith(".ipynb")]:
        raise BuildError(f"{unit.files_folder / notebooks[0]}: a unit has one notebook, which is made of {unit.text_file}.")


def _demand_ours(source: Path) -> None:
    """Demand that no assignment of the instructor's own is overwritten."""
    if source.is_file():
        checks = [cell for cell in read_notebook(source).cells if checked_exercise(cell)]
        if not any(asks_probe(checked_exercise(cell), cell.source) for cell in checks):
            raise BuildError(
                f"{source} is an assignment of your own, with the name of a unit: rename it, or build another unit."
            )


def read_notebook(path: Path) -> NotebookNode:
    """A notebook that an instructor may have edited.

    Raises:
        BuildError: If it is none any more.
    """
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises of many kinds
        raise BuildError(f"{path} is no notebook ({type(error).__name__}): mend it, or delete it.") from error
    return notebook


def _demand_released_cells(course: Path, unit: str, source: NotebookNode) -> None:
    """Demand that all cells that nbgrader keeps an eye on are those of the release, if anybody has handed that in.

    nbgrader would refuse to release others, and only after the source notebook had been replaced.
    """
    if not (url := gradebook_url(course)):
        return
    with Gradebook(url) as gradebook:
        try:
            handed_in = len(gradebook.assignment_submissions(unit))
            released = {cell.name for cell in gradebook.find_notebook(unit, unit).source_cells}
        except MissingEntry:
            return
    marked = [cell for cell in source.cells if is_grade(cell) or is_solution(cell) or is_locked(cell)]
    now = {cell.metadata.nbgrader.grade_id for cell in marked}
    gone, new = (sorted(names) for names in (released - now, now - released))
    if handed_in and (gone or new):
        what = " and ".join(f"{verb} {', '.join(names)}" for verb, names in (("lacks", gone), ("adds", new)) if names)
        raise BuildError(
            f"{unit!r} is released, and {handed_in} have handed it in, but its text now {what}: nbgrader cannot add or remove "
            "cells then. To drop an exercise, leave it in the text with points=0; all other scores stay, manual ones included. "
            "A new exercise goes into another unit."
        )


def _release(unit: str, source: str) -> str:
    """What nbgrader makes of a source notebook for students, without a gradebook."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config()
        configure(config)
        config.CourseDirectory.root = folder
        config.CourseDirectory.assignment_id = unit
        config.GenerateAssignment.no_database = True
        directory = CourseDirectory(config=config)
        path = source_file(Path(folder), unit)
        path.parent.mkdir(parents=True)
        path.write_text(source)
        converter = GenerateAssignment(coursedir=directory, config=config)
        converter.preprocessors = [step for step in converter.preprocessors if step is not SaveCells]
        try:
            converter.start()
        except NbGraderException as error:
            raise BuildError(f"nbgrader could not make the release of {unit!r}: {error}") from error
        return release_file(Path(folder), unit).read_text()
