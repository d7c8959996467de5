"""What a piece of code reaches through names and imports, as far as it is ours: what a measurement of it depends on.

Followed are definitions of `course`, of a unit's checks, of what lies beside its notebook, and data files that they name.
Comments, docstrings and what is never reached do not count, nor who may call the course's generators. Of the grader, which is
what measures, where it draws inputs and takes an accuracy counts. When verdicts are meant, all that a check has of `judging`
counts, and how high its bars lie, but not what it says to a student, nor how a mistake is made.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import grader
from course.data.looking import for_looking
from course.source import defined, used
from grader.errors import CheckError
from grader.judging import Check

ROOT = Path(grader.__file__).parent.parent
"""Where `course` and `grader` are."""
MEASURING = ("grader.judging.matching", "grader.judging.classifiers")
"""The grader's modules that draw inputs for checks, and measure."""
JUDGING = "grader.judging"
"""The room whose words checks are written in."""


@dataclass(frozen=True)
class Source:
    """A piece of code.

    Args:
        text: What stands in it.
        folder: Where modules are that it imports relatively, or None.
        beside: Where other modules are that are ours, such as those beside a notebook, or None.
        judging: Whether verdicts are meant, and not only measurements.
    """

    text: str
    folder: Path | None = None
    beside: Path | None = None
    judging: bool = False


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
                found.add(text := _text(statement))
                files = [source.folder / name for name in _named(statement)] if source.folder else []
                found |= {hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}
                reached = [(source, part) for part in names_in(text)]
            pending += [place for place in reached if place not in seen]
            seen.update(reached)
    found |= {hashlib.sha256(content).hexdigest() for content in data}
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()[:12]


def effects(text: str) -> list[str]:
    """A cell's statements that bind nothing, such as calls: they run whatever is asked for."""
    return [ast.unparse(node) for node in ast.parse(text).body if isinstance(node, ast.Expr)]


@lru_cache(8192)
def names_in(text: str) -> frozenset[str]:
    """The names that a piece of code looks up, with their attributes: `data.text.WORDS` may be of a module."""
    nodes = list(ast.walk(ast.parse(text)))
    chains = filter(None, map(_chain, nodes))
    names = used(text).union(*(defined(ast.unparse(node)) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)))
    return frozenset(chain for chain in chains if chain.partition(".")[0] in names)


def _chain(node: ast.AST) -> str:
    """A name with its attributes, or ""."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (chain := _chain(node.value)):
        return f"{chain}.{node.attr}"
    return ""


@lru_cache(512)
def _body(text: str, judging: bool) -> list[ast.stmt]:
    """The statements of a source, bare."""
    body: list[ast.stmt] = _Bare(judging).visit(ast.parse(text)).body
    return body


@lru_cache(512)
def _statements(source: Source) -> dict[str, list[ast.stmt]]:
    """By name, the statements at the top of a source that say what it is."""
    found: dict[str, list[ast.stmt]] = {}
    for node in _body(source.text, source.judging):
        all_of = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
        for name in {"*"} if all_of else defined(ast.unparse(node)):
            found.setdefault(name, []).append(node)
        for inner in ast.walk(node):  # an import in a function
            if inner is not node and isinstance(inner, ast.Import | ast.ImportFrom):
                for name in defined(ast.unparse(inner)):
                    found.setdefault(name, []).append(inner)
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
                yield from _found(start, steps, source)


def _folder(source: Source, level: int, module: str) -> Path | None:
    """The folder in which a module of ours is looked for; None for one that is not ours."""
    if level:
        return source.folder.joinpath(*[".."] * (level - 1)) if source.folder else None
    ours = module.partition(".")[0] == "course" or module in MEASURING or (source.judging and module.startswith(JUDGING))
    return ROOT if ours else source.beside


def _found(folder: Path, steps: Sequence[str], start: Source) -> Iterator[tuple[Source, str]]:
    """Go down modules as far as there are any; the first step that is none is a name in the last of them."""
    file: Path | None = None
    for number, step in enumerate(steps):
        if file and step in _statements(source := Source(file.read_text(), file.parent, start.beside, start.judging)):
            yield source, ".".join(steps[number:])
            return
        inner = next((path for path in (folder / f"{step}.py", folder / step / "__init__.py") if path.is_file()), None)
        if inner is None:
            return
        file, folder = inner, folder / step


@lru_cache(8192)
def _text(statement: ast.stmt) -> str:
    return ast.unparse(statement)


@lru_cache(8192)
def _named(statement: ast.stmt) -> frozenset[str]:
    """What a statement names that may be a file, such as weights."""
    texts = {node.value for node in ast.walk(statement) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return frozenset(text for text in texts if re.fullmatch(r"[\w-]+\.\w+", text))


def check_argument(check: Source, name: str) -> str:
    """The code that a check's module gives `Check` as one of its arguments, bare; "" for none.

    Raises:
        CheckError: If it cannot be seen what that is.
    """
    for node in _body(check.text, check.judging):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CHECK" and isinstance(node.value, ast.Call):
            given = dict(zip((field.name for field in fields(Check)), node.value.args, strict=False))
            given |= {word.arg: word.value for word in node.value.keywords if word.arg}
            return ast.unparse(given[name]) if name in given else ""
    raise CheckError(f"{check.folder}: expected CHECK = Check(cases, …), found another way of making it.")


class _Bare(ast.NodeTransformer):
    """Takes out what decides nothing, which is docstrings and who may call a generator.

    Of a measurement, how high a bar lies; of a verdict, which words it has, and how a mistake is made.
    """

    def __init__(self, judging: bool) -> None:
        self._judging = judging

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        if called in ("Bar", "trained") and not self._judging:
            node.args = node.args[1:]
        if called == "Mistake" and self._judging:
            node.args = []
        return node

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        self.generic_visit(node)
        if self._judging:  # the sentences of mistakes
            made = [isinstance(value, ast.Call) and ast.unparse(value.func) == "Mistake" for value in node.values]
            node.keys = [None if is_one else key for key, is_one in zip(node.keys, made, strict=True)]
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            node.decorator_list = [mark for mark in node.decorator_list if ast.unparse(mark) != for_looking.__name__]
        return node


@cache
def versions(backend: str) -> str:
    """Those of Keras and of a backend, as far as they are installed."""
    return " ".join(f"{name} {_version(name)}" for name in ("keras", backend))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
