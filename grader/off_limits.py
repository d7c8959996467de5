"""Finds off-limits APIs in the source of an answer. The kernel blocks the same names while the probe runs."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence

from grader.source import ALWAYS_THERE, defined, names_given, top_level, used

EVASIVE = frozenset(
    {
        *("exec", "eval", "compile", "getattr", "globals", "locals", "vars", "dir", "__import__", "importlib", "import_module"),
        *("builtins", "modules", "ctypes", "gc", "inspect", "operator", "pickle", "marshal", "get_ipython", "deserialize"),
        *("__dict__", "__getattribute__", "__globals__", "__builtins__", "__subclasses__"),
    }
)
"""With these an answer can call anything by any name."""
METHODS = frozenset({"compile", "modules", "eval", "dir"})
"""Of those, names that are harmless as a method or attribute: `model.compile`."""
MEDDLING = ("course.probe", "ast_transformers", "input_transformers", "COURSE_PROBE_REQUEST")
"""What only someone who wants to change the grading writes."""


def find(exercise: str, sources: Sequence[str], names: Iterable[str], own_modules: Collection[str] = ()) -> str:
    """The first off-limits API that an answer uses, as written there, or "".

    Searched is the last definition of the exercise and what it uses of the notebook's own functions and names, not a
    student's own tests around it. Whatever module an API comes from, its last name is what counts: `scipy.special.softmax`
    is as much the answer as `keras.ops.softmax`, and so is `activation="softmax"`.

    Args:
        exercise: Name of the callable.
        sources: The code of the notebook's cells up to the exercise's check, in the order in which they run.
        names: Dotted names that are off-limits.
        own_modules: Modules that were handed in beside the notebook: what is imported from them is the student's own.
    """
    banned = _last_names(names)
    for name, statement in _reachable(exercise, sources):
        for node in ast.walk(statement):
            if api := _api(node, banned):
                return api
            if isinstance(node, ast.ImportFrom) and _root(node.module) not in own_modules:
                for item in node.names:
                    if item.name in banned and (node is not statement or name == (item.asname or item.name)):
                        return f"{node.module}.{item.name}"
    return ""


def doubts(
    exercise: str, sources: Sequence[str], names: Iterable[str], given: Sequence[str] = (), own_modules: Collection[str] = ()
) -> str:
    """Why a person should look at how an answer is written, or ""; it keeps its points meanwhile.

    Args:
        exercise: Name of the callable.
        sources: As for `find`.
        names: Dotted names that are off-limits.
        given: Sources of the set-up cell and of the checks above, whose names every cell may use.
        own_modules: Modules that were handed in beside the notebook: they are not searched.
    """
    for word in MEDDLING:
        if any(word in source for source in sources):
            return f"the notebook's code mentions {word}, which no answer needs."
    answer = list(_reachable(exercise, sources))
    if not answer:
        return "the answer's source could not be found, so it was not searched for off-limits APIs."
    statements = [statement for source in sources for statement in top_level(source)]
    imported = {module for statement in statements for module in _imported(statement)}
    if found := sorted(imported & set(own_modules)):
        return f"the notebook imports {found[0]}, which was handed in beside it and has not been searched."
    for _, statement in answer:
        for node in ast.walk(statement):
            if (name := _name(node)) in EVASIVE and not (isinstance(node, ast.Attribute) and name in METHODS):
                return f"the answer uses {name}, so its calls cannot be read off its source."
    banned = _last_names(names)
    if banned and any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in statements):
        return "the notebook imports * from a module, so what a name means cannot be read off its source."
    for statement in statements:
        if banned and _stores(statement) and any(_api(node, banned) for node in ast.walk(statement)):
            return "the notebook stores an off-limits API in an attribute or an item."
    known = ALWAYS_THERE.union(*map(defined, [*given, *sources]))
    if unknown := sorted(name for _, statement in answer for name in used(ast.unparse(statement)) - known):
        return f"the answer uses the name {unknown[0]}, which no cell defines."
    return ""


def _last_names(names: Iterable[str]) -> set[str]:
    return {name.rpartition(".")[2] for name in names}


def _api(node: ast.AST, banned: Collection[str]) -> str:
    """A banned name as an expression writes it, or ""."""
    # An attribute of `self` is the answer's own.
    if isinstance(node, ast.Attribute) and node.attr in banned and _name(node.value) != "self":
        return ast.unparse(node)
    if _text(node) in banned:
        return repr(_text(node))
    return ""


def _text(node: ast.AST) -> str | None:
    """The string that an expression is, put together or not; None if it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return None if left is None or right is None else left + right
    return None


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _root(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _imported(statement: ast.stmt) -> Iterator[str]:
    """The top-level modules that a statement imports, inside of functions too."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Import):
            yield from (_root(item.name) for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield _root(node.module)


def _stores(statement: ast.stmt) -> bool:
    """Whether a statement stores something where no search of names finds it: in an attribute or an item."""
    return any(
        (isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store)) or _name(node) == "setattr"
        for node in ast.walk(statement)
    )


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
