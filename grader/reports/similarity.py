"""How alike answers are, beyond what was given: names of the answer's own, comments and docstrings do not count."""

from __future__ import annotations

import ast
import builtins
import math
import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from course.source import parse, parse_anew, written

MAX_TOKENS = 2000
"""Of an answer that is compared; the time for it grows with their square, and with what repeats in them faster."""
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def normalized(source: str, name: str, given: str = "") -> str:
    """What a student wrote of an answer, with its own names numbered; "" if nothing or if it cannot be read.

    Args:
        source: The code of the answer's cell.
        name: The exercise's.
        given: The cell as released: functions that stand there word for word are no answer.
    """
    scaffold = {written(function) for function in _functions(given, name)}
    own = [text for function in _functions(source, name) if (text := written(function)) not in scaffold]
    return "\n".join(map(_with_numbered_names, filter(None, own)))


def similarity(a: str, b: str) -> float:
    """From 0 to 1: the share of tokens that two normalised answers have in common, in order; NaN if one is too long for it."""
    tokens = _tokens(a), _tokens(b)
    if max(map(len, tokens)) > MAX_TOKENS:
        return math.nan
    return SequenceMatcher(None, *tokens, autojunk=False).ratio()


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


def _with_numbered_names(function: str) -> str:
    module = parse_anew(function)
    tree = module.body[0] if module else None
    if not isinstance(tree, FUNCTION):
        return ""
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
    return written(tree)
