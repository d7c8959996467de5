"""Finds off-limits APIs in the source of an answer. The kernel blocks the same names while the probe runs."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from grader.source import names_given, parse, top_level

EVASIVE = frozenset({"exec", "eval", "getattr", "compile", "globals", "__import__", "importlib", "ctypes"})
"""With these an answer can call anything by any name."""
MEDDLING = ("course.probe", "ast_transformers", "input_transformers", "COURSE_PROBE_REQUEST")
"""What only someone who wants to change the grading writes."""


def find(exercise: str, sources: Sequence[str], names: Iterable[str]) -> str:
    """The first off-limits API that an answer uses, as written there, or "".

    Searched is the last definition of the exercise and what it uses of the notebook's own functions and names, not a
    student's own tests around it. Whatever module an API comes from, its last name is what counts: `scipy.special.softmax`
    is as much the answer as `keras.ops.softmax`, and so is `activation="softmax"`.

    Args:
        exercise: Name of the callable.
        sources: The code of the notebook's cells up to the exercise's check, in the order in which they run.
        names: Dotted names that are off-limits.
    """
    banned = {name.rpartition(".")[2] for name in names}
    for name, statement in _reachable(exercise, sources):
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute) and node.attr in banned and not _is_of_self(node):
                return ast.unparse(node)
            if isinstance(node, ast.Constant) and node.value in banned:
                return repr(node.value)
            if isinstance(node, ast.ImportFrom):
                for item in node.names:
                    if item.name in banned and (node is not statement or name == (item.asname or item.name)):
                        return f"{node.module}.{item.name}"
    return ""


def _is_of_self(node: ast.Attribute) -> bool:
    """Whether it is a method or attribute of the answer's own class."""
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def doubts(exercise: str, sources: Sequence[str]) -> str:
    """Why a person should look at how an answer is written, or ""; it keeps its points meanwhile."""
    for word in MEDDLING:
        if any(word in source for source in sources):
            return f"the notebook's code mentions {word}, which no answer needs."
    searched = False
    for _, statement in _reachable(exercise, sources):
        searched = True
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and node.id in EVASIVE:
                return f"the answer uses {node.id}, so its calls cannot be read off its source."
    if not searched and any(parse(source) is None for source in sources):
        return "the answer's source could not be searched for off-limits APIs."
    return ""


def _reachable(exercise: str, sources: Sequence[str]) -> Iterator[tuple[str, ast.stmt]]:
    """The last definition of the exercise, and of each name that it uses, directly or not."""
    definitions: dict[str, ast.stmt] = {}
    for source in sources:
        for statement in top_level(source):
            definitions |= dict.fromkeys(names_given(statement), statement)
    pending, seen = [exercise], set()
    while pending:
        name = pending.pop()
        if name in seen or name not in definitions:
            continue
        seen.add(name)
        yield name, definitions[name]
        pending += [node.id for node in ast.walk(definitions[name]) if isinstance(node, ast.Name)]
