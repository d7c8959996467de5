"""A residual block with weights that are set: two whose input goes round it as it is, three with a projection.

The normalisations use moving averages that differ from channel to channel.
"""

import numpy as np

from grader.judging import Array, Case, Check, LayerCall, Mistake
from grader.judging.matching import apart, only, shows

from ._reference import convolve

SAME, MORE, STRIDE, STRIDE_ONLY = "same shape", "more channels", "stride", "stride, as many channels"
TRAINING = "while it is trained"


def cases(rng: np.random.Generator) -> list[Case]:
    def run(shape: tuple[int, ...], filters: int, stride: int = 1, high: float = 2.0, **how: bool) -> LayerCall:
        channels = shape[-1]
        kernels = {"conv1": (3, 3, channels, filters), "conv2": (3, 3, filters, filters)}
        if stride > 1 or channels != filters:
            kernels["projection"] = (1, 1, channels, filters)
        weights = {}
        for name, kernel in kernels.items():
            # Small, so that the change does not drown what goes round it.
            weights[f"{name}.kernel"] = apart(rng, kernel, low=0.05, high=0.35)
        if "projection" in kernels:
            weights["projection.bias"] = apart(rng, (filters,), low=0.2, high=0.6)
        for name in ("norm1", "norm2"):
            weights[f"{name}.gamma"] = rng.uniform(0.6, 1.4, filters)
            weights[f"{name}.beta"] = apart(rng, (filters,), low=0.2, high=0.6)
            weights[f"{name}.moving_mean"] = apart(rng, (filters,), low=0.2, high=0.6)
            weights[f"{name}.moving_variance"] = rng.uniform(0.4, 1.6, filters)
        return LayerCall(
            (apart(rng, shape, high=high),),
            how,
            init={"filters": filters, "stride": stride},
            weights=weights,
        )

    return [
        Case(SAME, run((2, 5, 6, 4), 4, high=9.0), weight=2),
        Case(MORE, run((2, 4, 5, 3), 4)),
        Case(STRIDE, run((1, 6, 7, 3), 5, stride=2)),
        Case(STRIDE_ONLY, run((1, 5, 6, 4), 4, stride=2)),
        Case(TRAINING, run((2, 5, 4, 3), 3, training=True)),
    ]


def oracle(
    run: LayerCall,
    between: str = "norm1, relu",
    second: str = "norm2",
    end: str = "relu of the sum",
    order: str = "right",
    shortcut: str = "right",
    statistics: str = "right",
) -> Array:
    x, stride, weights = run.args[0], run.init["stride"], run.weights

    def conv(images: Array, name: str, step: int = 1) -> Array:
        bias = weights.get(f"{name}.bias", np.zeros(run.init["filters"]))
        return convolve(images, weights[f"{name}.kernel"], bias, step)

    def through(images: Array, steps: str) -> Array:
        for step in steps.split(", "):
            if step == "relu":
                images = np.maximum(images, 0)
            elif step != "nothing":
                gamma, beta, mean, variance = (
                    weights[f"{step}.{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")
                )
                if run.kwargs.get("training") and statistics != "moving":
                    mean, variance = images.mean(axis=(0, 1, 2)), images.var(axis=(0, 1, 2))
                images = gamma * (images - mean) / np.sqrt(variance + 1e-3) + beta
        return images

    last = "conv1" if order == "conv1 twice" else "conv2"
    hidden = conv(np.maximum(x, 0) if order == "relu first" else x, "conv1", stride)
    change = through(conv(through(hidden, between), last), second)
    around = conv(x, "projection", stride) if "projection.kernel" in weights else x
    if shortcut == "after conv1":
        around = hidden
    ends: dict[str, Array] = {
        "relu of the sum": np.maximum(change + around, 0),
        "sum": change + around,
        "sum of relu": np.maximum(change, 0) + around,
        "no shortcut": np.maximum(change, 0),
        "product": np.maximum(change * around, 0),
    }
    return np.maximum(through(change + around, "norm2"), 0) if end == "norm2 of the sum" else ends[end]


HIDDEN = "hidden = ops.relu(self.norm1(self.conv1(x)))"
CHANGE = "change = self.norm2(self.conv2(hidden))"
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
            (HIDDEN, "hidden = self.norm1(self.conv1(x))"), between="norm1"
        ),
        "ReLU is applied to the input, too: only the first normalisation's result and the sum go through it.": Mistake(
            (HIDDEN, "hidden = ops.relu(self.norm1(self.conv1(ops.relu(x))))"), order="relu first"
        ),
        "ReLU comes before the first normalisation: normalise what the convolution gives, and then cut off.": Mistake(
            (HIDDEN, "hidden = self.norm1(ops.relu(self.conv1(x)))"), between="relu, norm1"
        ),
        "The first convolution's result is not normalised: `norm1` follows it.": Mistake(
            (HIDDEN, "hidden = ops.relu(self.conv1(x))"), between="relu"
        ),
        "The second convolution's result is not normalised: `norm2` follows it, before the sum.": Mistake(
            (CHANGE, "change = self.conv2(hidden)"), second="nothing"
        ),
        "`norm1` is used twice: each convolution has a normalisation of its own.": Mistake(
            (CHANGE, "change = self.norm1(self.conv2(hidden))"), second="norm1"
        ),
        "While the block is trained the normalisations use their moving averages, and not the batch: leave `training` to "
        "Keras.": Mistake(
            (HIDDEN, "hidden = ops.relu(self.norm1(self.conv1(x), training=False))"),
            (CHANGE, "change = self.norm2(self.conv2(hidden), training=False)"),
            statistics="moving",
        ),
        "The sum is normalised: `norm2` belongs to the change alone, so that what goes round stays as it is.": Mistake(
            (CHANGE, "change = self.conv2(hidden)"),
            (RETURN, "return ops.relu(self.norm2(shortcut + change))"),
            second="nothing",
            end="norm2 of the sum",
        ),
        "What goes round starts after the first convolution: it is the block's input.": Mistake(
            (SHORTCUT, "shortcut = self.conv1(x)"), shortcut="after conv1"
        ),
        "The first convolution is used twice, and the second never.": Mistake(
            (CHANGE, "change = self.norm2(self.conv1(hidden))"), matches=shows(SAME, order="conv1 twice")
        ),
        "The block fails where its output has another shape than its input: what goes round needs the "
        "projection there.": Mistake((SHORTCUT, "shortcut = x"), matches=only(MORE, STRIDE, STRIDE_ONLY)),
        "The block fails where input and output have the same shape: there is no projection then, the input "
        "goes round.": Mistake((SHORTCUT, "shortcut = self.projection(x)"), matches=only(SAME, TRAINING)),
    },
    alternatives=(
        ((RETURN, "return ops.maximum(layers.add([shortcut, change]), 0.0)"),),
        (
            (
                HIDDEN,
                "change = x\n        for layer in (self.conv1, self.norm1, ops.relu, self.conv2, self.norm2):\n"
                "            change = layer(change)",
            ),
            (CHANGE, ""),
            (SHORTCUT, "shortcut = self.projection(x) if self.projection else x"),
            (RETURN, "return keras.activations.relu(change + shortcut)"),
        ),
        (
            (HIDDEN, 'hidden = layers.Activation("relu")(self.norm1(self.conv1(x)))'),
            (SHORTCUT, "if self.projection is not None:\n            x = self.projection(x)"),
            (RETURN, "return layers.ReLU()(x + change)"),
        ),
    ),
    # Two convolutions in float32, of up to 45 products each.
    atol=2e-5,
    rtol=2e-5,
)
