"""One step of a simple recurrent cell: sizes that differ, then as many inputs as units, and a single sequence."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.matching import apart, shows
from grader.judging.off_limits import RECURRENT

from ._reference import sigmoid

SQUARE = "as many inputs as units"


def cases(rng: np.random.Generator) -> list[Case]:
    def run(batch: int, inputs: int, units: int) -> Call:
        shapes = (batch, inputs), (batch, units), (inputs, units), (units, units)
        return Call((*(apart(rng, shape, high=0.9) for shape in shapes), apart(rng, (units,), high=0.6)))

    return [
        Case("values", run(4, 3, 5), weight=3),
        Case(SQUARE, run(2, 3, 3)),
        Case("batch of one", run(1, 2, 4)),
    ]


def oracle(*arrays: Array, recurrent: str = "its own", bend: str = "tanh of the sum", bias: str = "added") -> Array:
    x, state, kernel, recurrent_kernel, shift = arrays
    weights = {
        "its own": recurrent_kernel,
        "transposed": recurrent_kernel.T,
        "the input's": kernel,
        "none": 0 * recurrent_kernel,
    }
    seen, kept = x @ kernel, state @ weights[recurrent]
    shift = shift if bias == "added" else 0 * shift
    total = seen + kept + shift
    bends: dict[str, Array] = {
        "tanh of the sum": np.tanh(total),
        "sigmoid": sigmoid(total),
        "none": total,
        "tanh of the input": np.tanh(seen + shift) + kept,
        "tanh before the bias": np.tanh(seen + kept) + shift,
    }
    return bends[bend]


RETURN = "return ops.tanh(ops.matmul(x, kernel) + ops.matmul(state, recurrent_kernel) + bias)"
KEPT = "ops.matmul(state, recurrent_kernel)"


CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The recurrent kernel is transposed: its rows belong to the old state, its columns to the new one.": Mistake(
            (KEPT, "ops.matmul(state, ops.transpose(recurrent_kernel))"), recurrent="transposed"
        ),
        "Input and state share one matrix: the state has a kernel of its own, the recurrent kernel.": Mistake(
            (KEPT, "ops.matmul(state, kernel)"), matches=shows(SQUARE, recurrent="the input's")
        ),
        "The old state is forgotten: without it there is nothing recurrent about the cell.": Mistake(
            (f" + {KEPT}", ""), recurrent="none"
        ),
        "There is no tanh: the new state is tanh of the whole sum.": Mistake(
            (RETURN, "return ops.matmul(x, kernel) + ops.matmul(state, recurrent_kernel) + bias"), bend="none"
        ),
        "The sum goes through a sigmoid: this cell has a tanh, whose values have both signs.": Mistake(
            ("ops.tanh", "ops.sigmoid"), bend="sigmoid"
        ),
        "Only what comes in goes through tanh: the old state's part belongs inside, or the state can grow "
        "without end.": Mistake(
            (RETURN, "return ops.tanh(ops.matmul(x, kernel) + bias) + ops.matmul(state, recurrent_kernel)"),
            bend="tanh of the input",
        ),
        "The bias comes after tanh: it is part of the sum that goes through it.": Mistake(
            (RETURN, "return ops.tanh(ops.matmul(x, kernel) + ops.matmul(state, recurrent_kernel)) + bias"),
            bend="tanh before the bias",
        ),
        "The bias is missing: each unit adds one number of its own.": Mistake((" + bias)", ")"), bias="missing"),
    },
    alternatives=(
        """
def rnn_step(x, state, kernel, recurrent_kernel, bias):
    both = ops.concatenate([x, state], axis=-1)
    return ops.tanh(ops.matmul(both, ops.concatenate([kernel, recurrent_kernel], axis=0)) + bias)
""",
        """
def rnn_step(x, state, kernel, recurrent_kernel, bias):
    total = ops.einsum("bi,iu->bu", x, kernel) + ops.einsum("bv,vu->bu", state, recurrent_kernel) + bias[None]
    return 2 * ops.sigmoid(2 * total) - 1
""",
        """
def rnn_step(x, state, kernel, recurrent_kernel, bias):
    x, state, kernel, recurrent_kernel, bias = (
        ops.convert_to_numpy(value).astype("float64") for value in (x, state, kernel, recurrent_kernel, bias)
    )
    return np.tanh(x @ kernel + state @ recurrent_kernel + bias).tolist()
""",
    ),
    off_limits=RECURRENT,
)
