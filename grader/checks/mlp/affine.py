"""An affine map: distinct sizes, a batch of one row, and a square kernel that can hide a transpose."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.matching import apart, shows


def cases(rng: np.random.Generator) -> list[Case]:
    def run(batch: int, inputs: int, outputs: int) -> Call:
        while True:
            x, kernel = rng.normal(size=(batch, inputs)), rng.normal(size=(inputs, outputs))
            bias = apart(rng, (outputs,), low=0.5, high=2.0)
            result = x @ kernel + bias
            # Both signs, so that an activation shows.
            if result.min() < -0.3 and result.max() > 0.3:
                return Call((x, kernel, bias))

    return [
        Case("values", run(4, 3, 2), weight=2),
        Case("batch of one row", run(1, 5, 3)),
        Case("square kernel", run(3, 3, 3)),
        Case("one output", run(4, 3, 1), weight=0.5),
    ]


def oracle(x: Array, kernel: Array, bias: Array, way: str = "") -> Array:
    if way == "transposed":
        kernel = kernel.T
    if way == "swapped":
        return kernel @ x + bias
    if way == "by entry":
        return x * kernel + bias
    if way == "bias in a column":
        return x @ kernel + bias[:, None]
    if way == "bias inside":
        return x @ (kernel + bias)
    product = np.einsum("bi,io->bo", x, kernel)
    if way == "no bias":
        return product
    return np.maximum(product + bias, 0) if way == "relu" else product + bias


PRODUCT, SUM = "ops.matmul(x, kernel)", "return product + bias"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "Every output is off by the same amount in all rows: the bias is missing.": Mistake(
            (SUM, "return product"), way="no bias"
        ),
        "The bias is multiplied by the inputs: add it after the product, not to the kernel.": Mistake(
            (PRODUCT, "ops.matmul(x, kernel + bias)"), (SUM, "return product"), way="bias inside"
        ),
        "The kernel is transposed: it is (inputs, outputs), so x · kernel fits as it is.": Mistake(
            (PRODUCT, "ops.matmul(x, ops.transpose(kernel))"), matches=shows("square kernel", way="transposed")
        ),
        "The factors stand in the wrong order: samples are rows, so x comes first and the kernel second.": Mistake(
            (PRODUCT, "ops.matmul(kernel, x)"), matches=shows("square kernel", way="swapped")
        ),
        "x and kernel are multiplied entry by entry: an affine map needs the matrix product.": Mistake(
            (PRODUCT, "x * kernel"), matches=shows("square kernel", way="by entry")
        ),
        "The bias goes along the batch: there is one number per output, the same for every row.": Mistake(
            (SUM, "return product + ops.expand_dims(bias, -1)"), matches=shows("square kernel", way="bias in a column")
        ),
        "Negative results became 0: an affine map has no activation.": Mistake(
            (SUM, "return ops.maximum(product + bias, 0.0)"), way="relu"
        ),
    },
    alternatives=(
        (("product = ops.matmul(x, kernel)", 'product = ops.einsum("bi,io->bo", x, kernel)'),),
        "def affine(x, kernel, bias):\n    return x @ kernel + bias\n",
        """
def affine(x, kernel, bias):
    x, kernel, bias = (np.asarray(value, dtype="float64") for value in (x, kernel, bias))
    rows = []
    for row in x:
        rows.append([float(row @ kernel[:, j] + bias[j]) for j in range(len(bias))])
    return rows
""",
        "def affine(x, kernel, bias):\n    return ops.sum(ops.expand_dims(x, -1) * kernel, axis=1) + bias\n",
    ),
    off_limits=(
        "keras.layers.Dense",
        "keras.layers.EinsumDense",
    ),
)
