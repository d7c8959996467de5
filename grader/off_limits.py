"""Finds off-limits APIs in the source of an answer. The kernel blocks the same names while the probe runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence


def find(exercise: str, sources: Sequence[str], names: Iterable[str]) -> str:
    """The first off-limits API that an answer uses, as written there, or "".

    Searched is the last definition of the exercise and what it uses of the notebook's own functions and names, not a
    student's own tests around it. Whatever module an API comes from, its last name is what counts: `scipy.special.softmax`
    is as much the answer as `keras.ops.softmax`.

    Args:
        exercise: Name of the callable.
        sources: The code of the notebook's cells, in the order in which they run.
        names: Dotted names that are off-limits.
    """
    banned = {name.rpartition(".")[2] for name in names}
    defined: dict[str, ast.stmt] = {}
    for source in sources:
        for statement in _top_level(source):
            defined |= dict.fromkeys(_names_of(statement), statement)
    pending, seen = [exercise], set()
    while pending:
        name = pending.pop()
        if name in seen or name not in defined:
            continue
        seen.add(name)
        for node in ast.walk(defined[name]):
            if isinstance(node, ast.Attribute) and node.attr in banned:
                return ast.unparse(node)
            if isinstance(node, ast.ImportFrom):
                for item in node.names:
                    if item.name in banned and (node is not defined[name] or name == (item.asname or item.name)):
                        return f"{node.module}.{item.name}"
            if isinstance(node, ast.Name):
                pending.append(node.id)
    return ""


def _top_level(source: str) -> Iterator[ast.stmt]:
    """The statements of a cell that run in the notebook's namespace, those in an `if`, `with`, `for` or `try` included."""
    lines = ["" if re.match(r"\s*[%!]", line) else line for line in source.splitlines()]
    try:
        pending: list[ast.AST] = [ast.parse("\n".join(lines))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    while pending:
        for node in ast.iter_child_nodes(pending.pop(0)):
            if isinstance(node, ast.stmt):
                yield node
            if isinstance(node, ast.If | ast.With | ast.For | ast.While | ast.Try | ast.ExceptHandler):
                pending.append(node)


def _names_of(statement: ast.stmt) -> list[str]:
    """The names that a statement gives to something."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.ImportFrom | ast.Import):
        return [item.asname or item.name for item in statement.names]
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.NamedExpr):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return []
