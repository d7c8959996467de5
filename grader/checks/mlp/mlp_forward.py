"""The forward pass: the lecture's network of two inputs, three hidden units and one output, and one of other sizes."""

from collections.abc import Callable

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.matching import apart


def cases(rng: np.random.Generator) -> list[Case]:
    def run(batch: int, inputs: int, hidden: int, outputs: int, turned: bool = False) -> Call:
        # Biases well away from 0, and hidden units that neither saturate nor stay in the straight part of tanh.
        params = {
            "hidden_kernel": apart(rng, (inputs, hidden), low=0.3, high=1.2),
            "hidden_bias": apart(rng, (hidden,), low=0.3, high=0.9),
            "output_kernel": apart(rng, (hidden, outputs), low=0.5, high=1.5),
            "output_bias": apart(rng, (outputs,), low=0.4, high=1.2),
        }
        x = rng.normal(size=(batch, inputs))
        if batch == 1:
            params["output_kernel"] *= 12
        return Call((dict(reversed(params.items())) if turned else params, x))

    return [
        Case("2-3-1 network", run(6, 2, 3, 1), weight=2),
        Case("other sizes", run(5, 3, 7, 4, turned=True)),
        Case("square kernels", run(4, 3, 3, 3), weight=0.5),
        Case("batch of one row", run(1, 4, 5, 3)),
    ]


def oracle(
    params: dict[str, Array], x: Array, hidden: str = "tanh", output: str = "linear", drop: str = "", bias_after: bool = False
) -> Array:
    activations: dict[str, Callable[[Array], Array]] = {
        "tanh": np.tanh,
        "linear": lambda z: z,
        "relu": lambda z: np.maximum(z, 0),
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    }
    params = {name: value * (name != drop) for name, value in params.items()}
    z = np.einsum("bi,ih->bh", x, params["hidden_kernel"])
    late = params["hidden_bias"] if bias_after else 0.0
    units = activations[hidden](z + params["hidden_bias"] - late) + late
    result = np.einsum("bh,ho->bo", units, params["output_kernel"]) + params["output_bias"]
    return activations[output](result)


HIDDEN = 'ops.tanh(ops.matmul(x, params["hidden_kernel"]) + params["hidden_bias"])'
OUTPUT = 'return ops.matmul(hidden, params["output_kernel"]) + params["output_bias"]'

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The network is linear: the hidden layer lacks its tanh.": Mistake(
            (HIDDEN, HIDDEN.removeprefix("ops.tanh")), hidden="linear"
        ),
        "All outputs are between -1 and 1: the output layer is linear, only the hidden layer has the tanh.": Mistake(
            (OUTPUT, f"return ops.tanh({OUTPUT.removeprefix('return ')})"), output="tanh"
        ),
        "The hidden layer has a sigmoid: this network uses tanh.": Mistake(
            (HIDDEN, HIDDEN.replace("ops.tanh", "ops.sigmoid")), hidden="sigmoid"
        ),
        "The hidden layer has a ReLU: this network uses tanh.": Mistake(
            (HIDDEN, HIDDEN.replace("ops.tanh", "ops.relu")), hidden="relu"
        ),
        "The hidden bias is missing.": Mistake(
            (HIDDEN, 'ops.tanh(ops.matmul(x, params["hidden_kernel"]))'), drop="hidden_bias"
        ),
        "The output bias is missing.": Mistake(
            (OUTPUT, 'return ops.matmul(hidden, params["output_kernel"])'), drop="output_bias"
        ),
        "The hidden bias is added after the tanh: it belongs inside, to the weighted sum.": Mistake(
            (HIDDEN, 'ops.tanh(ops.matmul(x, params["hidden_kernel"])) + params["hidden_bias"]'), bias_after=True
        ),
    },
    alternatives=(
        """
def mlp_forward(params, x):
    z = ops.einsum("bi,ih->bh", x, params["hidden_kernel"]) + params["hidden_bias"]
    hidden = 2 / (1 + ops.exp(-2 * z)) - 1
    return ops.einsum("bh,ho->bo", hidden, params["output_kernel"]) + params["output_bias"]
""",
        """
def mlp_forward(params, x):
    values = {name: np.asarray(value, dtype="float64") for name, value in params.items()}
    hidden = np.tanh(np.asarray(x) @ values["hidden_kernel"] + values["hidden_bias"])
    return (hidden @ values["output_kernel"] + values["output_bias"]).tolist()
""",
        """
def mlp_forward(params, x):
    kernel, bias, output_kernel, output_bias = (
        params[name] for name in ("hidden_kernel", "hidden_bias", "output_kernel", "output_bias")
    )
    return keras.activations.tanh(x @ kernel + bias) @ output_kernel + output_bias
""",
    ),
    off_limits=(
        "keras.layers.Dense",
        "keras.layers.EinsumDense",
    ),
)
