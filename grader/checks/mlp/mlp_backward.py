"""Back-propagation through tanh and softmax cross-entropy: sizes that differ, a class without a label, inputs left alone."""

from dataclasses import replace
from typing import Any

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.contracts import KEPT, doubles
from grader.judging.matching import apart, only
from grader.judging.off_limits import AUTODIFF

ABSENT, FAR = "batch without the last class", "large logits"
NAMES = ("output_kernel", "output_bias", "hidden_kernel", "hidden_bias")


def cases(rng: np.random.Generator) -> list[Case]:
    def run(inputs: int, hidden: int, classes: int, labels: Array) -> Call:
        params = {
            "hidden_kernel": apart(rng, (inputs, hidden), low=0.2, high=0.8),
            "hidden_bias": apart(rng, (hidden,), low=0.2, high=0.6),
            "output_kernel": apart(rng, (hidden, classes), low=0.5, high=1.5),
            "output_bias": apart(rng, (classes,), low=0.2, high=0.6),
        }
        if inputs == 2:  # names say what is what, not places
            params = dict(reversed(params.items()))
        args = params, rng.normal(size=(len(labels), inputs)), rng.permutation(labels)
        return Call(args, returns=NAMES, numpy=True)

    def apart_logits(call: Call) -> Call:
        """Logits of some hundreds, whose level differs by far more than that from row to row."""
        params, x, labels = call.args
        kernel = params["output_kernel"] * 300
        kernel[1] += 3000
        x[:, 0] = np.resize([2.0, -2.0, 1.0, -1.0], len(x))
        params["hidden_kernel"][0, 1], params["hidden_bias"][1] = 0.5, 0
        return replace(call, args=({**params, "output_kernel": kernel}, x, labels))

    values = run(5, 3, 4, np.append(np.arange(4), rng.integers(4, size=3)))
    return [
        *(Case(name.replace("_", " "), values, 2 if name.startswith("hidden") else 1, of=(name,)) for name in NAMES),
        Case(ABSENT, run(2, 6, 4, np.array([0, 2, 2, 0, 2]))),
        Case("square kernels", run(3, 3, 3, np.array([0, 2, 1, 1]))),
        Case(FAR, apart_logits(run(4, 3, 4, np.array([0, 3, 1, 2, 2, 0])))),
    ]


def slope(way: str, units: Array) -> Array:
    """The derivative of the hidden activation, or what is taken for it."""
    if way == "no slope":
        return np.ones_like(units)
    if way == "not squared":
        return 1 - units
    if way == "sigmoid":
        return units * (1 - units)
    if way == "slope of the units":
        return 1 - np.tanh(units) ** 2
    return 1 - units**2


def oracle(params: dict[str, Array], x: Array, labels: Array, way: str = "") -> dict[str, Array]:
    """One row at a time, by the chain rule written out."""
    grads: dict[str, Any] = {name: np.zeros_like(value) for name, value in params.items()}
    for row, label in zip(x, labels, strict=True):
        units = np.tanh(params["hidden_kernel"].T @ row + params["hidden_bias"])
        logits = params["output_kernel"].T @ units + params["output_bias"]
        errors = np.exp(logits - np.logaddexp.reduce(logits))
        errors[label] -= way != "no targets"
        back = params["output_kernel"] @ errors * slope(way, units)
        grads["output_bias"] += errors
        grads["output_kernel"] += np.outer(units, errors)
        grads["hidden_bias"] += back
        grads["hidden_kernel"] += np.outer(row, back)
    factor = {"sum": 1.0, "sign": -1 / len(x)}.get(way, 1 / len(x))
    factors = {name: factor / len(x) if way == "mean of biases" and "bias" in name else factor for name in grads}
    return {name: grads[name] * factors[name] for name in NAMES}


SLOPE = "a_grad = hidden_grad * (1 - hidden**2)"
ERRORS = "(probabilities - targets)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "All gradients grow with the batch: the loss is a mean, so divide by the number of rows.": Mistake(
            (f"{ERRORS} / len(x)", ERRORS), way="sum"
        ),
        "The gradients of the biases are too small by a factor of the batch: sum over the rows, the mean is "
        "already taken.": Mistake(
            ("a_grad.sum(axis=0)", "a_grad.mean(axis=0)"),
            ("logits_grad.sum(axis=0)", "logits_grad.mean(axis=0)"),
            way="mean of biases",
        ),
        "The hidden layer's gradients ignore its activation: multiply by the derivative of tanh.": Mistake(
            (SLOPE, "a_grad = hidden_grad"), way="no slope"
        ),
        "The derivative of tanh is not right: its square is missing.": Mistake(
            (SLOPE, "a_grad = hidden_grad * (1 - hidden)"), way="not squared"
        ),
        "The hidden layer's gradients use the derivative of the sigmoid: this network has tanh.": Mistake(
            (SLOPE, "a_grad = hidden_grad * hidden * (1 - hidden)"), way="sigmoid"
        ),
        "tanh was applied twice in its derivative: the hidden units already are tanh of something.": Mistake(
            (SLOPE, "a_grad = hidden_grad * (1 - np.tanh(hidden) ** 2)"), way="slope of the units"
        ),
        "All gradients have the wrong sign: the error is predicted minus true.": Mistake(
            (ERRORS, "(targets - probabilities)"), way="sign"
        ),
        "The gradients do not depend on the labels: subtract the true class from the probabilities.": Mistake(
            (ERRORS, "probabilities"), way="no targets"
        ),
        "Only the batch without the last class goes wrong, whose parameters stand in another order, too: take the number of "
        "classes from the parameters, not from the labels, and the parameters by their names.": Mistake(
            ("np.eye(logits.shape[1])[labels]", "np.eye(labels.max() + 1)[labels]"), matches=only(ABSENT)
        ),
    },
    alternatives=(
        """
def mlp_backward(params, x, labels):
    batch = x.shape[0]
    hidden = np.tanh(np.einsum("bi,ih->bh", x, params["hidden_kernel"]) + params["hidden_bias"])
    logits = np.einsum("bh,hc->bc", hidden, params["output_kernel"]) + params["output_bias"]
    errors = np.exp(logits - logits.max(axis=1)[:, None])
    errors /= errors.sum(axis=1, keepdims=True)
    errors[np.arange(batch), labels] -= 1
    grads = {"output_kernel": np.einsum("bh,bc->hc", hidden, errors), "output_bias": errors.sum(0)}
    back = np.einsum("bc,hc->bh", errors, params["output_kernel"]) * (1 - hidden) * (1 + hidden)
    grads.update(hidden_kernel=np.einsum("bi,bh->ih", x, back), hidden_bias=back.sum(0))
    return {name: grads[name] / batch for name in params}
""",
        """
def mlp_backward(params, x, labels):
    grads = {name: np.zeros(value.shape) for name, value in params.items()}
    for row, label in zip(x, labels):
        hidden = np.tanh(row @ params["hidden_kernel"] + params["hidden_bias"])
        logits = hidden @ params["output_kernel"] + params["output_bias"]
        exponentials = np.exp(logits - max(logits))
        error = exponentials / exponentials.sum()
        error[label] -= 1
        back = (params["output_kernel"] @ error) * (1 - hidden * hidden)
        grads["output_kernel"] += hidden[:, None] * error[None, :] / len(x)
        grads["output_bias"] += error / len(x)
        grads["hidden_kernel"] += row[:, None] * back[None, :] / len(x)
        grads["hidden_bias"] += back / len(x)
    return {name: value.tolist() for name, value in grads.items()}
""",
    ),
    off_limits=AUTODIFF,
    contracts=(KEPT, doubles(lambda params, *_: {name: params[name].shape for name in NAMES})),
)
