"""What a piece of code reaches through names and imports, as far as it is ours: what a measurement of it depends on.

Followed are definitions of `course`, of a unit's checks, and of what lies beside its notebook. Comments, docstrings and what is
never reached do not count; nor does the grader, which is what measures, but where it draws inputs; nor how high a bar lies, nor
who may call the course's generators.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import course
import grader
from course.data.looking import for_looking
from course.source import defined, used

PACKAGE = Path(str(course.__file__)).parent
"""The package `course`."""
MATCHING = "grader.judging.matching"
"""The grader's module that draws inputs for checks."""


@dataclass(frozen=True)
class Source:
    """A piece of code.

    Args:
        text: What stands in it.
        folder: Where modules are that it imports relatively, or None.
        beside: Where other modules are that are ours, such as those beside a notebook, or None.
    """

    text: str
    folder: Path | None = None
    beside: Path | None = None


def digest(*starts: tuple[Source, Iterable[str]], data: Iterable[bytes] = ()) -> str:
    """Twelve hexadecimal digits that change with what these names of these sources reach, and with data that they may read."""
    pending = [(source, name) for source, names in starts for name in names]
    seen, found = set(pending), set()
    while pending:
        source, name = pending.pop()
        root, *attributes = name.split(".")
        known = _statements(source)
        for statement in known.get(root) or known.get("*") or ():
            if isinstance(statement, ast.Import | ast.ImportFrom):
                reached = list(_imported(source, statement, root, attributes))
            else:
                found.add(text := ast.unparse(statement))
                reached = [(source, part) for part in names_in(text)]
            pending += [place for place in reached if place not in seen]
            seen.update(reached)
    found |= {hashlib.sha256(content).hexdigest() for content in data}
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()[:12]


def effects(text: str) -> set[str]:
    """The names in a cell's statements that bind nothing, such as calls: they run whatever is asked for."""
    return {name for node in ast.parse(text).body if isinstance(node, ast.Expr) for name in names_in(ast.unparse(node))}


def names_in(text: str) -> set[str]:
    """The names that a piece of code looks up, with their attributes: `data.text.WORDS` may be of a module."""
    chains = filter(None, (_chain(node) for node in ast.walk(ast.parse(text))))
    names = used(text)
    return {chain for chain in chains if chain.partition(".")[0] in names}


def _chain(node: ast.AST) -> str:
    """A name with its attributes, or ""."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (chain := _chain(node.value)):
        return f"{chain}.{node.attr}"
    return ""


@lru_cache(256)
def _statements(source: Source) -> dict[str, list[ast.stmt]]:
    """By name, the statements at the top of a source that say what it is."""
    found: dict[str, list[ast.stmt]] = {}
    for node in _Bare().visit(ast.parse(source.text)).body:
        all_of = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
        for name in {"*"} if all_of else defined(ast.unparse(node)):
            found.setdefault(name, []).append(node)
    return found


def _imported(
    source: Source, node: ast.Import | ast.ImportFrom, name: str, attributes: Sequence[str]
) -> Iterator[tuple[Source, str]]:
    """What of our own modules an import means by a name with attributes."""
    for item in node.names:
        if (item.asname or item.name.partition(".")[0]) in (name, "*"):
            if isinstance(node, ast.ImportFrom):
                start = _folder(source, node.level, node.module or "")
                taken = name if item.name == "*" else item.name
                steps = [*filter(None, (node.module or "").split(".")), taken, *attributes]
            else:
                start = _folder(source, 0, item.name)
                steps = [*(item.name.split(".") if item.asname else [name]), *attributes]
            if start:
                yield from _found(start, steps, source.beside)


def _folder(source: Source, level: int, module: str) -> Path | None:
    """The folder in which a module of ours is looked for; None for one that is not ours."""
    if level:
        return source.folder.joinpath(*[".."] * (level - 1)) if source.folder else None
    if module == MATCHING:
        return Path(grader.__file__).parent.parent
    return PACKAGE.parent if module.partition(".")[0] == PACKAGE.name else source.beside


def _found(folder: Path, steps: Sequence[str], beside: Path | None) -> Iterator[tuple[Source, str]]:
    """Go down modules as far as there are any; the first step that is none is a name in the last of them."""
    file: Path | None = None
    for number, step in enumerate(steps):
        if file and step in _statements(source := Source(file.read_text(), file.parent, beside)):
            yield source, ".".join(steps[number:])
            return
        inner = next((path for path in (folder / f"{step}.py", folder / step / "__init__.py") if path.is_file()), None)
        if inner is None:
            return
        file, folder = inner, folder / step


class _Bare(ast.NodeTransformer):
    """Takes docstrings out, and what decides nothing of a measurement: the height of bars, and who may call a generator."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Bar":
            node.args = node.args[1:]
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            node.decorator_list = [mark for mark in node.decorator_list if ast.unparse(mark) != for_looking.__name__]
        return node
