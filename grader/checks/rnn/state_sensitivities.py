"""How much a state depends on the first one: sizes that differ, a long sequence, and one unit."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.matching import apart
from grader.judging.off_limits import AUTODIFF


def cases(rng: np.random.Generator) -> list[Case]:
    def run(steps: int, inputs: int, units: int, size: float) -> Call:
        return Call(
            (
                apart(rng, (steps, inputs), low=0.2, high=0.9),
                apart(rng, (inputs, units), low=0.2, high=0.7),
                apart(rng, (units, units), low=0.5 * size, high=size),
                apart(rng, (units,), low=0.1, high=0.4),
            ),
            numpy=True,
        )

    return [
        Case("values", run(5, 2, 3, 0.9), weight=3),
        Case("twenty steps", run(20, 3, 4, 0.35), weight=2),
        Case("one unit", run(4, 2, 1, 1.4)),
    ]


def oracle(
    *arrays: Array,
    slope: str = "right",
    product: str = "all",
    order: str = "right",
    norm: str = "Frobenius",
    first: str = "s_1",
) -> Array:
    xs, kernel, recurrent_kernel, bias = arrays
    units = len(bias)
    state, whole, norms = np.zeros(units), np.eye(units), []
    for x in xs:
        state = np.tanh(x @ kernel + state @ recurrent_kernel + bias)
        slopes = {"right": 1 - state**2, "missing": np.ones(units), "not squared": 1 - state}[slope]
        before, step = whole, slopes[:, None] * recurrent_kernel.T  # row: new unit, column: old unit
        whole = step if product == "last" else step @ whole if order == "right" else (recurrent_kernel.T @ before) * slopes
        norms.append(
            {
                "Frobenius": np.sqrt((whole**2).sum()),
                "squared": (whole**2).sum(),
                "spectral": np.linalg.norm(whole, 2),
                "mean": np.sqrt((whole**2).mean()),
            }[norm]
        )
    if first == "s_0":
        norms = [np.sqrt(units), *norms[:-1]]
    return np.array(norms)


STEP = "jacobian = (jacobian @ recurrent_kernel) * (1 - state**2)"
NORM = "norms.append(np.sqrt(np.sum(jacobian**2)))"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The slope of tanh is missing: each step multiplies by 1 - state², too.": Mistake(
            (STEP, "jacobian = jacobian @ recurrent_kernel"), slope="missing"
        ),
        "The slope of tanh is 1 - state², with the state squared.": Mistake(
            (STEP, "jacobian = (jacobian @ recurrent_kernel) * (1 - state)"), slope="not squared"
        ),
        "Each number tells how much a state depends on the one just before it: from s_0 on it is a product "
        "of all steps.": Mistake((STEP, "jacobian = recurrent_kernel * (1 - state**2)"), product="last"),
        "The slopes belong to the units of the new state: they scale the columns of the matrix, not its rows.": Mistake(
            (STEP, "jacobian = (jacobian @ recurrent_kernel) * (1 - state[:, None] ** 2)"), order="rows"
        ),
        "The root is missing: the norm is the root of the sum of squares.": Mistake(
            (NORM, "norms.append(np.sum(jacobian**2))"), norm="squared"
        ),
        "This is the largest singular value of each matrix: the Frobenius norm is the root of the sum of all squares.": Mistake(
            (NORM, "norms.append(np.linalg.norm(jacobian, 2))"), norm="spectral"
        ),
        "The squares are averaged: the Frobenius norm is the root of their sum.": Mistake(
            (NORM, NORM.replace("np.sum", "np.mean")), norm="mean"
        ),
        "The list starts with s_0 itself, and ends one step early: its first number belongs to s_1.": Mistake(
            (f"        {STEP}", f"        {NORM}\n        {STEP}"), (f"        {NORM}\n    return", "    return"), first="s_0"
        ),
    },
    alternatives=(
        """
def state_sensitivities(xs, kernel, recurrent_kernel, bias):
    state, product, norms = np.zeros(len(bias)), np.eye(len(bias)), []
    for x in xs:
        state = np.tanh(x @ kernel + state @ recurrent_kernel + bias)
        product = np.diag(1 - state * state) @ recurrent_kernel.T @ product
        norms += [np.linalg.norm(product)]
    return norms
""",
        """
def state_sensitivities(xs, kernel, recurrent_kernel, bias):
    def states(start):
        found = [start]
        for x in xs:
            found.append(np.tanh(x @ kernel + found[-1] @ recurrent_kernel + bias))
        return np.stack(found[1:])

    columns = [states(1e-30j * axis).imag / 1e-30 for axis in np.eye(len(bias))]
    return np.sqrt(np.sum(np.square(columns), axis=(0, 2)))
""",
        """
def state_sensitivities(xs, kernel, recurrent_kernel, bias):
    state = ops.zeros((len(bias),))
    whole, norms = ops.eye(len(bias)), []
    kernel, recurrent_kernel, bias = (ops.convert_to_tensor(w, dtype="float32") for w in (kernel, recurrent_kernel, bias))
    for x in xs.astype("float32"):
        state = ops.tanh(ops.matmul(x, kernel) + ops.matmul(state, recurrent_kernel) + bias)
        whole = ops.matmul(whole, recurrent_kernel) * (1 - ops.square(state))
        norms.append(ops.norm(whole))
    return ops.stack(norms)
""",
    ),
    # A student's float32 over twenty steps; the numbers shrink, so what counts is the relative error.
    atol=1e-12,
    rtol=1e-3,
    off_limits=AUTODIFF,
)
