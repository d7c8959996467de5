"""Counting parameters: one layer, three layers and five, one of whose sizes occurs twice, and a list to leave alone."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.contracts import INTEGER, KEPT


def cases(rng: np.random.Generator) -> list[Case]:
    def run(length: int) -> Call:
        sizes = [int(size) for size in rng.permutation(np.arange(2, 30))[:length]]
        if length > 5:
            sizes[3] = sizes[0]  # a size that is followed by two others
            sizes += [600, 600, 600]  # equal layers, too large to be counted in 16 bits
        return Call((sizes,))

    return [
        Case("one layer", run(2)),
        Case("three layers", run(4)),
        Case("eight layers", run(6)),
    ]


def oracle(numbers: list[int], way: str = "") -> Array:
    sizes = np.array(numbers)
    weights, biases = sizes[:-1] @ sizes[1:], sizes[1:].sum()
    return {
        "": weights + biases,
        "no biases": weights,
        "input biases": weights + sizes.sum(),
        "one bias a layer": weights + len(sizes) - 1,
        "biases of the inputs": weights + sizes[:-1].sum(),
        "no output bias": weights + sizes[1:-1].sum(),
        "neurons": sizes.sum(),
        "product": np.prod(sizes),
        "found by value": sum(size * after + after for size in sizes[:-1] for after in [sizes[np.argmax(sizes == size) + 1]]),
    }[way]


SUM = "sizes[k] * sizes[k + 1] + sizes[k + 1] for k"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The biases are missing: each layer has one per output.": Mistake(
            (SUM, "sizes[k] * sizes[k + 1] for k"), way="no biases"
        ),
        "The inputs got biases too: only the layers that compute something have them.": Mistake(
            ("return sum(", "return sizes[0] + sum("), way="input biases"
        ),
        "Each layer has a single bias in this count: it has one per output.": Mistake(
            (SUM, "sizes[k] * sizes[k + 1] + 1 for k"), way="one bias a layer"
        ),
        "Each layer has one bias per input in this count: biases belong to the outputs.": Mistake(
            (SUM, "sizes[k] * sizes[k + 1] + sizes[k] for k"), way="biases of the inputs"
        ),
        "The last layer lacks its biases: an output layer is a dense layer like the others.": Mistake(
            ("for k in range(len(sizes) - 1))", "for k in range(len(sizes) - 1)) - sizes[-1]"), way="no output bias"
        ),
        "These are the neurons, not their parameters: count the connections and the biases.": Mistake(
            ("return sum(", "return sum(sizes) + 0 * sum("), way="neurons"
        ),
        "All sizes are multiplied together: only neighbouring layers are connected, and their counts add up.": Mistake(
            ("return sum(", "return int(np.prod(sizes)) + 0 * sum("), way="product"
        ),
        "A network in which a size occurs twice goes wrong: look up layers by their position, not by their size.": Mistake(
            (f"{SUM} in range(len(sizes) - 1)", "(k + 1) * sizes[sizes.index(k) + 1] for k in sizes[:-1]"), way="found by value"
        ),
    },
    alternatives=(
        """
def count_params(sizes):
    total = 0
    for inputs, outputs in zip(sizes, sizes[1:]):
        total += (inputs + 1) * outputs
    return np.int64(total)
""",
        """
def count_params(sizes):
    sizes = np.array(sizes)
    return np.dot(sizes[:-1], sizes[1:]) + np.sum(sizes[1:])
""",
        """
def count_params(sizes):
    first, *rest = sizes
    model = keras.Sequential([layers.Input((first,)), *(layers.Dense(size) for size in rest)])
    return model.count_params()
""",
    ),
    # Whole numbers: nothing between right and wrong.
    atol=0.1,
    rtol=0.0,
    contracts=(INTEGER, KEPT),
)
