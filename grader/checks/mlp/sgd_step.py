"""A step of gradient descent: the values, other names than the notebook's, inputs to be left alone."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.contracts import KEPT
from grader.judging.matching import apart, shows

Shapes = dict[str, tuple[int, ...]]


def cases(rng: np.random.Generator) -> list[Case]:
    def run(shapes: Shapes) -> Call:
        params, grads = ({name: apart(rng, shape) for name, shape in shapes.items()} for _ in range(2))
        grads = dict(reversed(grads.items()))  # what belongs together has one name, not one place
        if "embedding" in shapes:
            grads["embedding"] *= 40
        args = params, grads, float(rng.uniform(0.05, 0.4))
        return Call(args, returns=tuple(shapes), numpy=True)

    return [
        Case(
            "values",
            run({"hidden_kernel": (2, 3), "hidden_bias": (3,), "output_kernel": (3, 2), "output_bias": (2,)}),
            weight=2,
        ),
        Case("other names", run({"embedding": (4, 2), "scale": (5,)})),
    ]


def oracle(
    params: dict[str, Array],
    grads: dict[str, Array],
    learning_rate: float,
    sign: int = -1,
    rate: bool = True,
    keep: bool = True,
    biases: bool = True,
) -> dict[str, Array]:
    step = sign * (learning_rate if rate else 1.0)
    return {name: keep * value + step * grads[name] * (biases or "bias" not in name) for name, value in params.items()}


UPDATED = "value - learning_rate * grads[name]"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The step goes uphill: the gradient points to larger losses, so subtract it.": Mistake(
            (UPDATED, "value + learning_rate * grads[name]"), sign=1
        ),
        "The learning rate makes no difference: multiply the gradient by it.": Mistake(
            (UPDATED, "value - grads[name]"), rate=False
        ),
        "What came back is the step alone: add it to the parameters.": Mistake(
            (UPDATED, "-learning_rate * grads[name]"), matches=shows("values", of="hidden_kernel", keep=False)
        ),
        "Some parameters did not move: the biases have gradients too.": Mistake(
            (UPDATED, 'value - learning_rate * grads[name] * ("bias" not in name)'), biases=False
        ),
        "The parameters came back as they were: take one step.": Mistake(
            (UPDATED, "value"), matches=shows("values", of="hidden_kernel", sign=0)
        ),
    },
    alternatives=(
        """
def sgd_step(params, grads, learning_rate):
    new = dict(params)
    for name in new:
        new[name] = new[name] - learning_rate * grads[name]
    return new
""",
        """
def sgd_step(params, grads, learning_rate):
    new = {name: value.copy() for name, value in params.items()}
    for name, gradient in grads.items():
        new[name] -= learning_rate * gradient
    return new
""",
        """
def sgd_step(params, grads, learning_rate):
    return {
        name: ops.subtract(
            ops.convert_to_tensor(params[name], "float32"),
            ops.multiply(learning_rate, ops.convert_to_tensor(grads[name], "float32")),
        )
        for name in reversed(list(params))
    }
""",
    ),
    off_limits=("keras.optimizers.SGD",),
    contracts=(KEPT,),
)
