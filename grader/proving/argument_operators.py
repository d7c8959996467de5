"""Small changes of what an answer is given: arguments ignored, constant, or taken for each other; sizes that are fixed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from grader.proving.code import Change, Code


def fixed_sizes(code: Code, samples: Mapping[str, Any]) -> Iterator[Change]:
    """A size of an argument that is constant, as it is in one call.

    Args:
        code: Of the answer.
        samples: A value of each argument, by name, as far as one is known.
    """

    def shape(node: ast.AST) -> tuple[int, ...]:
        value = samples.get(node.id) if isinstance(node, ast.Name) else None
        return value.shape if isinstance(value, np.ndarray) else ()

    for node in code.written():
        if isinstance(node, ast.Call) and code.text(node.func) == "len" and len(node.args) == 1:
            for size in shape(node.args[0])[:1]:
                yield code.swap(node, str(size))
        elif isinstance(node, ast.Attribute) and node.attr == "shape":
            above, sizes = code.parents.get(node), shape(node.value)
            every = [f"{code.text(node)}[{axis}]" for axis in range(len(sizes))]
            if not isinstance(above, ast.Subscript):
                for axis, size in enumerate(sizes):
                    new = ", ".join([*every[:axis], str(size), *every[axis + 1 :]])
                    label = f"`{every[axis]}` → `{size}`"
                    yield code.swap(node, f"({new},)" if len(every) == 1 else f"({new})", label)
            elif code.text(above) in every:
                yield code.swap(above, str(sizes[every.index(code.text(above))]))


def given(code: Code, function: ast.FunctionDef, samples: Mapping[str, Any]) -> Iterator[Change]:
    """Arguments that are ignored, constant, or taken for each other.

    Args:
        code: Of the answer.
        function: Whose arguments.
        samples: A value of each argument, by name, as far as one is known.
    """
    arguments = function.args
    defaults = dict(zip([a.arg for a in arguments.args][::-1], arguments.defaults[::-1], strict=False))
    known = [a.arg for a in [*arguments.args, *arguments.kwonlyargs] if a.arg != "self"]
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    start = code.span(body[0])[0]
    indent = " " * body[0].col_offset
    ops = "np" if "np." in code.source and "ops." not in code.source else "ops"

    def first(statement: str, label: str) -> Change:
        return Change(start, start, f"{statement}\n{indent}", label)

    for name in known:
        value = samples.get(name)
        if name in defaults:
            yield first(f"{name} = {code.text(defaults[name])}", f"`{name}` ignored: always `{code.text(defaults[name])}`")
        if isinstance(value, bool | int | float | str):
            for constant in dict.fromkeys([value, *([1, 2] if type(value) is int else [])]):
                yield first(f"{name} = {constant!r}", f"`{name}` ignored: always `{constant!r}`")
        elif isinstance(value, dict):
            yield first(f"{name} = dict(zip({list(value)!r}, {name}.values()))", f"`{name}` read by position")
            for like in ("zeros", "ones"):
                new = f"{{k: {ops}.{like}_like(v) for k, v in {name}.items()}}"
                yield first(f"{name} = {new}", f"`{name}` ignored: always {like}")
        elif isinstance(value, list | tuple):
            yield first(f"{name} = {name}[:1]", f"only the first of `{name}`")
            yield first(f"{name} = {name}[::-1]", f"`{name}` backwards")
        elif isinstance(value, np.ndarray):
            for like in ("zeros", "ones"):
                yield first(f"{name} = {ops}.{like}_like({name})", f"`{name}` ignored: always {like}")
            if len(value.shape):
                yield first(f"{name} = {ops}.flip({name}, 0)", f"`{name}` backwards")
                yield first(f"{name} = {ops}.zeros_like({name}) + {name}[:1]", f"only the first of `{name}`")
            yield from _by_kind(value.dtype.kind, name, ops, first)
    for one, two in combinations(known, 2):
        if isinstance(samples.get(one), dict) and isinstance(samples.get(two), dict):
            yield first(f"{two} = dict(zip({one}, {two}.values()))", f"`{two}` read in the order of `{one}`")
        yield first(f"{one}, {two} = {two}, {one}", f"`{one}` and `{two}` taken for each other")


def _by_kind(kind: str, name: str, ops: str, first: Callable[[str, str], Change]) -> Iterator[Change]:
    """What happens to an array of floats, of integers, of flags."""
    if kind == "f":
        for dtype, said in (("float16", "in half precision"), ("int32", "cut to integers")):
            cut = f'{name}.astype("{dtype}")' if ops == "np" else f'ops.cast(ops.cast({name}, "{dtype}"), {name}.dtype)'
            yield first(f"{name} = {cut}", f"`{name}` {said}")
    elif kind in "iu":
        new = f"np.reshape(np.unique({name}, return_inverse=True)[1], np.shape({name}))"
        yield first(f"{name} = {new}", f"`{name}` renumbered, without gaps")
        yield first(f"{name} = {name} + 1", f"`{name}` counted from 1")
    elif kind == "b":
        yield first(f"{name} = {ops}.logical_not({name})", f"`{name}` turned around")
