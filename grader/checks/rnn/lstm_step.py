"""One step of an LSTM: sizes that differ, a cell that has grown large, and a single sequence."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.matching import apart
from grader.judging.off_limits import RECURRENT

from ._reference import sigmoid


def cases(rng: np.random.Generator) -> list[Case]:
    def run(batch: int, inputs: int, units: int, size: float = 1.2) -> Call:
        arrays = (
            apart(rng, (batch, inputs)),
            apart(rng, (batch, units), high=0.9),
            apart(rng, (batch, units), low=0.4 * size, high=size),
            apart(rng, (inputs, 4 * units), high=0.9),
            apart(rng, (units, 4 * units), high=0.9),
            apart(rng, (4 * units,), low=0.3, high=0.9),
        )
        return Call(arrays, returns=("hidden", "cell"))

    values = run(4, 2, 3)
    return [
        Case("hidden state", values, weight=2, of=("hidden",)),
        Case("cell", values, weight=2, of=("cell",)),
        Case("large cell", run(3, 3, 5, size=12.0)),
        Case("batch of one", run(1, 3, 2)),
    ]


def oracle(
    *arrays: Array,
    order: str = "ifco",
    candidate: str = "tanh",
    shown: str = "tanh",
    bias: str = "added",
    returned: str = "hidden first",
    old: str = "forget gate",
) -> tuple[Array, Array]:
    x, hidden, cell, kernel, recurrent_kernel, shift = arrays
    sums = x @ kernel + hidden @ recurrent_kernel + (shift if bias == "added" else 0)
    blocks = dict(zip(order, np.split(sums, 4, axis=-1), strict=True))
    new = np.tanh(blocks["c"]) if candidate == "tanh" else sigmoid(blocks["c"])
    gate, forget = sigmoid(blocks["i"]), sigmoid(blocks["f"])
    forget = {"forget gate": forget, "all of it": np.ones_like(forget), "the rest": 1 - gate}[old]
    new_cell = forget * cell + gate * new
    new_hidden = sigmoid(blocks["o"]) * (np.tanh(new_cell) if shown == "tanh" else new_cell)
    return (new_hidden, new_cell) if returned == "hidden first" else (new_cell, new_hidden)


SPLIT = "input_sum, forget_sum, candidate_sum, output_sum = ops.split(sums, 4, axis=-1)"
CELL = "ops.sigmoid(forget_sum) * cell"
RETURN = "return ops.sigmoid(output_sum) * ops.tanh(new_cell), new_cell"


def split(names: str) -> tuple[tuple[str, str], ...]:
    return ((SPLIT, f"{names} = ops.split(sums, 4, axis=-1)"),)


CHECK = Check(
    cases,
    oracle,
    mistakes={
        "Input gate and forget gate are swapped: the first block belongs to the input gate.": Mistake(
            *split("forget_sum, input_sum, candidate_sum, output_sum"), order="fico"
        ),
        "The last two blocks are swapped: the candidate comes third and the output gate last, with Keras and with PyTorch. "
        "The order i, f, o, g is that of many slides.": Mistake(
            *split("input_sum, forget_sum, output_sum, candidate_sum"), order="ifoc"
        ),
        "The candidate goes through a sigmoid: it is no gate. With tanh it can take something away from the "
        "cell, too.": Mistake(("ops.tanh(candidate_sum)", "ops.sigmoid(candidate_sum)"), candidate="sigmoid"),
        "The hidden state shows the cell as it is: it is squeezed by tanh before the output gate.": Mistake(
            (RETURN, "return ops.sigmoid(output_sum) * new_cell, new_cell"), shown="as it is"
        ),
        "Nothing is ever forgotten: the old cell is multiplied by the forget gate.": Mistake((CELL, "cell"), old="all of it"),
        "The old cell is multiplied by what the input gate leaves: an LSTM has a forget gate of its own.": Mistake(
            (CELL, "(1 - ops.sigmoid(input_sum)) * cell"), old="the rest"
        ),
        "The biases are missing in the sums.": Mistake((" + bias ", " "), bias="missing"),
        "Hidden state and cell are returned the wrong way round: the hidden state comes first.": Mistake(
            (RETURN, "return new_cell, ops.sigmoid(output_sum) * ops.tanh(new_cell)"), returned="cell first"
        ),
    },
    alternatives=(
        """
def lstm_step(x, hidden, cell, kernel, recurrent_kernel, bias):
    units = cell.shape[-1]
    gates = {}
    for number, (name, bend) in enumerate({"i": ops.sigmoid, "f": ops.sigmoid, "g": ops.tanh, "o": ops.sigmoid}.items()):
        block = slice(number * units, (number + 1) * units)
        gates[name] = bend(x @ kernel[:, block] + hidden @ recurrent_kernel[:, block] + bias[block])
    cell = gates["f"] * cell + gates["i"] * gates["g"]
    return gates["o"] * ops.tanh(cell), cell
""",
        """
def lstm_step(x, hidden, cell, kernel, recurrent_kernel, bias):
    both = ops.concatenate([x, hidden], axis=-1)
    sums = ops.matmul(both, ops.concatenate([kernel, recurrent_kernel], axis=0)) + bias
    sums = ops.reshape(sums, (-1, 4, cell.shape[-1]))
    gates = 0.5 * ops.tanh(0.5 * sums) + 0.5
    cell = gates[:, 1] * cell + gates[:, 0] * ops.tanh(sums[:, 2])
    return [gates[:, 3] * ops.tanh(cell), cell]
""",
        """
def lstm_step(x, hidden, cell, kernel, recurrent_kernel, bias):
    numbers = [ops.convert_to_numpy(a).astype("float64") for a in (x, hidden, cell, kernel, recurrent_kernel, bias)]
    x, hidden, cell, kernel, recurrent_kernel, bias = numbers
    i, f, g, o = np.split(x @ kernel + hidden @ recurrent_kernel + bias, 4, axis=1)
    cell = cell / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    return np.tanh(cell) / (1 + np.exp(-o)), cell
""",
    ),
    off_limits=RECURRENT,
)
