"""Finds off-limits APIs in the source of an answer, and what hides them.

The probe refuses what a library runs under such a name, however the answer came by it (see `course.probe`). What it cannot see,
such as code that was compiled before, is found here or is for a person.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from course.meddling import imported, meddling, words_of
from course.source import ALWAYS_THERE, defined, names_of, own_parts, read, top_level, written

EVASIVE = frozenset(
    {
        *("exec", "eval", "compile", "getattr", "globals", "locals", "vars", "dir", "__import__", "importlib", "import_module"),
        *("builtins", "modules", "ctypes", "gc", "inspect", "operator", "pickle", "marshal", "get_ipython", "deserialize"),
        *("__dict__", "__getattribute__", "__globals__", "__builtins__", "__subclasses__", "__code__", "__closure__"),
        *("threading", "_thread", "concurrent", "multiprocessing", "subprocess"),
    }
)
"""With these an answer can call anything by any name, or where nobody looks."""
METHODS = frozenset({"compile", "modules", "eval", "dir"})
"""Of those, names that are harmless as a method or attribute: `model.compile`."""
TRAINS = frozenset(
    {
        *("fit", "train_on_batch", "train_step", "minimize", "apply", "apply_gradients", "stateless_apply", "step"),
        *("gradient", "grad", "value_and_grad", "backward"),
    }
)
"""Whatever trains a model calls one of these: all of it at once, a step of it, or the gradient for a step of one's own."""
SHOWS = frozenset({"print", "display", "help"})


@dataclass(frozen=True)
class Statement:
    """What is known of a statement of a notebook, without the statements inside it.

    Args:
        cell: The number of its cell.
        binds: Names that it binds.
        uses: Names that it looks up in the notebook's namespace.
        attributes: By name, the first of each that is not of `self`.
        own: Attributes of `self`.
        imports: By name, the modules that it imports it from inside a function.
        brings: By name that it binds, the module and the name that it imports.
        words: What hides its calls, and what its imports name.
        texts: The texts that stand in it.
    """

    cell: int
    binds: frozenset[str]
    uses: frozenset[str]
    attributes: Mapping[str, ast.Attribute]
    own: frozenset[str]
    imports: Mapping[str, Collection[str]]
    brings: Mapping[str, tuple[str, str]]
    words: frozenset[str]
    texts: frozenset[str]


class Search:
    """A notebook's code, read once, in which each exercise's answer is searched.

    Args:
        cells: The code of the notebook's cells, in the order in which they run.
        given: The numbers of those that were handed out, such as the set-up cell: every cell may use their names.
        own_modules: Modules that were handed in beside the notebook: what is imported from them is the student's own, and
            they are not searched.
    """

    def __init__(self, cells: Sequence[str], given: Collection[int] = (), own_modules: Collection[str] = ()) -> None:
        self._own_modules = own_modules
        self._end = len(cells)
        self._statements: list[Statement] = []
        # By name, the numbers of the statements that bind it, and of those that mention it.
        self._binding: dict[str, list[int]] = defaultdict(list)
        self._mentioning: dict[str, list[int]] = defaultdict(list)
        # By what is found, the first cell in which it is; of attributes that are handed on, their text with it.
        self._known = dict.fromkeys(ALWAYS_THERE, -1)
        self._filled: dict[str, int] = {}
        self._imported: dict[str, int] = {}
        self._handed_on: dict[str, tuple[int, ast.Attribute]] = {}
        self._unread: dict[str, int] = {}
        self._meddling: dict[str, int] = {}
        self._methods: set[str] = set()  # of classes that the notebook defines
        self._packages = packages = dict[str, str]()
        for number, source in enumerate(cells):
            for name in defined(source):
                self._known.setdefault(name, number)
            statements = list(top_level(source))
            nodes = []
            for statement in statements:
                inside = [node for part in own_parts(statement) for node in ast.walk(part)]
                packages |= {name: package for node in inside for name, package in _packages(node)}
                nodes += inside
                if number not in given:
                    self._add(number, statement, inside)
                    self._methods |= {name for node in inside for name in _methods(node)}
            if number not in given:
                cell = read(source)
                if cell.unread:
                    self._unread.setdefault(cell.unread, number)
                for sign in meddling(source, cell, nodes, packages):
                    self._meddling.setdefault(sign, number)

    def find(self, exercise: str, names: Iterable[str], above: int | None = None) -> str:
        """The first off-limits API that an answer uses, as written there, or "".

        Searched is the last definition of the exercise and what it uses of the notebook's own functions and names, not a
        student's own tests around it. Whatever module an API comes from, its last name is what counts:
        `scipy.special.softmax` is as much the answer as `keras.ops.softmax`. A method of a class that the notebook defines
        is the student's own: what a library runs under that name, the probe sees, and `doubts` asks a person.

        Args:
            exercise: Name of the callable.
            names: Dotted names that are off-limits.
            above: The number of cells above the exercise's check; all of them by default.
        """
        end = self._end if above is None else above
        banned = sorted(_last_names(names))
        for name, statement in self._reachable(exercise, lambda name: self._binders(name, end)[-1:]):
            for word in banned:
                if word in statement.attributes and not self._is_own(statement.attributes[word]):
                    return written(statement.attributes[word]) or word
                for module in statement.imports.get(word, ()):
                    if _root(module) not in self._own_modules:
                        return f"{module}.{word}"
            module, word = statement.brings.get(name, ("", ""))
            if word in banned and _root(module) not in self._own_modules:
                return f"{module}.{word}"
        return ""

    def doubts(self, exercise: str, names: Iterable[str], above: int | None = None) -> str:
        """Why a person should look at how an answer is written, or ""; it keeps its points meanwhile.

        Args:
            exercise: Name of the callable.
            names: Dotted names that are off-limits.
            above: As for `find`.
        """
        end = self._end if above is None else above
        if unread := _first_of(self._unread, end):
            return f"{unread}, so the notebook was not searched for off-limits APIs."
        reached = self._reachable(exercise, lambda name: self._once_bound(name, exercise, end))
        answer = {id(statement): statement for _, statement in reached}.values()
        if not answer:
            return "the answer's source could not be found, so it was not searched for off-limits APIs."
        if found := [name for name in sorted(self._own_modules) if self._imported.get(name, end) < end]:
            return f"the notebook imports {found[0]}, which was handed in beside it and has not been searched."
        banned = _last_names(names)
        for statement in answer:
            if word := min(statement.words & EVASIVE, default=""):
                return f"the answer uses {word}, so its calls cannot be read off its source."
            if word := min(banned & (statement.words | statement.attributes.keys()), default=""):
                return f"a part of the answer, or what it may once have been, uses {word}, which is off-limits."
            if word := min(banned & statement.texts, default=""):
                return f"the answer names {word} in a text, and it is off-limits."
        if banned and self._imported.get("*", end) < end:
            return "the notebook imports * from a module, so what a name means cannot be read off its source."
        for word in sorted(banned & self._handed_on.keys()):
            cell, kept = self._handed_on[word]
            if cell < end:
                return f"the notebook hands {written(kept) or word} on without calling it, and it is off-limits."
        if unknown := sorted(name for part in answer for name in part.uses if self._known.get(name, end) >= end):
            return f"the answer uses the name {unknown[0]}, which no cell defines."
        if sign := _first_of(self._meddling, end):
            return f"the notebook's code {sign}, which no answer needs."
        return ""

    def trains(self, exercise: str, above: int | None = None) -> bool:
        """Whether an answer, or what it may once have been, calls anything that trains a model.

        Args:
            exercise: Name of the callable.
            above: As for `find`.
        """
        end = self._end if above is None else above
        answer = self._reachable(exercise, lambda name: self._once_bound(name, exercise, end))
        return any(not TRAINS.isdisjoint(_named(statement)) for _, statement in answer)

    def _is_own(self, attribute: ast.Attribute) -> bool:
        """Whether an attribute is a method that the notebook defines, and not of anything that it imports."""
        root: ast.AST = attribute
        while isinstance(root, ast.Attribute | ast.Call | ast.Subscript):
            root = root.func if isinstance(root, ast.Call) else root.value
        return attribute.attr in self._methods and not (isinstance(root, ast.Name) and root.id in self._packages)

    # --- what an answer is made of ---

    def _reachable(self, exercise: str, bound: Callable[[str], Sequence[int]]) -> Iterator[tuple[str, Statement]]:
        """What says what the exercise is, and each global name that it uses, directly or not."""
        pending, seen, followed = [exercise], set(), set()
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            for number in bound(name):
                statement = self._statements[number]
                yield name, statement
                if number not in followed:
                    followed.add(number)
                    pending += sorted(statement.uses)

    def _binders(self, name: str, end: int) -> list[int]:
        """The statements above a cell that bind a name."""
        return self._above(self._binding.get(name, []), end)

    def _once_bound(self, name: str, exercise: str, end: int) -> list[int]:
        """Those; also the ones that mention a name which may be filled later, such as a list."""
        filled = name != exercise and self._filled.get(name, end) < end
        return self._binders(name, end) + (self._above(self._mentioning.get(name, []), end) if filled else [])

    def _above(self, numbers: list[int], end: int) -> list[int]:
        return numbers[: bisect_left(numbers, end, key=lambda number: self._statements[number].cell)]

    # --- reading ---

    def _add(self, cell: int, node: ast.stmt, inside: Sequence[ast.AST]) -> None:
        """Note a statement, and what stands in it."""
        names = names_of(own_parts(node))
        attributes: dict[str, ast.Attribute] = {}
        imports: dict[str, set[str]] = defaultdict(set)
        words, texts, mentions, own = set(), set(), set(), set()
        called = _called(node, inside)
        for part in inside:
            words |= words_of(part) & EVASIVE - (METHODS if isinstance(part, ast.Attribute) else set())
            if isinstance(part, ast.Name):
                mentions.add(part.id)
            elif isinstance(part, ast.Constant) and isinstance(part.value, str | bytes):
                text = part.value if isinstance(part.value, str) else part.value.decode("latin-1")
                texts.add(text.rpartition(".")[2])
            elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "self":
                own.add(part.attr)
            elif isinstance(part, ast.Attribute):
                attributes.setdefault(part.attr, part)
                if called is not None and id(part) not in called:
                    self._handed_on.setdefault(part.attr, (cell, part))
            elif isinstance(part, ast.ImportFrom):
                words |= words_of(part)
                for item in part.names if part is not node else ():
                    imports[item.name].add(part.module or "")
            for module in imported(part):
                self._imported.setdefault(_root(module), cell)
            if isinstance(part, ast.ImportFrom) and part.names[0].name == "*":
                self._imported.setdefault("*", cell)
        brings = {}
        if isinstance(node, ast.ImportFrom):
            brings = {item.asname or item.name: (node.module or "", item.name) for item in node.names}
        number = len(self._statements)
        self._statements.append(
            Statement(
                *(cell, names.bound, names.used, attributes, frozenset(own), imports, brings),
                *(frozenset(words), frozenset(texts)),
            )
        )
        for name in names.bound:
            self._binding[name].append(number)
            if not _is_fixed(node):
                self._filled.setdefault(name, cell)
        for name in mentions - names.bound:
            self._mentioning[name].append(number)


def _named(statement: Statement) -> set[str]:
    """The names in a statement under which it may call what was made elsewhere."""
    brought = {name for _, name in statement.brings.values()}
    return {*statement.attributes, *statement.own, *statement.uses, *statement.imports, *brought}


def _is_fixed(node: ast.stmt) -> bool:
    """Whether what a statement binds is what it says there: a function, a class or a module."""
    fixed = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
    return isinstance(node, fixed) or isinstance(getattr(node, "value", None), ast.Lambda | ast.Constant)


def _called(node: ast.stmt, inside: Sequence[ast.AST]) -> set[int] | None:
    """The attributes that a statement calls at once; others it hands on, to where a search may not find them. None if it
    only shows something."""
    call = getattr(node, "value", None)
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in SHOWS:
        return None
    return {id(part.func) for part in inside if isinstance(part, ast.Call)}


def _methods(node: ast.AST) -> Iterator[str]:
    """The methods of a class."""
    if isinstance(node, ast.ClassDef):
        yield from (part.name for part in node.body if isinstance(part, ast.FunctionDef))


def _packages(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The names that a node imports, and from which packages."""
    if isinstance(node, ast.Import):
        yield from ((item.asname or _root(item.name), _root(item.name)) for item in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from ((item.asname or item.name, _root(node.module)) for item in node.names)


def _last_names(names: Iterable[str]) -> set[str]:
    return {name.rpartition(".")[2] for name in names}


def _root(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _first_of(found: Mapping[str, int], end: int) -> str:
    return next((what for what, cell in found.items() if cell < end), "")
