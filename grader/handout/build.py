"""`grader build`: every unit's source notebook and release, byte for byte repeatable."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import SaveCells
from traitlets.config import Config

from course import syllabus
from grader.classroom.plugin import configure
from grader.errors import BuildError
from grader.units import checks
from grader.units.text import UnitText, demand_clean_release, read_unit, source_notebook


def build(course: Path, units: Sequence[str] = ()) -> dict[Path, str]:
    """Make the units' notebooks.

    Args:
        course: A course directory with `course/units` and `solutions`.
        units: Ids; empty for all of the syllabus.

    Returns:
        The files and what belongs in them; nothing is written.

    Raises:
        BuildError: If anything in a unit is wrong; the message names the file and the place.
    """
    files = {}
    for id in units or [unit.id for unit in syllabus.UNITS]:
        text = read_unit(course, id)
        _demand_checks(text)
        source = nbformat.writes(source_notebook(text)) + "\n"
        release = _release(id, source)
        demand_clean_release(text, nbformat.reads(release, as_version=4))
        files[course / "build" / "source" / id / f"{id}.ipynb"] = source
        files[course / "assignments" / id / f"{id}.ipynb"] = release
    return files


def write(files: dict[Path, str]) -> None:
    """Write built files, each whole or not at all."""
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(text)
        os.replace(temporary, path)


def stale(course: Path, files: dict[Path, str]) -> list[Path]:
    """The committed files, under `assignments/`, that differ from what was built."""
    committed = [path for path in files if path.is_relative_to(course / "assignments")]
    return [path for path in committed if not path.is_file() or path.read_text() != files[path]]


def _demand_checks(text: UnitText) -> None:
    """Demand that exercises and check modules are the same names."""
    there = set(checks.names(text.name))
    for exercise in text.exercises:
        if exercise not in there:
            raise BuildError(f"{text.path}: exercise {exercise!r} has no check grader/checks/{text.name}/{exercise}.py.")
        checks.load(text.name, exercise)
    if extra := sorted(there - text.exercises.keys()):
        raise BuildError(f"grader/checks/{text.name}/{extra[0]}.py: {text.path} has no exercise of that name.")


def _release(unit: str, source: str) -> str:
    """What nbgrader makes of a source notebook for students, without a gradebook."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config()
        configure(config)
        config.CourseDirectory.root = folder
        config.CourseDirectory.assignment_id = unit
        config.GenerateAssignment.no_database = True
        directory = CourseDirectory(config=config)
        path = Path(folder, directory.source_directory, unit, f"{unit}.ipynb")
        path.parent.mkdir(parents=True)
        path.write_text(source)
        converter = GenerateAssignment(coursedir=directory, config=config)
        converter.preprocessors = [step for step in converter.preprocessors if step is not SaveCells]
        converter.start()
        return Path(folder, directory.release_directory, unit, f"{unit}.ipynb").read_text()
