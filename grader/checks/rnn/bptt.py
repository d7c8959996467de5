"""Back-propagation through time in NumPy and float64: sizes that differ, a long sequence, and two steps only."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.matching import apart
from grader.judging.off_limits import AUTODIFF


def cases(rng: np.random.Generator) -> list[Case]:
    def run(steps: int, inputs: int, units: int) -> Call:
        # Weights of about this size neither forget at once nor saturate.
        shapes = (steps, inputs), (inputs, units), (units, units), (units,)
        return Call(tuple(apart(rng, shape, low=0.2, high=0.7) for shape in shapes), numpy=True)

    return [
        Case("values", run(4, 2, 3), weight=3),
        Case("ten steps", run(10, 3, 4), weight=2),
        Case("two steps", run(2, 1, 2)),
    ]


def oracle(
    *arrays: Array,
    steps: str = "all",
    slope: str = "right",
    loss: str = "last",
    recurrent: str = "right",
    outer: str = "right",
    state: str = "before",
) -> Array:
    xs, kernel, recurrent_kernel, bias = arrays
    states = [np.zeros(len(bias))]
    for x in xs:
        states.append(np.tanh(x @ kernel + states[-1] @ recurrent_kernel + bias))
    total = np.zeros_like(recurrent_kernel)
    back = np.ones(len(bias))
    for t in range(len(xs), 0, -1):
        after = states[t]
        slopes: dict[str, Array] = {"right": 1 - after**2, "missing": np.ones(len(bias)), "not squared": 1 - after}
        delta = back * slopes[slope]
        total = total + np.outer(states[t if state == "after" else t - 1], delta)
        if steps == "last":
            break
        weights = {"right": recurrent_kernel, "transposed": recurrent_kernel.T, "missing": np.eye(len(bias))}[recurrent]
        back = weights @ delta + (1 if loss == "every state" else 0)
    return total.T if outer == "transposed" else total


SLOPE, GRAD, BACK = (
    "sum_grad = state_grad * (1 - after**2)",
    "grad += np.outer(before, sum_grad)",
    "recurrent_kernel @ sum_grad",
)

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "Only the last step's use of the weights counts: every step used them, so walk back to the first one "
        "and add up.": Mistake((GRAD, "grad += np.outer(before, sum_grad) if after is states[-1] else 0.0"), steps="last"),
        "The slope of tanh is missing: on the way back, each step multiplies by 1 - state².": Mistake(
            (SLOPE, "sum_grad = state_grad"), slope="missing"
        ),
        "The slope of tanh is 1 - state², with the state squared.": Mistake(
            (SLOPE, "sum_grad = state_grad * (1 - after)"), slope="not squared"
        ),
        "The recurrent kernel is the wrong way round on the way back: forward it is `state @ recurrent_kernel`, back its "
        "rows are summed: `recurrent_kernel @ gradient`.": Mistake(
            (BACK, "recurrent_kernel.T @ sum_grad"), recurrent="transposed"
        ),
        "The gradient goes from step to step without the recurrent kernel: what leads forward leads back.": Mistake(
            (BACK, "sum_grad"), recurrent="missing"
        ),
        "The result is transposed: entry (i, j) belongs to what leads from old unit i to new unit j.": Mistake(
            (GRAD, "grad += np.outer(sum_grad, before)"), outer="transposed"
        ),
        "Each step's gradient is taken with its new state: the weights were multiplied by the state before it.": Mistake(
            (GRAD, "grad += np.outer(after, sum_grad)"), state="after"
        ),
        "This is the gradient of the sum of all states: the loss looks at the last state only.": Mistake(
            (BACK, f"{BACK} + 1"), loss="every state"
        ),
    },
    alternatives=(
        """
def bptt(xs, kernel, recurrent_kernel, bias):
    # Forward in time: the derivative of every state by every weight is carried along.
    units = len(bias)
    state, slopes = np.zeros(units), np.zeros((units, units, units))
    for x in xs:
        new = np.tanh(x @ kernel + state @ recurrent_kernel + bias)
        immediate = np.einsum("i,jk->ijk", state, np.eye(units))
        slopes = (immediate + slopes @ recurrent_kernel) * (1 - new**2)
        state = new
    return slopes.sum(axis=-1)
""",
        """
def bptt(xs, kernel, recurrent_kernel, bias):
    def loss(weights):
        state = np.zeros(len(bias), dtype=complex)
        for x in xs:
            state = np.tanh(x @ kernel + state @ weights + bias)
        return state.sum()

    grad = np.zeros_like(recurrent_kernel)
    for place in np.ndindex(*grad.shape):
        weights = recurrent_kernel.astype(complex)
        weights[place] += 1e-30j  # a complex step: exact, for nothing is subtracted
        grad[place] = loss(weights).imag / 1e-30
    return grad
""",
        """
def bptt(xs, kernel, recurrent_kernel, bias):
    states = [np.zeros(len(bias))]
    for x in xs:
        states = states + [np.tanh(x @ kernel + states[-1] @ recurrent_kernel + bias)]
    delta, grad = 1 - states[-1] ** 2, 0
    for t in reversed(range(len(xs))):
        grad = grad + states[t][:, None] * delta[None, :]
        delta = (delta @ recurrent_kernel.T) * (1 - states[t] ** 2)
    return grad.tolist()
""",
    ),
    # Float64 as handed over; differences that are measured, and float32, are not that exact.
    atol=1e-10,
    rtol=1e-9,
    off_limits=AUTODIFF,
)
