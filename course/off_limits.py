"""Finds off-limits APIs in the source of an answer, and what hides them.

The probe refuses what a library runs under such a name, however the answer came by it (see `course.probe`). What it cannot see,
such as code that was compiled before, is found here or is for a person.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from course.source import ALWAYS_THERE, CELLS, defined, top_level, used

EVASIVE = frozenset(
    {
        *("exec", "eval", "compile", "getattr", "globals", "locals", "vars", "dir", "__import__", "importlib", "import_module"),
        *("builtins", "modules", "ctypes", "gc", "inspect", "operator", "pickle", "marshal", "get_ipython", "deserialize"),
        *("__dict__", "__getattribute__", "__globals__", "__builtins__", "__subclasses__", "__code__", "__closure__"),
        *("threading", "concurrent", "multiprocessing", "subprocess"),
    }
)
"""With these an answer can call anything by any name, or where nobody looks."""
METHODS = frozenset({"compile", "modules", "eval", "dir"})
"""Of those, names that are harmless as a method or attribute: `model.compile`."""
MEDDLING = ("ast_transformers", "input_transformers", "COURSE_PROBE_REQUEST", "setprofile", "settrace", "%run")
"""What only someone who wants to change the grading writes, or to run what is not in the notebook."""
SHOWS = frozenset({"print", "display", "help"})


@dataclass(frozen=True)
class Statement:
    """A statement of a notebook: its syntax and source, the names that it binds, and those that stand in it."""

    node: ast.stmt
    source: str
    binds: frozenset[str]
    mentions: frozenset[str]


Bindings = Mapping[str, Sequence[Statement]]
"""By name, the statements that say what it is."""


def find(exercise: str, sources: Sequence[str], names: Iterable[str], own_modules: Collection[str] = ()) -> str:
    """The first off-limits API that an answer uses, as written there, or "".

    Searched is the last definition of the exercise and what it uses of the notebook's own functions and names, not a
    student's own tests around it. Whatever module an API comes from, its last name is what counts: `scipy.special.softmax`
    is as much the answer as `keras.ops.softmax`.

    Args:
        exercise: Name of the callable.
        sources: The code of the notebook's cells up to the exercise's check, in the order in which they run.
        names: Dotted names that are off-limits.
        own_modules: Modules that were handed in beside the notebook: what is imported from them is the student's own.
    """
    last = {name: [statement] for statement in _statements(sources) for name in statement.binds}
    banned = _last_names(names)
    for name, statement in _reachable(exercise, last):
        for node in ast.walk(statement.node):
            if isinstance(node, ast.Attribute) and _is_api(node, banned):
                return ast.unparse(node)
            if isinstance(node, ast.ImportFrom) and _root(node.module) not in own_modules:
                for item in node.names:
                    if item.name in banned and (node is not statement.node or name == (item.asname or item.name)):
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
    statements = list(_statements(sources))
    answer = list(_reachable(exercise, _bindings(exercise, statements)))
    if not answer:
        return "the answer's source could not be found, so it was not searched for off-limits APIs."
    traits = [_traits(source) for source in sources]
    if any(trait.takes_probe for trait in traits):
        return "the notebook's code reaches into course.probe, which no answer needs."
    imported = frozenset().union(*(trait.imports for trait in traits))
    if found := sorted(imported & set(own_modules)):
        return f"the notebook imports {found[0]}, which was handed in beside it and has not been searched."
    banned = _last_names(names)
    for _, statement in answer:
        for node in ast.walk(statement.node):
            for word in sorted(_words(node)):
                if word in EVASIVE and not (isinstance(node, ast.Attribute) and word in METHODS):
                    return f"the answer uses {word}, so its calls cannot be read off its source."
                if (isinstance(node, ast.ImportFrom) and word in banned) or _is_api(node, banned):
                    return f"a part of the answer, or what it may once have been, uses {word}, which is off-limits."
    if banned and any(trait.imports_all for trait in traits):
        return "the notebook imports * from a module, so what a name means cannot be read off its source."
    if kept := next((node for trait in traits for node in trait.hands_on if _is_api(node, banned)), None):
        return f"the notebook hands {ast.unparse(kept)} on without calling it, and it is off-limits."
    known = ALWAYS_THERE.union(*map(defined, [*given, *sources]))
    if unknown := sorted(name for _, statement in answer for name in used(statement.source) - known):
        return f"the answer uses the name {unknown[0]}, which no cell defines."
    return ""


# --- what an answer is made of ---


def _statements(sources: Iterable[str]) -> Iterator[Statement]:
    """Each statement; without those that are nested too deeply to be read."""
    for source in sources:
        yield from _statements_of(source)


@dataclass(frozen=True)
class _Traits:
    """What a cell does wherever it stands; `hands_on` are the attributes that it does not call at once."""

    takes_probe: bool
    imports: frozenset[str]
    imports_all: bool
    hands_on: tuple[ast.Attribute, ...]


@lru_cache(CELLS)
def _traits(source: str) -> _Traits:
    nodes = [node for statement in _statements_of(source) for node in ast.walk(statement.node)]
    return _Traits(
        any(map(_takes_probe, nodes)),
        frozenset(_root(module) for node in nodes for module in _imported(node)),
        any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in nodes),
        tuple(node for statement in _statements_of(source) for node in _handed_on(statement.node)),
    )


@lru_cache(CELLS)
def _statements_of(source: str) -> tuple[Statement, ...]:
    found = []
    for node in top_level(source):
        with suppress(RecursionError):
            text = ast.unparse(node)
            mentions = frozenset(part.id for part in ast.walk(node) if isinstance(part, ast.Name))
            found.append(Statement(node, text, defined(text), mentions))
    return tuple(found)


def _reachable(exercise: str, bindings: Bindings) -> Iterator[tuple[str, Statement]]:
    """What says what the exercise is, and each global name that it uses, directly or not."""
    pending, seen = [exercise], set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        for statement in bindings.get(name, ()):
            yield name, statement
            pending += used(statement.source)


def _bindings(exercise: str, statements: Sequence[Statement]) -> Bindings:
    """Every statement that binds a name; also those that mention one which may be filled later, such as a list."""
    found = defaultdict(list)
    for statement in statements:
        for name in statement.binds:
            found[name].append(statement)
    filled = {name for name, binding in found.items() if not all(map(_is_fixed, binding))} - {exercise}
    for statement in statements:
        for name in statement.mentions & filled - statement.binds:
            found[name].append(statement)
    return found


def _is_fixed(statement: Statement) -> bool:
    """Whether what a statement binds is what it says there: a function, a class or a module."""
    fixed = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
    return isinstance(statement.node, fixed) or isinstance(getattr(statement.node, "value", None), ast.Lambda | ast.Constant)


# --- what stands in a statement ---


def _last_names(names: Iterable[str]) -> set[str]:
    return {name.rpartition(".")[2] for name in names}


def _is_api(node: ast.AST, banned: Collection[str]) -> bool:
    # An attribute of `self` is the answer's own.
    return (
        isinstance(node, ast.Attribute)
        and node.attr in banned
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
    )


def _handed_on(statement: ast.stmt) -> Iterator[ast.Attribute]:
    """The attributes that a statement does not call at once but hands on, to where a search may not find them."""
    call = getattr(statement, "value", None)
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in SHOWS:
        return
    nodes = list(ast.walk(statement))
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    yield from (node for node in nodes if isinstance(node, ast.Attribute) and id(node) not in called)


def _words(node: ast.AST) -> set[str]:
    """The names that a node holds itself."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.Attribute):
        return {node.attr}
    return {word for module in _imported(node) for word in module.split(".")} | (
        {item.name for item in node.names} if isinstance(node, ast.ImportFrom) else set()
    )


def _imported(node: ast.AST) -> list[str]:
    """The modules that a node imports, or imports from."""
    if isinstance(node, ast.Import):
        return [item.name for item in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def _root(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _takes_probe(node: ast.AST) -> bool:
    """Whether a node takes more of `course.probe` than the set-up cell does."""
    if isinstance(node, ast.ImportFrom) and node.module == "course.probe":
        return any(item.name != "probe" or item.asname for item in node.names)
    return not isinstance(node, ast.Name) and "probe" in _words(node)
