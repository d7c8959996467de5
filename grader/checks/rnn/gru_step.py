"""One step of a GRU as Keras defines it: sizes that differ, gates near their ends, and a single sequence."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.matching import apart
from grader.judging.off_limits import RECURRENT

from ._reference import sigmoid


def cases(rng: np.random.Generator) -> list[Case]:
    def run(batch: int, inputs: int, units: int, size: float = 0.9) -> Call:
        arrays = (
            apart(rng, (batch, inputs)),
            apart(rng, (batch, units), low=0.3, high=0.9),
            apart(rng, (inputs, 3 * units), high=size),
            apart(rng, (units, 3 * units), low=0.3, high=size),
            apart(rng, (2, 3 * units), low=0.3, high=0.9),
        )
        return Call(arrays)

    return [
        Case("values", run(4, 2, 3), weight=3),
        Case("large weights", run(3, 2, 4, size=2.0)),
        Case("batch of one", run(1, 3, 2)),
    ]


def oracle(*arrays: Array, order: str = "urc", keeps: str = "update", reset: str = "after", biases: str = "both") -> Array:
    x, state, kernel, recurrent_kernel, shifts = arrays
    if biases != "both":
        shifts = shifts * {"input": np.array([[1.0], [0.0]]), "none": np.zeros((2, 1))}[biases]
    seen = dict(zip(order, np.split(x @ kernel + shifts[0], 3, axis=-1), strict=True))
    kept = dict(zip(order, np.split(state @ recurrent_kernel + shifts[1], 3, axis=-1), strict=True))
    update, reset_gate = sigmoid(seen["u"] + kept["u"]), sigmoid(seen["r"] + kept["r"])
    if reset == "before":
        block = order.index("c") * state.shape[-1] + np.arange(state.shape[-1])
        inner = seen["c"] + (reset_gate * state) @ recurrent_kernel[:, block] + shifts[1, block]
    else:
        inner = {
            "after": seen["c"] + reset_gate * kept["c"],
            "whole": reset_gate * (seen["c"] + kept["c"]),
            "missing": seen["c"] + kept["c"],
        }[reset]
    candidate = np.tanh(inner)
    return update * state + (1 - update) * candidate if keeps == "update" else (1 - update) * state + update * candidate


CANDIDATE = "candidate = ops.tanh(x_candidate + ops.sigmoid(x_reset + s_reset) * s_candidate)"
RETURN = "return update * state + (1 - update) * candidate"
INPUT, STATE = "ops.matmul(x, kernel) + bias[0]", "ops.matmul(state, recurrent_kernel) + bias[1]"
NAMES = ("x_update, x_reset, x_candidate", "s_update, s_reset, s_candidate")

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The update gate works the wrong way round: here it says how much of the old state stays.": Mistake(
            (RETURN, "return (1 - update) * state + update * candidate"), keeps="the rest"
        ),
        "Update and reset gate are swapped: Keras has the update gate first, PyTorch the reset gate.": Mistake(
            (NAMES[0], "x_reset, x_update, x_candidate"), (NAMES[1], "s_reset, s_update, s_candidate"), order="ruc"
        ),
        "The reset gate multiplies the state before the product: in this variant it multiplies the state's sum.": Mistake(
            (
                CANDIDATE,
                "units = state.shape[-1]\n"
                "    s_candidate = ops.matmul(ops.sigmoid(x_reset + s_reset) * state, recurrent_kernel[:, 2 * units :])\n"
                "    candidate = ops.tanh(x_candidate + s_candidate + bias[1, 2 * units :])",
            ),
            reset="before",
        ),
        "The reset gate multiplies the input's sum, too: it can only shut out the old state.": Mistake(
            (CANDIDATE, "candidate = ops.tanh(ops.sigmoid(x_reset + s_reset) * (x_candidate + s_candidate))"), reset="whole"
        ),
        "The reset gate is missing: it multiplies the state's sum in the candidate.": Mistake(
            (CANDIDATE, "candidate = ops.tanh(x_candidate + s_candidate)"), reset="missing"
        ),
        "The second row of biases is missing: it belongs to the state's sum.": Mistake(
            (STATE, "ops.matmul(state, recurrent_kernel)"), biases="input"
        ),
        "The biases are missing in both sums.": Mistake(
            (INPUT, "ops.matmul(x, kernel)"), (STATE, "ops.matmul(state, recurrent_kernel)"), biases="none"
        ),
    },
    alternatives=(
        """
def gru_step(x, state, kernel, recurrent_kernel, bias):
    units = state.shape[-1]
    seen = ops.reshape(x @ kernel + bias[0], (-1, 3, units))
    kept = ops.reshape(state @ recurrent_kernel + bias[1], (-1, 3, units))
    gates = ops.sigmoid(seen[:, :2] + kept[:, :2])
    candidate = ops.tanh(seen[:, 2] + gates[:, 1] * kept[:, 2])
    return candidate + gates[:, 0] * (state - candidate)
""",
        """
def gru_step(x, state, kernel, recurrent_kernel, bias):
    units = state.shape[-1]

    def block(number):
        columns = slice(number * units, (number + 1) * units)
        return x @ kernel[:, columns] + bias[0, columns], state @ recurrent_kernel[:, columns] + bias[1, columns]

    z = ops.sigmoid(sum(block(0)))
    r = ops.sigmoid(sum(block(1)))
    seen, kept = block(2)
    return (1 - z) * ops.tanh(seen + r * kept) + z * state
""",
        """
def gru_step(x, state, kernel, recurrent_kernel, bias):
    x, state, kernel, recurrent_kernel, bias = (
        ops.convert_to_numpy(a).astype("float64") for a in (x, state, kernel, recurrent_kernel, bias)
    )
    xz, xr, xc = np.split(x @ kernel + bias[0], 3, axis=1)
    hz, hr, hc = np.split(state @ recurrent_kernel + bias[1], 3, axis=1)
    z, r = (1 / (1 + np.exp(-total)) for total in (xz + hz, xr + hr))
    return (z * state + (1 - z) * np.tanh(xc + r * hc)).tolist()
""",
    ),
    off_limits=RECURRENT,
)
