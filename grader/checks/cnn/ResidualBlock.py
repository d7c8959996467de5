"""A residual block with weights that are set: one whose input goes round it as it is, two with a projection."""

import numpy as np

from grader.judging import Array, Case, Check, LayerCall, Mistake
from grader.judging.matching import apart, only, shows

from ._reference import convolve

SAME, MORE, STRIDE = "same shape", "more channels", "stride"


def cases(rng: np.random.Generator) -> list[Case]:
    def run(shape: tuple[int, ...], filters: int, stride: int = 1) -> LayerCall:
        channels = shape[-1]
        kernels = {"conv1": (3, 3, channels, filters), "conv2": (3, 3, filters, filters)}
        if stride > 1 or channels != filters:
            kernels["projection"] = (1, 1, channels, filters)
        weights = {}
        for name, kernel in kernels.items():
            # Small, so that the change does not drown what goes round it.
            weights[f"{name}.kernel"] = apart(rng, kernel, low=0.05, high=0.35)
            weights[f"{name}.bias"] = apart(rng, (filters,), low=0.2, high=0.6)
        return LayerCall(
            (apart(rng, shape),),
            init={"filters": filters, "stride": stride},
            weights=weights,
        )

    return [
        Case(SAME, run((2, 5, 6, 4), 4), weight=2),
        Case(MORE, run((2, 4, 5, 3), 4)),
        Case(STRIDE, run((1, 6, 7, 3), 5, stride=2)),
    ]


def oracle(
    run: LayerCall, between: str = "relu", end: str = "relu of the sum", order: str = "right", shortcut: str = "right"
) -> Array:
    x, stride = run.args[0], run.init["stride"]

    def conv(images: Array, name: str, step: int = 1) -> Array:
        return convolve(images, run.weights[f"{name}.kernel"], run.weights[f"{name}.bias"], step)

    first, second = ("conv1", "conv1") if order == "conv1 twice" else ("conv1", "conv2")
    hidden = conv(np.maximum(x, 0) if order == "relu first" else x, first, stride)
    change = conv(np.maximum(hidden, 0) if between == "relu" else hidden, second)
    around = conv(x, "projection", stride) if "projection.kernel" in run.weights else x
    if shortcut == "after conv1":
        around = hidden
    ends: dict[str, Array] = {
        "relu of the sum": np.maximum(change + around, 0),
        "sum": change + around,
        "sum of relu": np.maximum(change, 0) + around,
        "no shortcut": np.maximum(change, 0),
        "product": np.maximum(change * around, 0),
    }
    return ends[end]


CHANGE = "change = self.conv2(ops.relu(self.conv1(x)))"
SHORTCUT = "shortcut = x if self.projection is None else self.projection(x)"
RETURN = "return ops.relu(shortcut + change)"


CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The result has negative numbers: ReLU follows the sum, too.": Mistake((RETURN, "return shortcut + change"), end="sum"),
        "ReLU comes before the sum: so the block can only add to what goes round it, never take away.": Mistake(
            (RETURN, "return shortcut + ops.relu(change)"), end="sum of relu"
        ),
        "What goes round the convolutions is missing: add it to their result.": Mistake(
            (RETURN, "return ops.relu(change)"), end="no shortcut"
        ),
        "What goes round is multiplied by the change: add the two.": Mistake(
            (RETURN, "return ops.relu(shortcut * change)"), end="product"
        ),
        "There is no ReLU between the two convolutions: without it they are no more than one.": Mistake(
            (CHANGE, "change = self.conv2(self.conv1(x))"), between="nothing"
        ),
        "ReLU is applied to the input, too: only the first convolution's result and the sum go through it.": Mistake(
            (CHANGE, "change = self.conv2(ops.relu(self.conv1(ops.relu(x))))"), order="relu first"
        ),
        "What goes round starts after the first convolution: it is the block's input.": Mistake(
            (SHORTCUT, "shortcut = self.conv1(x)"), shortcut="after conv1"
        ),
        "The first convolution is used twice, and the second never.": Mistake(
            (CHANGE, "change = self.conv1(ops.relu(self.conv1(x)))"), matches=shows(SAME, order="conv1 twice")
        ),
        "The block fails where its output has another shape than its input: what goes round needs the "
        "projection there.": Mistake((SHORTCUT, "shortcut = x"), matches=only(MORE, STRIDE)),
        "The block fails where input and output have the same shape: there is no projection then, the input "
        "goes round.": Mistake((SHORTCUT, "shortcut = self.projection(x)"), matches=only(SAME)),
    },
    alternatives=(
        ((RETURN, "return ops.maximum(layers.add([shortcut, change]), 0.0)"),),
        (
            (
                CHANGE,
                "change = x\n        for layer in (self.conv1, ops.relu, self.conv2):\n            change = layer(change)",
            ),
            (SHORTCUT, "shortcut = self.projection(x) if self.projection else x"),
            (RETURN, "return keras.activations.relu(change + shortcut)"),
        ),
        (
            (CHANGE, 'change = self.conv2(layers.Activation("relu")(self.conv1(x)))'),
            (SHORTCUT, "if self.projection is not None:\n            x = self.projection(x)"),
            (RETURN, "return layers.ReLU()(x + change)"),
        ),
    ),
    # Two convolutions in float32, of up to 45 products each.
    atol=2e-5,
    rtol=2e-5,
)
