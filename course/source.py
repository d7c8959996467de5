"""Reads the source of notebook cells: what they define and use, as IPython would run them."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Iterator
from functools import lru_cache

ALWAYS_THERE = frozenset(dir(builtins)) | {"get_ipython", "display", "In", "Out", "exit", "quit"}
"""Names that need no definition in a notebook."""
CELLS = 256
"""How many cells' syntax is remembered: every exercise's search reads all cells above it again."""
STATEMENTS = 4096
COMPOUND = (ast.If, ast.With, ast.For, ast.While, ast.Try, ast.ExceptHandler)


@lru_cache(CELLS)
def parse(source: str) -> ast.Module | None:
    """The syntax tree of a cell, its magics left out; None if it does not parse. Not to be changed."""
    try:
        return ast.parse(without_magics(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def without_magics(source: str) -> str:
    """A cell as plain Python: IPython's own lines become `pass`, and what a magic assigns becomes None."""
    lines = source.splitlines()
    if lines and lines[0].startswith("%%"):
        lines[0] = ""  # what stands below is code to most cell magics
    lines = [re.sub(r"^(\s*)([%!?].*|[\w.]+\?+\s*)$", r"\1pass", line) for line in lines]
    return "\n".join(re.sub(r"=\s*[%!]\w.*$", "= None", line) for line in lines)


def top_level(source: str) -> Iterator[ast.stmt]:
    """The statements that run in the notebook's namespace, those inside an `if`, `with`, loop or `try` included."""
    tree = parse(source)
    pending: list[ast.AST] = [tree] if tree else []
    while pending:
        for node in ast.iter_child_nodes(pending.pop(0)):
            if isinstance(node, ast.stmt):
                yield node
            if isinstance(node, COMPOUND):
                pending.append(node)


def names_given(statement: ast.stmt) -> set[str]:
    """The names that a statement binds itself."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.ImportFrom | ast.Import):
        return {item.asname or item.name for item in statement.names}
    if isinstance(statement, COMPOUND):
        return set()  # its own statements come one by one
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


@lru_cache(STATEMENTS)
def used(source: str) -> frozenset[str]:
    """Names that a cell looks up in the notebook's namespace; none if it does not parse."""
    return frozenset(
        symbol.get_name()
        for table in _tables(source)
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module")
    )


@lru_cache(STATEMENTS)
def defined(source: str) -> frozenset[str]:
    """Names that a cell binds in the notebook's namespace; none if it does not parse."""
    return frozenset(
        symbol.get_name()
        for table in list(_tables(source))[:1]
        for symbol in table.get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    )


def _tables(source: str) -> Iterator[symtable.SymbolTable]:
    try:
        pending = [symtable.symtable(without_magics(source), "cell", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    while pending:
        table = pending.pop()
        pending += table.get_children()
        yield table
