"""The search path of units: those of a course directory, then those that come with this package."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import grader
from grader.errors import CourseError
from grader.units.unit import Unit

SHIPPED_ROOT = Path(grader.__file__).resolve().parent.parent
"""This repository, or what was installed of it."""


@dataclass(frozen=True)
class Home:
    """A place where units stand.

    Args:
        texts: Folder of `<unit>.py`, and of a folder `<unit>` with what lies beside the notebook.
        solutions: Folder of `<unit>.py`.
        checks: Folder of `<unit>/<exercise>.py`.
        package: What the checks' folder is called where it is imported.
        own: Whether it is an instructor's course directory.
    """

    texts: Path
    solutions: Path
    checks: Path
    package: str
    own: bool

    def get(self, name: str) -> Unit | None:
        """The unit of that name, if it stands here."""
        text = self.texts / f"{name}.py"
        if not text.is_file():
            return None
        return Unit(name, text, self.solutions / f"{name}.py", self.checks / name, f"{self.package}.{name}", self.own)

    def units(self) -> list[Unit]:
        """All units that stand here."""
        return [unit for path in sorted(self.texts.glob("[!_.]*.py")) if (unit := self.get(path.stem))]

    @staticmethod
    def in_folder(folder: Path) -> Home:
        """An instructor's, such as a course directory."""
        folder = folder.resolve()
        package = f"checks_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
        return Home(folder / "units", folder / "solutions", folder / "checks", package, own=True)


SHIPPED = Home(
    texts=SHIPPED_ROOT / "course" / "units",
    solutions=SHIPPED_ROOT / "solutions",
    checks=SHIPPED_ROOT / "grader" / "checks",
    package="grader.checks",
    own=False,
)


def find_units(course: Path) -> list[Unit]:
    """All units of a course directory, in teaching order: an own one wins over a shipped one of its name."""
    found = {unit.name: unit for home in (SHIPPED, Home.in_folder(course)) for unit in home.units()}
    return sorted(found.values(), key=lambda unit: (unit.order, unit.name))


def get_unit(course: Path, name: str) -> Unit | None:
    """The unit of that name in a course directory, or None."""
    return Home.in_folder(course).get(name) or SHIPPED.get(name)


def find_unit(course: Path, name: str) -> Unit:
    """The unit of that name in a course directory.

    Raises:
        CourseError: If there is none; the message lists those that there are.
    """
    if unit := get_unit(course, name):
        return unit
    known = ", ".join(unit.name for unit in find_units(course))
    raise CourseError(f"there is no unit {name!r}; expected some of {known}. One of your own stands in {course / 'units'}.")


def having(units: Iterable[Unit], exercise: str) -> list[Unit]:
    """Those of the units that have an exercise of that name."""
    return [unit for unit in units if exercise in unit.exercises]


def replaced(units: Sequence[Unit]) -> list[str]:
    """A line for each own unit that is used in place of a shipped one."""
    both = [unit for unit in units if unit.own and SHIPPED.get(unit.name)]
    return [f"{unit.name}: your own, {unit.text_file}, in place of the shipped one" for unit in both]
