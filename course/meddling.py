"""Finds in a notebook's code what only someone writes who wants to change the grading, or to run what is not in the notebook.

None of it is forbidden, and someone clever can hide it: it is for a person to look at.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from course.source import ELSEWHERE, Cell, written

WORDS = ("ast_transformers", "input_transformers", "COURSE_PROBE_REQUEST", "request.json", "setprofile", "settrace")
"""In whatever form they stand there."""
REACHING = frozenset(
    {
        *("publish_display_data", "display_pub", "displayhook", "iopub_socket", "iopub_thread", "run_cell", "run_cell_async"),
        *("_thread", "_getframe", "_current_frames", "f_back", "f_locals", "f_globals", "gi_frame", "cr_frame", "tb_frame"),
        *("runpy", "import_module", "reload", "exec_module", "SourceFileLoader", "__import__", "exec"),
    }
)
"""Names of what publishes, of what reaches into code that is running, and of what runs other code."""
PAIRS = frozenset({("sys", "modules"), ("session", "send")})
"""Likewise attributes, by what stands before them."""
MAGIC_CALLS = frozenset({"run_line_magic", "run_cell_magic", "magic"})
RESTED_ON = frozenset(
    {"course", "keras", "IPython", "ipykernel", "numpy", "builtins", "sys", "json", "hmac", "hashlib", "base64", "io"}
)
"""The packages whose parts the probe calls."""
SETTINGS = frozenset({"ast_node_interactivity", "stdout", "stderr"})
"""Attributes of theirs that notebooks do set."""


def meddling(source: str, cell: Cell, nodes: Sequence[ast.AST], packages: Mapping[str, str]) -> Iterator[str]:
    """What a cell does that no answer needs.

    Args:
        source: Its code.
        cell: As it was read.
        nodes: All of its syntax.
        packages: By name, the package that the notebook imports it from.
    """
    yield from (f"mentions {word}" for word in WORDS if word in source)
    yield from (f"uses the magic %{name}" for name in cell.elsewhere)
    asked = {id(part) for node in nodes if isinstance(node, ast.Compare) for part in node.comparators}  # `… in sys.modules`
    for node in nodes:
        if takes_probe(node):
            yield "reaches into course.probe"
        yield from (f"uses {word}" for word in sorted(words_of(node) & REACHING))
        if isinstance(node, ast.Attribute) and (_last(node.value), node.attr) in PAIRS and id(node) not in asked:
            yield f"uses {_last(node.value)}.{node.attr}"
        if isinstance(node, ast.Call) and _last(node.func) in MAGIC_CALLS and _runs_elsewhere(node):
            yield f"uses {_last(node.func)}"
        if isinstance(node, ast.Call) and _last(node.func) == "display" and any(word.arg == "raw" for word in node.keywords):
            yield "uses display with raw=True"
        if (changed := _changed(node)) and packages.get(_first(changed)) in RESTED_ON:
            yield f"changes {written(changed)}"


def words_of(node: ast.AST) -> set[str]:
    """The names that a node holds itself."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.Attribute):
        return {node.attr}
    return {word for module in imported(node) for word in module.split(".")} | (
        {item.name for item in node.names} if isinstance(node, ast.ImportFrom) else set()
    )


def imported(node: ast.AST) -> list[str]:
    """The modules that a node imports, or imports from."""
    if isinstance(node, ast.Import):
        return [item.name for item in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def takes_probe(node: ast.AST) -> bool:
    """Whether a node takes more of `course.probe` than the set-up cell does."""
    if isinstance(node, ast.ImportFrom) and node.module == "course.probe":
        return any(item.name != "probe" or item.asname for item in node.names)
    return not isinstance(node, ast.Name) and "probe" in words_of(node)


def _runs_elsewhere(call: ast.Call) -> bool:
    """Whether a magic is called that runs what is not in the notebook, or one that nobody can tell."""
    first = call.args[0] if call.args else None
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return True
    return first.value.lstrip("%").partition(" ")[0] in ELSEWHERE


def _changed(node: ast.AST) -> ast.expr | None:
    """The attribute that a node assigns or deletes, or that of which it assigns or deletes one."""
    if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
        return None if node.attr in SETTINGS else node
    if isinstance(node, ast.Call) and _last(node.func) in ("setattr", "delattr") and node.args:
        return node.args[0]
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        if isinstance(node.value, ast.Attribute) and node.value.attr == "__dict__":
            return node.value.value
        if isinstance(node.value, ast.Call) and _last(node.value.func) == "vars" and node.value.args:
            return node.value.args[0]
    return None


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _first(node: ast.AST) -> str:
    """The name at the beginning of a chain of attributes."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
