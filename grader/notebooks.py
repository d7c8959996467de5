"""A unit's text and its solutions become a source notebook, and that becomes a release.

The text, `course/units/<unit>.py`, marks its places in py:percent cells:

    # %% setup=true                                       the imports; locked, runs first
    # %% exercise="softmax"                               empty: filled from solutions/<unit>.py
    # %% exercise="MultiHeadAttention" write=["call"]     of a class, the methods that the student writes
    # %% check="softmax" points=4                         the visible check

Source lines are spliced, never regenerated, so that a notebook shows the solution's own formatting.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import re
import symtable
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course import syllabus
from grader.errors import BuildError

SETUP = "set-up"
LOOK = "look-"
BEGIN_SOLUTION, END_SOLUTION = "### BEGIN SOLUTION", "### END SOLUTION"
BEGIN_HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
MARKERS = {"setup", "exercise", "write", "check", "points", "lines_to_next_cell"}
"""Those that a text may use, and one that jupytext adds."""
IPYTHON_NAMES = frozenset({"get_ipython", "display", "In", "Out", "exit", "quit"})


@dataclass(frozen=True)
class Exercise:
    """One place in a unit that a student fills in.

    Args:
        name: Name of the callable, of the answer's `grade_id` and of the check module.
        points: Its maximum, from the check's marker.
        reference: The whole source of the callable in `solutions/`.
        cell: The same with the lines that the student writes between nbgrader's marks.
        answer: Those lines.
    """

    name: str
    points: float
    reference: str
    cell: str
    answer: tuple[str, ...]


@dataclass(frozen=True)
class UnitText:
    """A unit's text, joined with its solutions.

    Args:
        name: The unit's id.
        path: Where the text stands.
        setup: Source of the set-up cell.
        exercises: By name, in the order of the text.
        cells: The cells of the text as jupytext reads them.
    """

    name: str
    path: Path
    setup: str
    exercises: dict[str, Exercise]
    cells: Sequence[NotebookNode]

    @property
    def points(self) -> float:
        """The sum of the exercises' points."""
        return sum(exercise.points for exercise in self.exercises.values())


def read_unit(course: Path, name: str) -> UnitText:
    """Read and join `course/units/<name>.py` and `solutions/<name>.py`.

    Raises:
        BuildError: If a marker is wrong, names nothing, or is used twice; the message names the file and the line.
    """
    path = course / "course" / "units" / f"{name}.py"
    solution = course / "solutions" / f"{name}.py"
    for file in (path, solution):
        if not file.is_file():
            raise BuildError(f"{file}: not found; unit {name!r} needs it.")
    text = path.read_text()
    _parsed(path)
    cells = jupytext.reads(text, fmt="py:percent").cells
    lines = _marker_lines(text)
    if len(cells) != len(lines):
        raise BuildError(f"{path}: {len(lines)} lines start with '# %%', but they make {len(cells)} cells; is one in a string?")
    setups: list[str] = []
    places: dict[str, tuple[str, list[str]]] = {}
    points: dict[str, float] = {}
    for cell, line in zip(cells, lines, strict=True):
        where, mark = f"{path}:{line}", cell.metadata
        if unknown := set(mark) - MARKERS:
            raise BuildError(f"{where}: unknown marker {sorted(unknown)}; expected setup, exercise, write, check or points.")
        if mark.get("setup"):
            setups.append(cell.source)
        if exercise := mark.get("exercise"):
            if exercise in places:
                raise BuildError(f"{where}: exercise {exercise!r} is there twice.")
            if cell.source.strip():
                raise BuildError(f"{where}: the cell of exercise {exercise!r} must be empty; it is filled from {solution}.")
            places[exercise] = (where, mark.get("write", []))
        if check := mark.get("check"):
            if check in points:
                raise BuildError(f"{where}: the check of {check!r} is there twice.")
            if check not in places:
                raise BuildError(f"{where}: check {check!r} stands before its exercise, or there is none of that name.")
            if not isinstance(mark.get("points"), int | float) or mark["points"] <= 0 or mark["points"] % 0.25:
                raise BuildError(f"{where}: check {check!r} needs points=<a positive multiple of 0.25>.")
            points[check] = mark["points"]
    if len(setups) != 1:
        raise BuildError(f"{path}: expected one cell marked setup=true, found {len(setups)}.")
    if "probe" not in _defined(setups[0]):
        raise BuildError(f"{path}: the set-up cell does not import probe, which the hidden line of each check calls.")
    exercises = {}
    for exercise, (where, write) in places.items():
        if exercise not in points:
            raise BuildError(f'{where}: exercise {exercise!r} has no check; add # %% check="{exercise}" points=….')
        exercises[exercise] = _splice(solution, exercise, write, points[exercise], where)
    unit = UnitText(name, path, setups[0], exercises, cells)
    _demand_defined_names(unit, lines)
    return unit


def source_notebook(unit: UnitText) -> NotebookNode:
    """The source notebook, with answers and hidden lines.

    Raises:
        BuildError: If the points do not add up to the syllabus's, or an exercise has no heading.
    """
    listed = syllabus.unit(unit.name)
    if unit.points != listed.points:
        raise BuildError(f"{unit.path}: the checks' points sum to {unit.points:g}, the syllabus says {listed.points:g}.")
    cells, titled = [], set()
    for cell in unit.cells:
        if cell.cell_type == "markdown":
            text = cell.source.replace("{points}", f"{unit.points:g}").replace("{minutes}", str(listed.minutes))
            text, names = _add_points(text, unit)
            titled |= names
            cells.append(new_markdown_cell(text, id=_content_id("text-", text)))
        else:
            cells.append(_code_cell(unit, cell))
    if untitled := [name for name in unit.exercises if name not in titled]:
        raise BuildError(f'{unit.path}: no heading "### `{untitled[0]}`" introduces exercise {untitled[0]!r}.')
    _make_unique(cells)
    notebook: NotebookNode = new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
    )
    nbformat.validate(notebook)
    return notebook


def grade_id(cell: NotebookNode) -> str:
    """nbgrader's name of a cell, or ""."""
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def check_id(exercise: str) -> str:
    """The `grade_id` of an exercise's check cell."""
    return f"{exercise}-check"


def checked_exercise(cell: NotebookNode) -> str:
    """The exercise that a check cell checks; "" for any other cell."""
    marks = cell.metadata.get("nbgrader", {})
    return grade_id(cell).removesuffix("-check") if marks.get("grade") else ""


def looks_needed(cells: Sequence[NotebookNode]) -> set[int]:
    """Which untouched look cells define a name that student's code uses and nothing else defines.

    They are not worth running for the pictures, but code that works in a student's notebook has to work in grading.
    """
    code = {number: cell for number, cell in enumerate(cells) if cell.cell_type == "code" and not checked_exercise(cell)}
    looks = {number for number, cell in code.items() if is_untouched_look(cell)}
    known = set(dir(builtins)) | IPYTHON_NAMES
    known |= {name for number, cell in code.items() if number not in looks for name in _names(_defined, cell.source)}
    wanted = {name for number, cell in code.items() if number not in looks for name in _names(_used, cell.source)} - known
    needed: set[int] = set()
    while more := {n for n in looks - needed if wanted & _names(_defined, code[n].source)}:
        needed |= more
        wanted = {name for n in needed for name in _names(_used, code[n].source)} | wanted
    return needed


def _names(of: Callable[[str], set[str]], source: str) -> set[str]:
    """The names in a student's source; none where it does not parse."""
    try:
        return of(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()


def is_untouched_look(cell: NotebookNode) -> bool:
    """Whether a code cell is one of the release's that only shows something, unchanged: its id is its content."""
    return str(cell.get("id", "")).startswith(_content_id(LOOK, cell.source))


def demand_clean_release(unit: UnitText, release: NotebookNode) -> None:
    """Demand that a release holds no line of an answer and nothing hidden.

    Raises:
        BuildError: With the exercise and the line that was found.
    """
    for number, cell in enumerate(release.cells):
        where = f"{unit.name}.ipynb, cell {number} ({cell.id})"
        for mark in ("probe(", BEGIN_HIDDEN, END_HIDDEN, BEGIN_SOLUTION, END_SOLUTION):
            if mark in cell.source:
                raise BuildError(f"{where}: the release shows {mark!r}.")
        lines = {line.strip() for line in cell.source.splitlines()}
        for exercise in unit.exercises.values():
            for line in exercise.answer:
                if _tells(line) and line.strip() in lines:
                    raise BuildError(f"{where}: the release shows a line of the answer to {exercise.name!r}: {line.strip()}")


def _tells(line: str) -> bool:
    """Whether a line of an answer gives something away: not a bare return or a bracket."""
    return len(line.strip()) >= 16


# --- cells ---


def _code_cell(unit: UnitText, cell: NotebookNode) -> NotebookNode:
    mark = cell.metadata
    if mark.get("setup"):
        return marked_cell(cell.source, SETUP, locked=True)
    if name := mark.get("exercise"):
        return marked_cell(unit.exercises[name].cell, name, solution=True)
    if name := mark.get("check"):
        source = f"{BEGIN_HIDDEN}\nprobe({name})\n{END_HIDDEN}\n{cell.source}"
        return marked_cell(source, check_id(name), grade=True, locked=True, points=mark["points"])
    look: NotebookNode = new_code_cell(cell.source, id=_content_id(LOOK, cell.source))
    return look


def marked_cell(source: str, grade_id: str, **marks: Any) -> NotebookNode:
    """A code cell with nbgrader's metadata; `marks` are those that are not false."""
    metadata = {"schema_version": 3, "grade_id": grade_id, "grade": False, "solution": False, "locked": False, "task": False}
    cell: NotebookNode = new_code_cell(source, id=grade_id, metadata={"nbgrader": metadata | marks})
    return cell


def _content_id(prefix: str, source: str) -> str:
    return prefix + hashlib.sha256(source.encode()).hexdigest()[:12]


def _make_unique(cells: Sequence[NotebookNode]) -> None:
    seen: dict[str, int] = {}
    for cell in cells:
        seen[cell.id] = count = seen.get(cell.id, 0) + 1
        if count > 1:
            cell.id = f"{cell.id}-{count}"


def _add_points(text: str, unit: UnitText) -> tuple[str, set[str]]:
    """Append the points to each heading that is an exercise's name in backticks."""
    found = set()

    def add(match: re.Match[str]) -> str:
        name = match[1]
        if name not in unit.exercises:
            return match[0]
        found.add(name)
        points = unit.exercises[name].points
        return f"{match[0]} · {points:g} point{'s' if points != 1 else ''}"

    return re.sub(r"^### `(\w+)`$", add, text, flags=re.MULTILINE), found


def _marker_lines(text: str) -> list[int]:
    """The line on which each cell of a py:percent text starts, as jupytext counts cells."""
    starts = [number for number, line in enumerate(text.splitlines(), 1) if re.match(r"# %%( |$)", line)]
    before = text.splitlines()[: starts[0] - 1] if starts else text.splitlines()
    return starts if not any(line.strip() for line in before) else [1, *starts]


# --- splicing an answer out of a solution ---


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text())
    except SyntaxError as error:
        raise BuildError(f"{path}:{error.lineno}: {error.msg}.") from error


def _splice(solution: Path, name: str, write: Sequence[str], points: float, where: str) -> Exercise:
    text = solution.read_text()
    lines = text.splitlines()
    node = next((n for n in _parsed(solution).body if getattr(n, "name", None) == name), None)
    if not isinstance(node, ast.FunctionDef | ast.ClassDef):
        raise BuildError(f"{where}: {solution} defines no function or class {name!r}.")
    if isinstance(node, ast.ClassDef):
        methods = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
        if not write or not set(write) <= set(methods):
            raise BuildError(f"{where}: write={list(write)} must name methods of class {name!r}: {sorted(methods)}.")
        regions = [methods[method] for method in write]
    elif write:
        raise BuildError(f"{where}: {name!r} is a function; write= is for classes.")
    else:
        regions = [node]
    first, last = min([node.lineno, *(d.lineno for d in node.decorator_list)]), _end(node)
    marks: dict[int, list[str]] = {}
    answer: list[str] = []
    for region in regions:
        body = region.body[1:] if ast.get_docstring(region) is not None else region.body
        if not body:
            raise BuildError(f"{where}: {name!r} in {solution} has no body below its docstring.")
        # Comments between the docstring and the first statement belong to the answer.
        start = _end(region.body[0]) + 1 if body is not region.body else region.body[0].lineno
        indent = " " * body[0].col_offset
        marks.setdefault(start, []).append(indent + BEGIN_SOLUTION)
        marks.setdefault(_end(region) + 1, []).insert(0, indent + END_SOLUTION)
        answer += lines[start - 1 : _end(region)]
    cell: list[str] = []
    for number in range(first, last + 2):
        cell += marks.get(number, [])
        if number <= last:
            cell.append(lines[number - 1])
    reference = "\n".join(lines[first - 1 : last])
    return Exercise(name, points, reference, "\n".join(cell), tuple(line for line in answer if line.strip()))


def _end(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno


# --- names ---


def _demand_defined_names(unit: UnitText, lines: Sequence[int]) -> None:
    """Demand that each cell uses only names that the notebook has defined, and each reference only the set-up cell's."""
    known = set(dir(builtins)) | IPYTHON_NAMES
    setup = known | _defined(unit.setup)
    for cell, line in zip(unit.cells, lines, strict=True):
        if cell.cell_type != "code":
            continue
        where = f"{unit.path}:{line}"
        if name := cell.metadata.get("exercise"):
            source, allowed = unit.exercises[name].reference, setup | {name}
            what = f"the reference of {name!r} uses {{}}, which the set-up cell does not define"
        else:
            source, allowed = cell.source, known
            what = "the cell uses {}, which no cell above defines"
        if unknown := sorted(_used(source) - allowed - (set() if name else _defined(source))):
            raise BuildError(f"{where}: {what.format(', '.join(map(repr, unknown)))}.")
        known |= _defined(source)


def _without_magics(source: str) -> str:
    return "\n".join("pass" if re.match(r"\s*[%!]", line) else line for line in textwrap.dedent(source).splitlines())


def _tables(source: str) -> Iterator[symtable.SymbolTable]:
    pending = [symtable.symtable(_without_magics(source), "cell", "exec")]
    while pending:
        table = pending.pop()
        pending += table.get_children()
        yield table


def _used(source: str) -> set[str]:
    """Names that a cell looks up in the notebook's namespace."""
    return {
        symbol.get_name()
        for table in _tables(source)
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module")
    }


def _defined(source: str) -> set[str]:
    """Names that a cell binds in the notebook's namespace."""
    top = next(_tables(source))
    return {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
