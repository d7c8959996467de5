"""The rooms: which part of the project may import which."""

import ast
from pathlib import Path

import pytest

from harness import COURSE

HALL = {"grader.errors", "grader.files", "grader.shown"}
LOWER = {"grader.judging", "grader.units", "grader.running"}
MAY_IMPORT = {
    "course": {"course"},
    "solutions": {"course"},
    "grader.errors": set(),
    "grader.files": set(),
    "grader.shown": set(),
    "grader.judging": {"course", *HALL},
    "grader.checks": {"course", "grader.judging"},
    "grader.units": {"course", *HALL, "grader.judging"},
    "grader.running": {"course", *HALL},
    "grader.classroom": {"course", *HALL, *LOWER, "grader.plugin"},
    "grader.proving": {"course", *HALL, *LOWER},
    "grader.reports": {"course", *HALL, *LOWER, "grader.classroom"},
    "grader.handout": {"course", *HALL, *LOWER, "grader.classroom", "grader.proving"},
}
"""Beside itself. What lies in `grader` and is no room may import everything: commands, the doctor, what Jupyter loads."""
WITHOUT_NBGRADER = ("grader.judging", "grader.units", "grader.running", "grader.checks")


def files(place):
    path = COURSE / place.replace(".", "/")
    return [path.with_suffix(".py")] if path.with_suffix(".py").is_file() else sorted(path.rglob("*.py"))


def imported(path):
    """The modules that a file imports, absolute, with what it takes from each: a part of a package is a module, too."""
    package = path.relative_to(COURSE).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) + 1 - node.level], node.module or ""]) if node.level else node.module
            yield from (f"{base}.{item.name}" for item in node.names)


def within(module, places):
    return any(module == place or module.startswith(f"{place}.") for place in places)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_rooms_import_only_what_they_may(room):
    for path in files(room):
        for module in imported(path):
            if within(module, ("course", "solutions", "grader")) and module != "grader":  # for where it lies
                assert within(module, {room, *MAY_IMPORT[room]}), f"{path}: {module}"


def test_checks_do_not_know_the_judge():
    assert [
        path for path in files("grader.checks") for module in imported(path) if within(module, ["grader.judging.judge"])
    ] == []


@pytest.mark.parametrize("room", WITHOUT_NBGRADER)
def test_nothing_of_nbgrader_is_needed_to_judge_or_to_execute(room):
    assert [f"{path}: {module}" for path in files(room) for module in imported(path) if within(module, ["nbgrader"])] == []


def test_every_room_is_known_and_says_what_it_is():
    grader = COURSE / "grader"
    rooms = {f"grader.{path.name}" for path in grader.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms == {room for room in MAY_IMPORT if (COURSE / Path(*room.split("."))).is_dir()} - {"course", "solutions"}
    for room in rooms:
        says = ast.get_docstring(ast.parse((COURSE / room.replace(".", "/") / "__init__.py").read_text()))
        assert "May import:" in says and len(says.splitlines()) >= 5, room
