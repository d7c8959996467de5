"""Small changes of any program, each as a student could have made it.

Those of the field are in `field_operators`, those of what an answer is given in `argument_operators`.

Those that every tool for mutants has (`cosmic-ray`, `mutmut`) are the smaller part, and come with a second parser and a dozen
more packages; so all of them are here, over the syntax tree that Python has. An operator gets a source and a node of its tree,
and gives the changes of this node.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from grader.proving.code import Change, Code

Operator = Callable[[Code, ast.AST], Iterator[Change]]

ARITHMETIC: dict[type[ast.operator], tuple[str, tuple[str, ...]]] = {
    ast.Add: ("+", ("-", "*")),
    ast.Sub: ("-", ("+",)),
    ast.Mult: ("*", ("/", "+")),
    ast.Div: ("/", ("*", "//")),
    ast.FloorDiv: ("//", ("*", "/")),
    ast.Mod: ("%", ("//",)),
    ast.Pow: ("**", ("*",)),
    ast.MatMult: ("@", ("*",)),
    ast.BitAnd: ("&", ("|",)),
    ast.BitOr: ("|", ("&",)),
}
COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">")),
    ast.LtE: ("<=", ("<", ">=")),
    ast.Gt: (">", (">=", "<")),
    ast.GtE: (">=", (">", "<=")),
    ast.Eq: ("==", ("!=", "<=", ">=")),
    ast.NotEq: ("!=", ("==", ">", "<")),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}


DROPPED = (ast.Assign, ast.AugAssign, ast.Expr, ast.If, ast.For)
"""Statements that may be left out."""


def arithmetic(code: Code, node: ast.AST) -> Iterator[Change]:
    """Another operator, one side dropped, the sides changed about."""
    if not isinstance(node, ast.BinOp):
        return
    left, right = code.wrapped(node.left), code.wrapped(node.right)
    symbol, others = ARITHMETIC.get(type(node.op), ("", ()))
    if not symbol:
        return
    for other in others:
        yield code.swap(node, f"{left} {other} {right}", f"`{symbol}` → `{other}`")
    yield code.swap(node, code.text(node.left), f"`{symbol} {code.text(node.right)}` dropped")
    yield code.swap(node, code.text(node.right), f"`{code.text(node.left)} {symbol}` dropped")
    if isinstance(node.op, ast.Sub | ast.Div | ast.FloorDiv | ast.Pow | ast.MatMult):
        yield code.swap(node, f"{right} {symbol} {left}", f"sides of `{symbol}` swapped")


def comparison(code: Code, node: ast.AST) -> Iterator[Change]:
    """Another comparison."""
    if not isinstance(node, ast.Compare):
        return
    for left, op, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
        symbol, others = COMPARISONS[type(op)]
        start, gap = code.between(left, right)
        for other in others:
            new = re.sub(rf"(?<![\w<>=!]){re.escape(symbol)}(?![\w<>=])", other, gap, count=1)
            yield Change(start, start + len(gap), new, f"`{symbol}` → `{other}`")


def boolean(code: Code, node: ast.AST) -> Iterator[Change]:
    """`and` for `or`, a condition dropped or turned around."""
    if isinstance(node, ast.BoolOp):
        word = "and" if isinstance(node.op, ast.And) else "or"
        other = "or" if word == "and" else "and"
        values = [code.wrapped(value) for value in node.values]
        yield code.swap(node, f" {other} ".join(values), f"`{word}` → `{other}`")
        for k, value in enumerate(node.values):
            rest = f" {word} ".join(values[:k] + values[k + 1 :])
            yield code.swap(node, rest, f"`{code.text(value)}` dropped")
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        yield code.swap(node, code.text(node.operand), f"`{code.text(node).split(code.text(node.operand))[0].strip()}` dropped")
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        for new in (f"not ({code.text(node.test)})", "True", "False"):
            if isinstance(node, ast.While) and new == "True":
                continue
            yield code.swap(node.test, new)


def numbers(code: Code, node: ast.AST) -> Iterator[Change]:
    """Neighbours of an integer, and of an axis all that are small; a number of the wrong size; a flag, turned around."""
    signed = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)
    if isinstance(node, ast.Constant) and not isinstance(code.parents.get(node), ast.UnaryOp):
        value = node.value
    elif signed:
        value = -node.operand.value  # type: ignore[attr-defined]
    else:
        return
    if isinstance(value, bool):
        others: list[object] = [not value]
    elif isinstance(value, int):
        others = [-2, 0, 1, 2] if value == -1 else [-1, 1, 2] if value == 0 else [value - 1, value + 1, -value]
        others += [value // 2, 2 * value] if value > 4 else []
    elif isinstance(value, float) and value == value:
        near = [0.0, 1.0] if abs(value) <= 2 else [value / 10, value * 10]
        others = [*near, *([value * 2, value / 2, -value] if value else [-1.0, 0.1])]
    else:
        return
    for other in others:
        if other != value:
            yield code.swap(node, repr(other))


def constants_of_arrays(code: Code, node: ast.AST) -> Iterator[Change]:
    """Infinity becomes finite or turns around."""
    if isinstance(node, ast.Attribute) and node.attr in ("inf", "pi"):
        for new in ("0.0", "1.0", "100.0", "1e4", f"-{code.text(node)}"):
            yield code.swap(node, new)


def order(code: Code, node: ast.AST) -> Iterator[Change]:
    """Two neighbours changed about: arguments of a call, items of a tuple, values of a dict."""
    if isinstance(node, ast.Call):
        items = [item for item in node.args if not isinstance(item, ast.Starred)]
    elif isinstance(node, ast.Tuple | ast.List) and isinstance(node.ctx, ast.Load):
        items = [item for item in node.elts if not isinstance(item, ast.Starred)]
    elif isinstance(node, ast.Dict):
        items = list(node.values)
    else:
        return
    for left, right in pairwise(items):
        old, (start, _), (_, end) = (code.text(left), code.text(right)), code.span(left), code.span(right)
        _, gap = code.between(left, right)
        key = re.search(r'(["\'])(\w+)\1\s*:\s*$', gap)
        if old[0] != old[1]:
            said = f"the value before and the value of {key[2]!r} swapped" if key else f"`{old[0]}` and `{old[1]}` swapped"
            yield Change(start, end, f"{old[1]}{gap}{old[0]}", said)


def arguments(code: Code, node: ast.AST) -> Iterator[Change]:
    """A keyword or the last argument of a call left out; the call left out, what it was given stays; the call doubled."""
    if not isinstance(node, ast.Call):
        return
    parts = [*node.args, *node.keywords]
    for part in [*node.args[-1:], *node.keywords] if len(parts) > 1 else []:
        kept = ", ".join(code.text(other) for other in parts if other is not part)
        yield code.swap(node, f"{code.text(node.func)}({kept})", f"`{code.text(part)}` left out of `{code.text(node.func)}`")
    text = code.text(node)
    method = isinstance(node.func, ast.Attribute) and not _is_module(node.func.value)
    if node.args and not isinstance(node.args[0], ast.Starred) and not text.startswith("super"):
        yield code.swap(node, code.text(node.args[0]), f"`{code.text(node.func)}` left out")
        rest = "".join(f", {code.text(other)}" for other in parts[1:])
        if not method or (isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)):
            yield code.swap(node, f"{code.text(node.func)}({text}{rest})", f"`{code.text(node.func)}` twice")
    if method and isinstance(node.func, ast.Attribute) and not text.startswith("super"):
        yield code.swap(node, code.text(node.func.value), f"`.{node.func.attr}(…)` left out")


def _is_module(node: ast.AST) -> bool:
    return (isinstance(node, ast.Name) and node.id in ("ops", "np", "keras", "layers", "math")) or (
        isinstance(node, ast.Attribute) and _is_module(node.value)
    )


def slices(code: Code, node: ast.AST) -> Iterator[Change]:
    """The first or the last left out, of a slice, of a loop; a slice turned around or without its bounds."""
    if isinstance(node, ast.Slice):
        low, high, step = (code.text(part) if part else "" for part in (node.lower, node.upper, node.step))
        tail = f":{step}" if step else ""
        if not low:
            yield code.swap(node, f"1:{high}{tail}")
        else:
            yield code.swap(node, f":{high}{tail}")
        if not high:
            yield code.swap(node, f"{low}:-1{tail}")
        else:
            yield code.swap(node, f"{low}:{tail}")
            yield code.swap(node, f"{low}:{high} - 1{tail}")
            yield code.swap(node, f"{low}:{high} + 1{tail}")
        if step:
            yield code.swap(node, f"{low}:{high}")
        if not (low or high or step):
            yield code.swap(node, "::-1")
    elif isinstance(node, ast.For | ast.comprehension):
        every = code.text(node.iter)
        yield code.swap(node.iter, f"list({every})[1:]", f"the first of `{every}` left out")
        yield code.swap(node.iter, f"list({every})[:-1]", f"the last of `{every}` left out")
        yield code.swap(node.iter, f"list({every})[::-1]", f"`{every}` backwards")
        for condition in node.ifs if isinstance(node, ast.comprehension) else []:
            yield code.swap(condition, "True", f"`if {code.text(condition)}` dropped")


def statements(code: Code, node: ast.AST) -> Iterator[Change]:
    """A statement left out, two in the other order, a sign, what is returned squeezed or incomplete."""
    for name in ("body", "orelse"):
        block = getattr(node, name, None)
        if not isinstance(block, list) or isinstance(node, ast.Module | ast.ClassDef):
            continue
        for statement in block:
            text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if isinstance(statement, DROPPED) and not text and statement.lineno in code.lines:
                yield code.swap(statement, "pass", f"`{_first_line(code.text(statement))}` left out")
        for one, two in pairwise(block):
            if isinstance(one, ast.Assign | ast.AugAssign) and isinstance(two, ast.Assign | ast.AugAssign):
                _, gap = code.between(one, two)
                begin, end = code.span(one)[0], code.span(two)[1]
                label = f"`{_first_line(code.text(one))}` after the next statement"
                if one.lineno in code.lines:
                    yield Change(begin, end, f"{code.text(two)}{gap}{code.text(one)}", label)
    if (
        isinstance(node, ast.Assign | ast.Return)
        and node.value
        and not isinstance(node.value, ast.Tuple | ast.Dict | ast.DictComp)
    ):
        said = "returned" if isinstance(node, ast.Return) else f"`{code.text(node.targets[0])}`"
        if not isinstance(node.value, ast.Compare | ast.ListComp):
            yield code.swap(node.value, f"-{code.wrapped(node.value)}", f"sign of what is {said}")
        if isinstance(node, ast.Return):
            yield code.swap(node.value, f"np.squeeze({code.text(node.value)})", "what is returned squeezed")
            yield code.swap(node.value, f"{code.text(node.value)} + 1", "1 added to what is returned")
            yield code.swap(node.value, f"2 * {code.wrapped(node.value)}", "what is returned doubled")
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and len(node.value.elts) > 1:
        yield code.swap(node.value, code.text(node.value.elts[0]), "only the first is returned")
    if isinstance(node, ast.IfExp):
        yield code.swap(node, code.text(node.body), "always the first branch")
        yield code.swap(node, code.text(node.orelse), "always the second branch")


def _first_line(text: str) -> str:
    first, _, rest = text.partition("\n")
    return f"{first} …" if rest else first


def names(code: Code, node: ast.AST) -> Iterator[Change]:
    """Another variable, attribute of `self`, or key, of those that are used beside it."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for other in _names_beside(code, node):
            yield code.swap(node, other)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        used = {n.attr for n in code.written() if isinstance(n, ast.Attribute) and code.text(n.value) == "self"}
        called = {n.func.attr for n in code.written() if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)}
        for other in sorted(used - {node.attr}):
            if (other in called) == (node.attr in called):
                yield code.swap(node, f"self.{other}")
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        used = {
            n.slice.value
            for n in code.written()
            if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant) and isinstance(n.slice.value, str)
        }
        for key in sorted(used - {node.slice.value}):
            yield code.swap(node.slice, f'"{key}"')


def _names_beside(code: Code, node: ast.Name) -> list[str]:
    """Parameters for a parameter, variables for a variable, that have a value by then."""
    given = [*_parameters(code, node)]
    stored = [
        n.id for n in code.written() if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n.lineno < node.lineno
    ]
    beside = given if node.id in given else stored if node.id in stored else []
    return [other for other in dict.fromkeys(beside) if other not in (node.id, "_")]


def _parameters(code: Code, node: ast.AST) -> list[str]:
    step: ast.AST | None = node
    found: list[str] = []
    while step := code.parents.get(step) if step else None:
        if isinstance(step, ast.FunctionDef):
            found += [argument.arg for argument in [*step.args.args, *step.args.kwonlyargs] if argument.arg != "self"]
    return found


GENERAL: tuple[Operator, ...] = (
    arithmetic,
    comparison,
    boolean,
    numbers,
    constants_of_arrays,
    order,
    arguments,
    slices,
    statements,
    names,
)
