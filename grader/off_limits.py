"""Finds off-limits APIs in the source of an answer. The kernel blocks the same names while the probe runs."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence


def find(exercise: str, sources: Sequence[str], names: Iterable[str]) -> str:
    """The first off-limits name that an answer uses, or "".

    An answer is searched where it is defined, not in a student's own tests around it. Whatever module an API comes from,
    its last name is what counts: `scipy.special.softmax` is as much the answer as `keras.ops.softmax`.

    Args:
        exercise: Name of the callable.
        sources: All code of the notebook: the definition, and imports that it may rely on.
        names: Dotted names that are off-limits.
    """
    banned = {name.rpartition(".")[2]: name for name in names}
    trees = [tree for source in sources if (tree := _parse(source))]
    aliases = {alias: name for tree in trees for alias, name in _aliases(tree, banned).items() if alias != exercise}
    for tree in trees:
        for node in tree.body:
            if not _defines(node, exercise):
                continue
            for used in ast.walk(node):
                if isinstance(used, ast.Attribute) and used.attr in banned:
                    return banned[used.attr]
                if isinstance(used, ast.Name) and used.id in aliases:
                    return aliases[used.id]
    return ""


def _defines(node: ast.stmt, name: str) -> bool:
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    return isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name


def _parse(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _aliases(tree: ast.Module, banned: dict[str, str]) -> dict[str, str]:
    """Names that an import or a plain assignment gives to an off-limits API."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {item.asname or item.name: banned[item.name] for item in node.names if item.name in banned}
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute) and node.value.attr in banned:
            found |= {t.id: banned[node.value.attr] for t in node.targets if isinstance(t, ast.Name)}
    return found
