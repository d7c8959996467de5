"""`grader demo`: a course directory with a class whose students' ids say what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grader.classroom.coursedir import SOURCES, demand_empty, release_file, start, submission_folder
from grader.handout.build import build, chosen, write
from grader.handout.init import copy_unit
from grader.judging import Edits
from grader.units.splice import BEGIN_SOLUTION
from grader.units.unit import Unit
from grader.units.variants import vary

Answers = Mapping[str, str]
"""By exercise, the source of its answer's cell."""


def make_course(course: Path, destination: Path) -> None:
    """Make a course directory of the demo class: configuration, secret, source notebooks, submissions.

    Args:
        course: The course directory whose units are used.
        destination: A new or empty directory.

    Raises:
        CourseError: If the destination holds anything: no gradebook is ever overwritten.
    """
    demand_empty(destination)
    units = chosen(course)
    files = build(destination, units)
    start(destination)
    write({path: content for path, content in files.items() if path.is_relative_to(destination / SOURCES)})
    for unit in units:
        if unit.own:
            copy_unit(unit, destination)
        release = nbformat.reads(files[release_file(destination, unit.name)], as_version=4)
        for student, text in submissions(unit, release):
            path = submission_folder(destination, student, unit.name) / f"{unit.name}.ipynb"
            path.parent.mkdir(parents=True)
            path.write_text(text)


def submissions(unit: Unit, release: NotebookNode) -> Iterator[tuple[str, str]]:
    """Each student's id and file of one unit."""
    exercises = unit.text.exercises
    reference = {name: exercise.reference for name, exercise in exercises.items()}
    found = {name: unit.check(name) for name in exercises}
    yield "reference", _fill(release, reference)
    yield "untouched", nbformat.writes(release)
    written: dict[str, dict[str, Sequence[Edits | str]]] = {
        "mistakes": {name: [mistake.edits for mistake in check.mistakes.values()] for name, check in found.items()},
        "alternatives": {name: check.alternatives for name, check in found.items()},
    }
    for kind, variants in written.items():
        for k in range(max(map(len, variants.values()))):
            answers = {name: vary(reference[name], of[k]) for name, of in variants.items() if k < len(of)}
            yield f"{kind}-{k + 1}", _fill(release, answers)
    first = list(exercises)[: (len(exercises) + 1) // 2]
    half = {name: reference[name] for name in first}
    yield "half", _fill(release, half)
    yield "noisy", _fill(release, {name: _begin_with(unit, name, NOISE) for name in first})
    yield "duplicate", _fill(release, half, _twice(first[0]))
    yield "crash", _fill(release, half | {first[0]: _begin_with(unit, first[0], CRASH)})
    yield "broken", "This is no notebook."


NOISE = 'import sys; print("note: about to answer", file=sys.stderr)'
CRASH = "import os; os._exit(1)"


def _begin_with(unit: Unit, exercise: str, line: str) -> str:
    """The reference with one more line at the start of what the student writes."""
    lines = unit.text.exercises[exercise].cell.splitlines()
    return "\n".join(
        text.replace(BEGIN_SOLUTION, line) if BEGIN_SOLUTION in text else text for text in lines if "END SOLUTION" not in text
    )


def _fill(release: NotebookNode, answers: Answers, then: Callable[[NotebookNode], None] = lambda notebook: None) -> str:
    notebook = deepcopy(release)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in answers:
            cell.source = answers[name]
    then(notebook)
    return str(nbformat.writes(notebook))


def _twice(exercise: str) -> Callable[[NotebookNode], None]:
    """A cell pasted a second time below itself, as Jupyter does: same metadata, new id."""

    def change(notebook: NotebookNode) -> None:
        index = next(i for i, cell in enumerate(notebook.cells) if cell.id == exercise)
        copy = deepcopy(notebook.cells[index])
        copy.id = f"{exercise}-pasted"
        notebook.cells.insert(index + 1, copy)

    return change
