"""The rooms: which part of the project may import which."""

import ast
import re

import pytest

from harness import COURSE

ROOMS = ["checks", "judging", "units", "running", "classroom", "proving", "reports", "handout"]
"""From the lowest to the highest but for `checks`, which stand on `judging`: none may import one further right."""
PLAIN = {"course": {"course"}, "solutions": {"course"}, "grader.errors": set(), "grader.files": set(), "grader.shown": set()}
"""What is no room of the grader's. Commands, the doctor and what Jupyter loads may import everything."""
WITHOUT_NBGRADER = ("grader.judging", "grader.units", "grader.running", "grader.checks")


def says(room):
    """What a room says of itself, at its head."""
    return ast.get_docstring(ast.parse((COURSE / "grader" / room / "__init__.py").read_text()))


def may_import(room):
    """What a room says that it may import."""
    named = re.findall(r"`(\w+)`", says(room).partition("May import:")[2])
    return {name if name == "course" else f"grader.{name}" for name in named}


MAY_IMPORT = PLAIN | {f"grader.{room}": may_import(room) for room in ROOMS}


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
    there = {path.name for path in (COURSE / "grader").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert there == set(ROOMS)
    for room in ROOMS:
        first, _, rest = says(room).partition("\n\n")
        assert first.endswith(".") and len(rest.splitlines()) >= 3, room


def test_arrows_go_one_way():
    order = [room for room in ROOMS if room != "checks"]
    for number, room in enumerate(order):
        assert may_import(room) & {f"grader.{other}" for other in order[number:]} == set(), room
        assert "grader.checks" not in may_import(room)
    for room in ("judging", "units", "running"):
        assert may_import(room) <= {"course", "grader.errors", "grader.files", "grader.shown", "grader.judging"}, room
