"""Counting recurrent layers: each cell in both conventions, with numbers of inputs and units that are drawn."""

import numpy as np

from grader.judging import Call, Case, Check, Mistake
from grader.judging.contracts import INTEGER


def cases(rng: np.random.Generator) -> list[Case]:
    def run(cell: str, framework: str | None = None) -> Call:
        sizes = int(rng.integers(5, 40)), int(rng.integers(41, 90))
        return Call((cell, *sizes), {"framework": framework} if framework else {})

    return [
        *(Case(name, run(cell)) for cell, name in (("rnn", "simple layer"), ("lstm", "LSTM"), ("gru", "GRU"))),
        *(Case(f"{name} of PyTorch", run(cell, "torch")) for cell, name in (("rnn", "simple layer"), ("lstm", "LSTM"))),
        Case("GRU of PyTorch", run("gru", "torch")),
    ]


def oracle(
    cell: str,
    inputs: int,
    units: int,
    framework: str = "keras",
    biases: str = "right",
    lstm: int = 4,
    gru: int = 3,
    gates: bool = True,
    recurrent: str = "right",
    reads: str = "all",
) -> int:
    torch = framework == "torch"
    blocks = {"rnn": 1, "lstm": lstm, "gru": gru}[cell] if gates else 1
    number = {
        "right": 2 if torch or cell == "gru" else 1,
        "one": 1,
        "missing": 0,
        "two in PyTorch": 2 if torch else 1,
        "GRU": 2 if cell == "gru" else 1,
    }[biases]
    size = {"right": units * units, "missing": 0, "diagonal": units}[recurrent]
    return blocks * (inputs * units + size + number * units)


COUNT = "return blocks * ((inputs + units) * units + biases * units)"
BIASES = 'biases = 2 if framework == "torch" or cell == "gru" else 1'
BLOCKS = '{"rnn": 1, "gru": 3, "lstm": 4}[cell]'

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "PyTorch is counted like Keras: it has two biases everywhere, one for the input's sum and one for "
        "the state's.": Mistake((BIASES, 'biases = 2 if cell == "gru" else 1'), biases="GRU"),
        "The GRU of Keras lacks its second bias: the state's sum has one of its own, because the reset gate "
        "multiplies it.": Mistake((BIASES, 'biases = 2 if framework == "torch" else 1'), biases="two in PyTorch"),
        "There is one bias per block in this count, whatever the cell and the framework: see the docstring.": Mistake(
            (BIASES, "biases = 1"), biases="one"
        ),
        "The biases are missing: each gate, and the candidate, has one or two per unit.": Mistake(
            (COUNT, "return blocks * (inputs + units) * units"), biases="missing"
        ),
        "The recurrent kernels are missing: each unit reads the whole old state, units × units weights per block.": Mistake(
            (COUNT, "return blocks * (inputs * units + biases * units)"), recurrent="missing"
        ),
        "A unit reads only its own old state in this count: it reads all of them, units × units weights per block.": Mistake(
            (COUNT, "return blocks * (inputs * units + units + biases * units)"), recurrent="diagonal"
        ),
        "The candidates are missing: they have weights like a gate, so an LSTM has four blocks and a GRU three.": Mistake(
            (BLOCKS, '{"rnn": 1, "gru": 2, "lstm": 3}[cell]'), lstm=3, gru=2
        ),
        "All cells count the same here: each gate, and the candidate, has weights of its own.": Mistake(
            (BLOCKS, "1"), gates=False
        ),
    },
    alternatives=(
        """
def count_recurrent_params(cell, inputs, units, framework="keras"):
    layer = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}[cell](units)
    layer.build((None, None, inputs))
    missing = 0 if framework == "keras" or cell == "gru" else layer.cell.bias.shape[0]
    return layer.count_params() + missing
""",
        """
def count_recurrent_params(cell, inputs, units, framework="keras"):
    one = inputs * units + units**2 + units
    if framework == "torch":
        one = one + units
    if cell == "lstm":
        return 4 * one
    if cell == "gru":
        return 3 * (one + units * (framework == "keras"))
    return np.int64(one)
""",
    ),
    # Whole numbers: nothing between right and wrong.
    atol=0.1,
    rtol=0.0,
    contracts=(INTEGER,),
)
