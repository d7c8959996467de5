"""Reads the source of notebook cells: what they define and use, as IPython would run them.

Whatever a cell holds, reading it raises nothing and takes time in proportion to its length; what cannot be read is said to be.
"""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

ALWAYS_THERE = frozenset(dir(builtins)) | {"get_ipython", "display", "In", "Out", "exit", "quit"}
"""Names that need no definition in a notebook."""
CELLS = 256
"""How many cells' syntax is remembered: several parts of grading read the same ones."""
MAX_CELL = 100_000
"""Characters of a cell that is read."""
COMPOUND = (ast.If, ast.With, ast.For, ast.While, ast.Try, ast.TryStar, ast.Match)
BRANCH = (ast.ExceptHandler, ast.match_case)
UNREAD = (ValueError, RecursionError, MemoryError, OverflowError)
"""What Python raises of sources that are no errors of syntax: null bytes, numbers too long to be written, too deep nesting."""
DOTTED = re.compile(r"(?:\.[ \t\\\n]*+\w++[ \t\\\n]*+){200}")
"""A name of so many parts that Python takes minutes to parse it: its time for an import grows with their square."""


@dataclass(frozen=True)
class Cell:
    """A cell as it was read.

    Args:
        tree: Its syntax without magics, not to be changed; None if it does not parse.
        elsewhere: The magics that run, or write, what is not in the notebook. Code that a magic runs is part of the tree.
        unread: Why nobody knows what it does, or "". An error of syntax is no such reason: Python will not run it either.
    """

    tree: ast.Module | None
    elsewhere: Sequence[str] = ()
    unread: str = ""


@lru_cache(CELLS)
def read(source: str) -> Cell:
    """Read a cell, whatever it is."""
    if len(source) > MAX_CELL:
        return Cell(None, unread=f"a cell is longer than {MAX_CELL} characters")
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    try:
        if DOTTED.search(source):
            raise RecursionError
        if tree := _parsed(source):
            return Cell(tree)
        plain, elsewhere = _without_magics(source)
        tree = _parsed(plain)
        return Cell(tree, elsewhere, "" if tree or not ODD.search(source) else "a cell is written as only IPython reads it")
    except UNREAD:
        return Cell(None, unread="a cell is nested too deeply or holds what Python cannot read")


def parse(source: str) -> ast.Module | None:
    """The syntax tree of a cell, its magics left out; None if it does not parse. Not to be changed."""
    return read(source).tree


def parse_anew(source: str) -> ast.Module | None:
    """The syntax tree of plain Python, to be changed; None if it cannot be read."""
    try:
        return _parsed(source)
    except UNREAD:
        return None


def written(node: ast.AST) -> str:
    """The source of a node; "" if Python cannot write what it could read."""
    try:
        return ast.unparse(node)
    except UNREAD:
        return ""


def _parsed(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a student wrote, nobody who grades can mend it
            return ast.parse(source)
    except SyntaxError:
        return None


# --- IPython's own lines ---

LINE = re.compile(r"(\s*)([%!?])(.*)")
HELP = re.compile(r"(\s*)[\w.]+\?+\s*")
ASSIGNED = re.compile(r"([^='\"#(]*=)\s*([%!])(\w.*)")
NAMED = re.compile(r"(\w+)\s*(.*)")
OPTIONS = re.compile(r"(?:-\w++(?:\s++\d++)?(?:\s++|$))*+")
ODD = re.compile(r"\A[ \t]|^[ \t]*+(?:[%!?,;/]|>>>|In \[)", flags=re.MULTILINE)
"""What IPython may run though it is no Python: magics, calls without brackets, prompts, a cell that is indented as a whole."""
RUNNERS = frozenset({"time", "timeit", "prun", "memit", "lprun", "mprun"})
"""Magics whose argument is code."""
ELSEWHERE = frozenset(
    {"run", "load", "loadpy", "load_ext", "reload_ext", "macro", "rerun", "recall", "rep", "edit", "ed", "writefile", "file"}
)
"""Magics that run, or write, what is not in the notebook."""
TEXTS = frozenset(
    {"html", "HTML", "latex", "markdown", "javascript", "js", "svg", "SVG", "bash", "sh", "script", "writefile", "file"}
)
"""Magics of whole cells that are no Python of this kernel's."""
EXTENSIONS = frozenset({"autoreload", "tensorboard"})
"""What `%load_ext` may load: it is known."""


def _without_magics(source: str) -> tuple[str, tuple[str, ...]]:
    """A cell as plain Python: code that a magic runs is kept, other lines of IPython's own become `pass` or None."""
    lines = source.strip("\n").split("\n")
    elsewhere: list[str] = []
    alone = NAMED.fullmatch(lines[0])
    if len(lines) == 1 and alone and alone[1] in RUNNERS | ELSEWHERE:
        lines[0] = f"%{lines[0]}"  # alone in its cell, a magic needs no sign
    if lines[0].startswith("%%"):
        name = NAMED.match(lines[0], 2)
        lines[0] = _run_by(lines[0][2:], elsewhere)
        if name and name[1] in TEXTS:
            del lines[1:]
    for number, line in enumerate(lines):
        if found := LINE.fullmatch(line):
            lines[number] = found[1] + (_run_by(found[3], elsewhere) if found[2] == "%" else "pass")
        elif found := HELP.fullmatch(line):
            lines[number] = f"{found[1]}pass"
        elif found := ASSIGNED.fullmatch(line):
            code = _run_by(found[3], elsewhere) if found[2] == "%" else "pass"
            lines[number] = f"{found[1]} {'None' if code == 'pass' else f'({code})'}"
    return "\n".join(lines), tuple(elsewhere)


def _run_by(text: str, elsewhere: list[str]) -> str:
    """The code that a magic runs, or `pass`."""
    found = NAMED.fullmatch(text.strip())
    if not found:
        return "pass"
    name, argument = found.groups()
    if name in ELSEWHERE and not (name.endswith("load_ext") and argument.strip() in EXTENSIONS):
        elsewhere.append(name)
    code = argument[OPTIONS.match(argument).end() :] if name in RUNNERS else ""  # type: ignore[union-attr]  # matches "", too
    return code if code and _parsed(code) else "pass"


# --- statements ---


def top_level(source: str) -> Iterator[ast.stmt]:
    """The statements that run in the notebook's namespace, in order, those inside an `if`, `with`, loop or `try` included."""
    tree = parse(source)
    pending: list[ast.AST] = [tree] if tree else []
    while pending:
        node = pending.pop()
        if isinstance(node, ast.stmt):
            yield node
        if isinstance(node, (ast.Module, *COMPOUND, *BRANCH)):
            pending += reversed([child for child in ast.iter_child_nodes(node) if isinstance(child, (ast.stmt, *BRANCH))])


def own_parts(statement: ast.stmt) -> list[ast.AST]:
    """What is a statement's own: not the statements inside an `if`, `with`, loop or `try`, which come one by one."""
    if not isinstance(statement, COMPOUND):
        return [statement]
    parts: list[ast.AST] = []
    pending: list[ast.AST] = [statement]
    while pending:
        children = list(ast.iter_child_nodes(pending.pop()))
        pending += [child for child in children if isinstance(child, BRANCH)]
        parts += [child for child in children if not isinstance(child, (ast.stmt, *BRANCH))]
    return parts


def names_given(statement: ast.stmt) -> set[str]:
    """The names that a statement binds itself."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.ImportFrom | ast.Import):
        return {item.asname or item.name for item in statement.names}
    if isinstance(statement, COMPOUND):
        return set()  # its own statements come one by one
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


# --- names ---


@dataclass(frozen=True)
class Names:
    """Names of the notebook's namespace that some code looks up there, and those that it binds there."""

    used: frozenset[str]
    bound: frozenset[str]


def used(source: str) -> frozenset[str]:
    """Names that a cell looks up in the notebook's namespace; none if it does not parse."""
    return _names_in(source).used


def defined(source: str) -> frozenset[str]:
    """Names that a cell binds in the notebook's namespace; none if it does not parse."""
    return _names_in(source).bound


@lru_cache(CELLS)
def _names_in(source: str) -> Names:
    tree = parse(source)
    return names_of([tree] if tree else [])


class _Scope:
    """Where names are looked up: a function's or, transparent to what lies in it, a class's or a comprehension's.

    Python's own `symtable` says the same of a whole source, but not of a statement in it without writing and reading it anew.
    """

    def __init__(self, node: ast.AST | None = None, outer: _Scope | None = None) -> None:
        self.outer = outer
        self.is_class = isinstance(node, ast.ClassDef)
        self.is_comprehension = isinstance(node, COMPREHENSION)
        inherited: str = outer.class_name if outer else ""
        self.class_name: str = node.name.lstrip("_") if isinstance(node, ast.ClassDef) else inherited
        self.used: set[str] = set()
        self.bound: set[str] = set()
        self.from_module: set[str] = set()
        self.from_outer: set[str] = set()

    def known_as(self, name: str) -> str:
        """A name as Python knows it inside a class, where two underscores before it hide it."""
        hidden = self.class_name and name.startswith("__") and not name.endswith("__")
        return f"_{self.class_name}{name}" if hidden else name

    @property
    def function(self) -> _Scope:
        """Where `:=` binds."""
        scope = self
        while scope.is_comprehension and scope.outer:
            scope = scope.outer
        return scope

    def resolve(self, module: _Scope) -> None:
        """Hand on what is looked up further out; called of the innermost scopes first."""
        around = self.outer
        while around and around.is_class:
            around = around.outer
        module.used |= self.used & self.from_module
        (around or module).used |= self.used - self.from_module - (self.bound - self.from_outer)


COMPREHENSION = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def names_of(parts: Iterable[ast.AST]) -> Names:
    """What code of the notebook's namespace uses and binds there."""
    module = _Scope()
    scopes: list[_Scope] = []
    pending: list[tuple[Any, _Scope]] = [(part, module) for part in parts]

    def inside(node: ast.AST, outer: _Scope) -> _Scope:
        scopes.append(_Scope(node, outer))
        return scopes[-1]

    while pending:
        node, scope = pending.pop()
        if isinstance(node, ast.Name):
            if node.id == "__class__" and scope.class_name:
                continue  # Python's own, in every class
            (scope.used if isinstance(node.ctx, ast.Load) else scope.bound).add(scope.known_as(node.id))
        elif isinstance(node, ast.NamedExpr):
            pending += [(node.target, scope.function), (node.value, scope)]
        elif isinstance(node, COMPREHENSION):
            inner = inside(node, scope)
            first, *others = node.generators
            pending += [(first.iter, scope), (first.target, inner), *((part, inner) for part in (*first.ifs, *others))]
            results = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
            pending += [(part, inner) for part in results]
        elif isinstance(node, (*FUNCTION, ast.ClassDef)):
            if not isinstance(node, ast.Lambda):
                scope.bound.add(scope.known_as(node.name))
            pending += [(part, scope) for part in getattr(node, "decorator_list", ())]
            around = scope
            if parameters := getattr(node, "type_params", ()):
                around = inside(parameters[0], scope)
                pending += [(part, around) for part in parameters]
            inner = inside(node, around)
            if isinstance(node, ast.ClassDef):
                pending += [(part, around) for part in (*node.bases, *node.keywords)]
            else:
                given = node.args
                pending += [(part, scope) for part in (*given.defaults, *given.kw_defaults) if part]
                arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
                inner.bound |= {inner.known_as(argument.arg) for argument in arguments}
                notes = [*(argument.annotation for argument in arguments), getattr(node, "returns", None)]
                pending += [(part, around) for part in notes if part]
            pending += [(part, inner) for part in (node.body if isinstance(node.body, list) else [node.body])]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            brought = (item.asname or item.name.partition(".")[0] for item in node.names)
            scope.bound |= {scope.known_as(name) for name in brought if name != "*"}
        elif isinstance(node, ast.Global):
            scope.from_module |= {scope.known_as(name) for name in node.names}
        elif isinstance(node, ast.Nonlocal):
            scope.from_outer |= {scope.known_as(name) for name in node.names}
        else:
            # Exceptions, patterns and parameters of types bind a plain text.
            text = node.rest if isinstance(node, ast.MatchMapping) else getattr(node, "name", None)
            if isinstance(text, str):
                scope.bound.add(scope.known_as(text))
            pending += [(part, scope) for part in ast.iter_child_nodes(node)]
    for scope in reversed(scopes):
        scope.resolve(module)
    return Names(frozenset(module.used), frozenset(module.bound))
