"""Takes an exercise out of a solution: what is given, what a student writes, and where the marks go."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.errors import BuildError

BEGIN_SOLUTION, END_SOLUTION = "### BEGIN SOLUTION", "### END SOLUTION"


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


def read_source(path: Path) -> str:
    """The text of a file.

    Raises:
        BuildError: If it cannot be read.
    """
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(f"{path} cannot be read ({error}); expected text in UTF-8.") from error


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file.

    Raises:
        BuildError: If it is not Python; the message names the line.
    """
    try:
        return ast.parse(read_source(path))
    except SyntaxError as error:
        raise BuildError(f"{path}:{error.lineno}: {error.msg}.") from error


def splice(solution: Path, name: str, write: Sequence[str], points: float, where: str) -> Exercise:
    """Take the exercise `name` out of a solution.

    Args:
        solution: The module.
        name: The callable's name.
        write: Of a class, the methods that students write.
        points: The exercise's maximum.
        where: The marker's place, for messages.

    Raises:
        BuildError: If there is no such callable or method, or nothing to write.
    """
    text = read_source(solution)
    lines = text.splitlines()
    node = next((n for n in parsed(solution).body if getattr(n, "name", None) == name), None)
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
        # Comments above the first statement belong to the answer.
        start = _end(region.body[0]) + 1 if body is not region.body else region.body[0].lineno
        while body is region.body and (not (above := lines[start - 2].strip()) or above.startswith("#")):
            start -= 1
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
