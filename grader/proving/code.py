"""A source and its syntax tree side by side: parts of the text are replaced, and the rest stays as it was written."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant, ast.List, ast.Dict, ast.ListComp, ast.DictComp)
"""What needs no parentheses, wherever it stands."""
STATED = (ast.stmt, ast.keyword)
"""Below these, and as arguments of calls, nothing needs parentheses."""


@dataclass(frozen=True)
class Change:
    """A part of a source that is replaced.

    Args:
        start: Its first character.
        end: The one behind its last.
        new: What takes its place.
        label: What that is, in a few words; "" says what was there and what is.
    """

    start: int
    end: int
    new: str
    label: str = ""


class Code:
    """The source of a callable, and what of it is changed.

    Args:
        source: Of one function or class.
        lines: The lines, counted from 1, that may be changed; all if none is given.
    """

    def __init__(self, source: str, lines: Sequence[int] = ()) -> None:
        self.source = source
        self.tree = ast.parse(source)
        split = source.splitlines(keepends=True)
        self._lines = split
        self._starts = list(accumulate(map(len, split), initial=0))
        self.lines = set(lines) or set(range(1, len(split) + 1))
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node begins and ends, in characters."""
        start = self._offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]
        return start, self._offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def _offset(self, line: int, column: int) -> int:
        before = self._lines[line - 1].encode()[:column].decode()  # the tree counts bytes
        return self._starts[line - 1] + len(before)

    def text(self, node: ast.AST) -> str:
        """What a node looks like."""
        start, end = self.span(node)
        return self.source[start:end]

    def between(self, left: ast.AST, right: ast.AST) -> tuple[int, str]:
        """Where the text between two nodes begins, and that text."""
        start, end = self.span(left)[1], self.span(right)[0]
        return start, self.source[start:end]

    def wrapped(self, node: ast.AST) -> str:
        """What a node looks like where an operator stands beside it."""
        text = self.text(node)
        return text if isinstance(node, ATOMS) else f"({text})"

    def alone(self, node: ast.AST, new: str) -> str:
        """A new text for a node, with parentheses where something stands beside it."""
        parent = self.parents.get(node)
        start, end = self.span(node)
        inside = self.source[:start].endswith("(") and self.source[end:].startswith(")")
        free = inside or isinstance(parent, STATED) or (isinstance(parent, ast.Call) and node is not parent.func)
        try:
            made: ast.AST | None = ast.parse(new.strip(), mode="eval").body
        except SyntaxError:  # a slice
            made = None
        if isinstance(made, ast.UnaryOp) and isinstance(made.operand, ast.Constant):
            free = free or not isinstance(parent, ast.BinOp | ast.UnaryOp | ast.Attribute)
        return new if free or made is None or isinstance(made, ATOMS) else f"({new})"

    def swap(self, node: ast.AST, new: str, label: str = "") -> Change:
        """Another text in a node's place."""
        start, end = self.span(node)
        return Change(start, end, self.alone(node, new) if isinstance(node, ast.expr) else new, label)

    def written(self) -> Iterator[ast.AST]:
        """The nodes that may be changed: no docstrings, annotations, or what is raised, and nothing of formatted texts."""
        for node in self._below(self.tree):
            place = node.iter if isinstance(node, ast.comprehension) else node
            if getattr(place, "lineno", 0) in self.lines:
                yield node

    def _below(self, node: ast.AST) -> Iterator[ast.AST]:
        yield node
        for name, value in ast.iter_fields(node):
            children = value if isinstance(value, list) else [value]
            if name in ("annotation", "returns", "decorator_list", "bases") or isinstance(node, ast.Raise | ast.JoinedStr):
                continue
            if name == "body" and isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
                children = children[1:]
            for child in children:
                if isinstance(child, ast.AST):
                    yield from self._below(child)

    def changed(self, changes: Sequence[Change]) -> str:
        """The source after changes that do not touch each other."""
        source = self.source
        for change in sorted(changes, key=lambda change: -change.start):
            source = source[: change.start] + change.new + source[change.end :]
        return source

    def line_of(self, offset: int) -> int:
        """The line, counted from 1, of a character."""
        return max(k for k, start in enumerate(self._starts[:-1] or [0], start=1) if start <= offset)

    def line(self, number: int) -> str:
        """What a line says."""
        return self._lines[number - 1].strip()
