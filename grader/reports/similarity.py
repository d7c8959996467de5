"""How alike answers are, beyond what was given: names of the answer's own, comments and docstrings do not count."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from course.source import parse

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def normalized(source: str, name: str, given: str = "") -> str:
    """What a student wrote of an answer, with its own names numbered; "" if nothing or if it cannot be read.

    Args:
        source: The code of the answer's cell.
        name: The exercise's.
        given: The cell as released: functions that stand there word for word are no answer.
    """
    try:
        scaffold = {ast.unparse(function) for function in _functions(given, name)}
        written = [function for function in _functions(source, name) if ast.unparse(function) not in scaffold]
        return "\n".join(_with_numbered_names(function) for function in written)
    except RecursionError:  # Python reads deeper than it writes
        return ""


def similarity(a: str, b: str) -> float:
    """From 0 to 1: the share of tokens that two normalised answers have in common, in order."""
    return SequenceMatcher(None, _tokens(a), _tokens(b), autojunk=False).ratio()


def length(answer: str) -> int:
    """Tokens of a normalised answer."""
    return len(_tokens(answer))


def _tokens(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)


def _functions(source: str, name: str) -> Iterator[FUNCTION]:
    """The function of that name, or the methods of the class of that name; the last definition counts."""
    tree = parse(source)
    found = [node for node in tree.body if getattr(node, "name", "") == name] if tree else []
    if not found:
        return
    answer = found[-1]
    if isinstance(answer, FUNCTION):
        yield answer
    elif isinstance(answer, ast.ClassDef):
        yield from (node for node in answer.body if isinstance(node, FUNCTION))


def _with_numbered_names(function: FUNCTION) -> str:
    tree = ast.parse(ast.unparse(function)).body[0]
    assert isinstance(tree, FUNCTION)
    for node in ast.walk(tree):
        if isinstance(node, FUNCTION) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    own = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)} - {"self"}
    own |= {node.name for node in ast.walk(tree) if isinstance(node, FUNCTION) and node is not tree}
    own -= set(dir(builtins))
    numbers: dict[str, str] = {}
    for node in ast.walk(tree):
        for field in ("id", "arg", "name"):
            word = getattr(node, field, None)
            if word in own and not isinstance(node, ast.keyword):
                setattr(node, field, numbers.setdefault(word, f"v{len(numbers)}"))
    return ast.unparse(tree)
