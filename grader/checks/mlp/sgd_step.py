"""A step of gradient descent: the values, other names than the notebook's, and inputs that have to stay as they are."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.matching import apart, only, shows

KEPT = "inputs left as they are"
Shapes = dict[str, tuple[int, ...]]


def cases(rng: np.random.Generator) -> list[Case]:
    def run(shapes: Shapes, calls: int = 1) -> Call:
        params, grads = ({name: apart(rng, shape) for name, shape in shapes.items()} for _ in range(2))
        grads = dict(reversed(grads.items()))  # what belongs together has one name, not one place
        if "embedding" in shapes:
            grads["embedding"] *= 40
        args = params, grads, float(rng.uniform(0.05, 0.4))
        return Call(args, returns=tuple(shapes), numpy=True, calls=calls)

    layer: Shapes = {"output_kernel": (3, 2), "output_bias": (2,)}
    return [
        Case("values", run({"hidden_kernel": (2, 3), "hidden_bias": (3,), **layer}), weight=2),
        Case("other names", run({"embedding": (4, 2), "scale": (5,)})),
        Case(KEPT, run(layer, calls=2)),
    ]


def oracle(
    params: dict[str, Array],
    grads: dict[str, Array],
    learning_rate: float,
    calls: int = 1,
    sign: int = -1,
    rate: bool = True,
    keep: bool = True,
    biases: bool = True,
    steps: int = 1,
) -> dict[str, Array]:
    step = sign * (calls if steps > 1 else 1) * (learning_rate if rate else 1.0)
    return {name: keep * value + step * grads[name] * (biases or "bias" not in name) for name, value in params.items()}


updated = shows(KEPT, of="output_kernel", steps=2)
"""Whether the second step started where the first one ended."""


RETURN = "return {name: value - learning_rate * grads[name] for name, value in params.items()}"
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
        "The values are right, but `params` was changed as well: fill a new dict and leave the arrays as they are.": Mistake(
            (RETURN, "for name in params:\n        params[name] -= learning_rate * grads[name]\n    return params"), steps=2
        ),
        "Some parameters did not move: the biases have gradients too.": Mistake(
            (UPDATED, 'value - learning_rate * grads[name] * ("bias" not in name)'), biases=False
        ),
        "The parameters came back as they were: take one step.": Mistake(
            (UPDATED, "value"), matches=shows("values", of="hidden_kernel", sign=0)
        ),
        "The values are right, but the arrays that were handed in were changed as well: leave `params` and "
        "`grads` alone.": Mistake(
            (
                RETURN,
                RETURN.replace("return ", "new = ") + "\n    for name in grads:\n        grads[name] *= 0\n    return new",
            ),
            matches=lambda judged: only(KEPT)(judged) and not updated(judged),
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
)
