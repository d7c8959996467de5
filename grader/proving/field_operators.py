"""Small changes that are of this field: axes, activations, paddings, layers that get too much or too little."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from grader.proving.code import Change, Code
from grader.proving.operators import Operator

OTHERS = (
    ("sum", "mean"),
    ("max", "min"),
    ("maximum", "minimum"),
    ("argmax", "argmin"),
    ("sin", "cos"),
    ("exp", "expm1"),
    ("log", "log1p"),
    ("sqrt", "square"),
    ("var", "std"),
    ("tanh", "sigmoid"),
    ("relu", "tanh"),
    ("relu", "abs"),
    ("relu", "gelu"),
    ("relu", "leaky_relu"),
    ("softmax", "sigmoid"),
    ("softmax", "log_softmax"),
    ("logical_and", "logical_or"),
    ("not_equal", "equal"),
    ("zeros", "ones"),
    ("stack", "concatenate"),
    ("repeat", "tile"),
    ("floor", "ceil"),
    ("cumsum", "cumprod"),
    ("MaxPooling2D", "AveragePooling2D"),
    ("GlobalAveragePooling2D", "GlobalMaxPooling2D"),
    ("GlobalAveragePooling2D", "Flatten"),
    ("LSTM", "GRU"),
    ("SimpleRNN", "GRU"),
    ("Adam", "SGD"),
)
TEXTS = {
    "relu": ("tanh", "sigmoid", "linear", "leaky_relu", "gelu"),
    "tanh": ("relu", "sigmoid", "linear"),
    "sigmoid": ("tanh", "softmax", "linear"),
    "softmax": ("sigmoid", "linear"),
    "gelu": ("relu", "tanh", "linear"),
    "same": ("valid",),
    "valid": ("same",),
    "causal": ("same", "valid"),
    "float32": ("int32", "float16"),
}
KEYWORDS = {"strides": "dilation_rate", "dilation_rate": "strides", "activation": "recurrent_activation"}
ADDED = (
    ("Dense", "use_bias=False"),
    ("Conv1D", "use_bias=False"),
    ("Conv2D", "use_bias=False"),
    ("Dense", 'activation="relu"'),
    ("Dense", 'activation="softmax"'),
    ("Conv2D", 'activation="relu"'),
    ("Conv2D", "strides=2"),
    ("Embedding", "mask_zero=True"),
    ("LSTM", "go_backwards=True"),
    ("GRU", "go_backwards=True"),
    ("SimpleRNN", "go_backwards=True"),
    ("LSTM", "return_sequences=True"),
    ("GRU", "reset_after=False"),
    ("MaxPooling2D", 'padding="same"'),
)


def functions(code: Code, node: ast.AST) -> Iterator[Change]:
    """Another function of its kind: the mean for the sum, the smallest for the largest, another activation."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name = node.func.attr
        for one, two in OTHERS:
            for other in (two,) if name == one else (one,) if name == two else ():
                start = code.span(node.func)[1] - len(name)
                yield Change(start, start + len(name), other, f"`{name}` → `{other}`")
        if name == "swapaxes" and node.args:
            yield code.swap(node, f"{code.text(node.func.value)}.transpose({code.text(node.args[0])})", "all axes reversed")
        if name == "where" and node.args:
            yield code.swap(node.args[0], f"~{code.wrapped(node.args[0])}", "condition turned around")


def texts(code: Code, node: ast.AST) -> Iterator[Change]:
    """Another activation, padding or precision; of an einsum, the output's axes changed about, or two of an input."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return
    for other in TEXTS.get(node.value, ()):
        yield code.swap(node, f'"{other}"')
    if "->" in node.value:
        inputs, _, output = node.value.partition("->")
        for k in range(len(output) - 1):
            yield code.swap(node, f'"{inputs}->{output[:k]}{output[k + 1]}{output[k]}{output[k + 2 :]}"')
        for k in range(len(inputs) - 1):
            if inputs[k : k + 2].isalpha():
                yield code.swap(node, f'"{inputs[:k]}{inputs[k + 1]}{inputs[k]}{inputs[k + 2 :]}->{output}"')


def layers(code: Code, node: ast.AST) -> Iterator[Change]:
    """A keyword for its neighbour, and what a layer gets that nobody asked for: no bias, another activation, a stride."""
    if not isinstance(node, ast.Call):
        return
    for keyword in node.keywords:
        if other := KEYWORDS.get(keyword.arg or ""):
            yield code.swap(keyword, f"{other}={code.text(keyword.value)}")
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    parts = [code.text(part) for part in [*node.args, *node.keywords]]
    for layer, text in ADDED:
        if layer == name and not any(part.startswith(text.partition("=")[0]) for part in parts):
            yield code.swap(node, f"{code.text(node.func)}({', '.join([*parts, text])})", f"`{text}` given to `{name}`")


def transposed(code: Code, node: ast.AST) -> Iterator[Change]:
    """A transpose left out, or one too many."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield code.swap(node, code.text(node.value), "`.T` left out")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("matmul", "dot"):
        for item in node.args:
            yield code.swap(item, f"ops.swapaxes({code.text(item)}, -1, -2)", f"`{code.text(item)}` transposed")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        for item in (node.left, node.right):
            yield code.swap(item, f"{code.wrapped(item)}.T", f"`{code.text(item)}` transposed")


def roots(code: Code, node: ast.AST) -> Iterator[Change]:
    """A root left out, as a power."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and code.text(node.right) == "2":
        yield code.swap(node, f"abs({code.text(node.left)})", "a square that is an absolute value")


FIELD: tuple[Operator, ...] = (functions, texts, layers, transposed, roots)
