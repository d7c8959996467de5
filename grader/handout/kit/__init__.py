"""`grader kit`: what students get, as a folder and a zip: notebooks, the `course` package as a wheel, how to begin."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import requires, version
from pathlib import Path

import nbformat
from jinja2 import Environment, PackageLoader
from packaging.requirements import Requirement

import course as students_package
from course.cells import METADATA
from grader.classroom.coursedir import release_file
from grader.errors import CourseError
from grader.files import made_whole
from grader.units.shelf import find_unit, find_units

NAME = "keras-course-student"
NEEDED = ("ipykernel", "jupyterlab", "keras", "matplotlib", "nbclient", "nbformat", "numpy", "psutil", "rich", "scikit-learn")
"""What the `course` package and its notebooks use; the versions are those of this package."""
EXTRA = "pretrained"
BACKEND = "tensorflow"
README = "README.md"
"""The students' page of the documentation."""
INSTRUCTORS = shutil.ignore_patterns("__pycache__", "units")


def make_kit(course: Path, destination: Path, units: Sequence[str] = ()) -> tuple[Path, Path]:
    """Write a kit.

    Args:
        course: A course directory whose units are released.
        destination: A new folder; the zip gets its name.
        units: Ids; empty for all that are released.

    Returns:
        The folder and the zip.

    Raises:
        CourseError: If either is there already, or a unit is not known or not released.
    """
    archive = destination.with_name(f"{destination.name}.zip")
    for path in (destination, archive):
        if path.exists():
            raise CourseError(f"{path} exists; name another folder, or delete it first.")
    notebooks = _released(course, units)
    with made_whole(archive) as packed, made_whole(destination) as folder:
        folder.mkdir()
        for unit, notebook in notebooks.items():
            _place(notebook, folder, unit)
        wheel = _wheel(folder, notebooks)
        shutil.copy(Path(__file__).with_name(README), folder)
        (folder / "requirements.txt").write_text(_text("requirements.txt", wheel=wheel, backend=_needed(BACKEND)))
        shutil.make_archive(str(packed.with_suffix("")), "zip", folder.parent, destination.name)
    return destination, archive


def _place(notebook: Path, folder: Path, unit: str) -> None:
    """Put a notebook into a kit; one that needs files beside it gets a folder of its own with them."""
    files = nbformat.read(notebook, as_version=4).metadata.get(METADATA, {}).get("files", [])
    place = folder / unit if files else folder
    for name in (notebook.name, *files):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(notebook.parent / name, place / name)


def _released(course: Path, units: Sequence[str]) -> dict[str, Path]:
    chosen = [find_unit(course, name) for name in units] or find_units(course)
    paths = {unit.name: release_file(course, unit.name) for unit in chosen}
    missing = [unit for unit, path in paths.items() if not path.is_file()]
    if units and missing:
        raise CourseError(f"{missing[0]!r} is not released: run `nbgrader generate_assignment {missing[0]}` first.")
    if len(missing) == len(paths):
        raise CourseError(f"no unit is released in {course}: run `nbgrader generate_assignment <unit>` first.")
    return {unit: path for unit, path in paths.items() if unit not in missing}


def _wheel(folder: Path, notebooks: dict[str, Path]) -> str:
    """Write the wheel of `course` alone, with the notebooks as they are handed out, and return its name."""
    with tempfile.TemporaryDirectory() as source:
        package = Path(source, "course")
        shutil.copytree(Path(str(students_package.__file__)).parent, package, ignore=INSTRUCTORS)
        for unit, notebook in notebooks.items():
            (package / "releases").mkdir(exist_ok=True)
            shutil.copy(notebook, package / "releases" / f"{unit}.ipynb")
        project = _text(
            "project.toml",
            name=NAME,
            version=version("keras-course"),
            needed=[_needed(name) for name in NEEDED],
            extra=EXTRA,
            more=[_plain(line) for line in requires("keras-course") or () if f'extra == "{EXTRA}"' in line],
        )
        Path(source, "pyproject.toml").write_text(project)
        build = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
        done = subprocess.run(
            [sys.executable, "-c", build, str(folder.resolve())],
            cwd=source,
            env=os.environ | {"SOURCE_DATE_EPOCH": "315532800"},  # the same sources, the same file
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise CourseError(f"the wheel of `course` could not be built:\n{done.stderr[-2000:]}")
        return done.stdout.splitlines()[-1]


def _text(template: str, **values: object) -> str:
    loader = PackageLoader("grader.handout", "kit")
    return Environment(loader=loader, keep_trailing_newline=True, autoescape=False).get_template(template).render(values)


def _needed(name: str) -> str:
    """What this package requires of another one, such as "keras>=3.10"."""
    return next(_plain(line) for line in requires("keras-course") or () if Requirement(line).name == name)


def _plain(line: str) -> str:
    requirement = Requirement(line)
    return f"{requirement.name}{requirement.specifier}"
