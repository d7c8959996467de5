"""Batch normalisation: images and tables, while training and afterwards, and the averages that lead from one to the other.

The batch's statistics lie far from the moving ones, and from channel to channel; the variances lie near enough to `epsilon`
to show where that is added.
"""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.contracts import KEPT
from grader.judging.matching import shows
from grader.judging.off_limits import NORMALISATION

RETURNS = ("y", "moving_mean", "moving_variance")
AVERAGES = RETURNS[1:]
TRAINING, MOVING, TABLE, AFTER, STAY = "training", "moving averages", "two axes", "afterwards", "averages stay"


def cases(rng: np.random.Generator) -> list[Case]:
    def run(*shape: int, **how: object) -> Call:
        channels = shape[-1]
        centre, spread, old = rng.permuted(np.tile(np.arange(channels), (3, 1)), axis=1)
        x = 0.5 * centre + rng.uniform(-0.5, 0, channels) + (0.2 + 0.3 * spread) * rng.normal(size=shape)
        gamma, beta = rng.uniform(0.5, 2, channels), rng.uniform(1, 2, channels)
        return Call(
            (x, gamma, beta, 1.0 - old / channels, 0.3 + 0.2 * old + rng.uniform(0, 0.1, channels)), how, returns=RETURNS
        )

    momentum, epsilon = rng.uniform(0.6, 0.8), rng.uniform(0.02, 0.05)
    train, table = run(5, 3, 2, 5, training=True), run(6, 4, training=True, momentum=momentum, epsilon=epsilon)
    after = run(3, 2, 4, 3, training=False, epsilon=epsilon)
    return [
        Case(TRAINING, train, of=("y",), weight=2),
        Case(MOVING, train, of=AVERAGES),
        Case(TABLE, table),
        Case(AFTER, after, of=("y",), weight=2),
        Case(STAY, after, of=AVERAGES, property=True),
    ]


def oracle(
    x: Array,
    gamma: Array,
    beta: Array,
    moving_mean: Array,
    moving_variance: Array,
    training: bool,
    momentum: float = 0.9,
    epsilon: float = 1e-3,
    axes: str = "all but the last",
    statistics: str = "right",
    variance: str = "biased",
    root: str = "of the sum",
    follow: str = "right",
    affine: str = "both",
) -> tuple[Array, Array, Array]:
    over = {"all but the last": tuple(range(x.ndim - 1)), "batch": (0,)}[axes]
    unbiased = int(variance == "unbiased")
    mean, spread = x.mean(axis=over, keepdims=True), x.var(axis=over, keepdims=True, ddof=unbiased)
    uses_batch = {"right": training, "batch": True, "moving": False}[statistics]
    used, width = (mean, spread) if uses_batch else (moving_mean, moving_variance)
    divisor = {
        "of the sum": np.sqrt(width + epsilon),
        "outside": np.sqrt(width) + epsilon,
        "no epsilon": np.sqrt(width),
        "none": width + epsilon,
    }[root]
    y = (x - used) / divisor
    y = {"both": gamma * y + beta, "no scale": y + beta, "no shift": gamma * y, "shift first": gamma * (y + beta)}[affine]
    if training or follow == "always":
        kept = {"right": momentum, "always": momentum, "swapped": 1 - momentum, "never": 1.0, "taken over": 0.0}[follow]
        if axes == "all but the last":
            moving_mean = kept * moving_mean + (1 - kept) * mean.reshape(-1)
            moving_variance = kept * moving_variance + (1 - kept) * spread.reshape(-1)
    return y, moving_mean, moving_variance


TEST = "if training:"
AXES = "axes=tuple(range(len(x.shape) - 1))"
MOMENTS = f"mean, variance = ops.moments(x, {AXES})"
MEAN = "moving_mean = momentum * moving_mean + (1 - momentum) * mean"
VARIANCE = "moving_variance = momentum * moving_variance + (1 - momentum) * variance"
Y = "y = gamma * (x - mean) / ops.sqrt(variance + epsilon) + beta"

PER_CHANNEL = "{0} = ops.mean(ops.reshape({0}, (-1, x.shape[-1])), axis=0)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The batch's own statistics are used after training, too: a single image would then depend on its neighbours in the "
        "batch. Use the moving averages.": Mistake(
            (TEST, "if True:"),
            (MEAN, "moving_mean = moving_mean if not training else momentum * moving_mean + (1 - momentum) * mean"),
            (
                VARIANCE,
                "moving_variance = moving_variance if not training else momentum * moving_variance + (1 - momentum) * variance",
            ),
            statistics="batch",
        ),
        "The moving averages are used while training: there, it is the batch's own mean and variance.": Mistake(
            (Y, "y = gamma * (x - old[0]) / ops.sqrt(old[1] + epsilon) + beta"),
            ("mean, variance = moving_mean, moving_variance", "mean, variance = old = moving_mean, moving_variance"),
            statistics="moving",
        ),
        "The moving averages change after training: they stay as they are then.": Mistake(
            (
                TEST,
                "batch_mean, batch_variance = ops.moments(x, axes=tuple(range(len(x.shape) - 1)))\n"
                "    moving_mean = momentum * moving_mean + (1 - momentum) * batch_mean\n"
                "    moving_variance = momentum * moving_variance + (1 - momentum) * batch_variance\n"
                "    if training:",
            ),
            (MEAN, "pass"),
            (VARIANCE, "pass"),
            follow="always",
        ),
        "The shares of old and new are swapped: `momentum` is the share of the old average.": Mistake(
            (MEAN, "moving_mean = (1 - momentum) * moving_mean + momentum * mean"),
            (VARIANCE, "moving_variance = (1 - momentum) * moving_variance + momentum * variance"),
            follow="swapped",
        ),
        "The moving averages never move: while training, a part of the batch's mean and variance goes into them.": Mistake(
            (MEAN, "pass"), (VARIANCE, "pass"), follow="never"
        ),
        "The moving averages forget what was before: `momentum` of the old one stays.": Mistake(
            (MEAN, "moving_mean = mean"), (VARIANCE, "moving_variance = variance"), follow="taken over"
        ),
        "The variance is divided by n − 1: here it is the mean of the squared differences.": Mistake(
            (
                MOMENTS,
                f"{MOMENTS}\n        count = int(np.prod(x.shape[:-1]))\n        variance = variance * count / (count - 1)",
            ),
            variance="unbiased",
        ),
        "`epsilon` is added to the root: it belongs to the variance, under the root.": Mistake(
            ("ops.sqrt(variance + epsilon)", "(ops.sqrt(variance) + epsilon)"), root="outside"
        ),
        "`epsilon` is missing: a channel that is constant would be divided by zero.": Mistake(
            ("ops.sqrt(variance + epsilon)", "ops.sqrt(variance)"), root="no epsilon"
        ),
        "The difference is divided by the variance: by its square root, the standard deviation, it becomes 1 wide.": Mistake(
            ("ops.sqrt(variance + epsilon)", "(variance + epsilon)"), root="none"
        ),
        "`gamma` is missing: each channel is multiplied by its own number after it was normalised.": Mistake(
            (Y, Y.replace("gamma * ", "")), affine="no scale"
        ),
        "`beta` is missing: each channel gets its own number added.": Mistake((Y, Y.replace(" + beta", "")), affine="no shift"),
        "`beta` is added before `gamma` multiplies: scale first, then shift.": Mistake(
            (Y, "y = gamma * ((x - mean) / ops.sqrt(variance + epsilon) + beta)"), affine="shift first"
        ),
        "Each place of the image has statistics of its own: average over samples and places together.": Mistake(
            (AXES, "axes=0"),
            (MEAN, f"{MEAN}\n        {PER_CHANNEL.format('moving_mean')}"),
            (VARIANCE, f"{VARIANCE}\n        {PER_CHANNEL.format('moving_variance')}"),
            matches=lambda judged: TABLE not in judged.failed and shows(TRAINING, of="y", axes="batch")(judged),
        ),
    },
    alternatives=(
        """
def batch_norm(x, gamma, beta, moving_mean, moving_variance, training, momentum=0.9, epsilon=1e-3):
    if not training:
        return (x - moving_mean) * gamma / ops.sqrt(moving_variance + epsilon) + beta, moving_mean, moving_variance
    flat = ops.reshape(x, (-1, x.shape[-1]))
    mean = ops.mean(flat, axis=0)
    variance = ops.mean((flat - mean) ** 2, axis=0)
    y = (flat - mean) * ops.rsqrt(variance + epsilon) * gamma + beta
    moving_mean = moving_mean + (1 - momentum) * (mean - moving_mean)
    moving_variance = moving_variance + (1 - momentum) * (variance - moving_variance)
    return ops.reshape(y, x.shape), moving_mean, moving_variance
""",
        (
            (MOMENTS, "mean, variance = (f(x, axis=tuple(range(len(x.shape) - 1))) for f in (ops.mean, ops.var))"),
            (Y, "y = beta + gamma * ops.power(variance + epsilon, -0.5) * (x - mean)"),
        ),
        """
def batch_norm(x, gamma, beta, moving_mean, moving_variance, training, momentum=0.9, epsilon=1e-3):
    axes = list(range(ops.ndim(x) - 1))
    mean = ops.mean(x, axis=axes, keepdims=True) if training else moving_mean
    variance = ops.mean(ops.square(x - mean), axis=axes, keepdims=True) if training else moving_variance
    kept = momentum if training else 1.0
    new_mean = kept * moving_mean + (1 - kept) * ops.reshape(mean, (-1,))
    new_variance = kept * moving_variance + (1 - kept) * ops.reshape(variance, (-1,))
    return (x - mean) / ops.sqrt(variance + epsilon) * gamma + beta, new_mean, new_variance
""",
    ),
    # float32: a variance may be a mean of squares less a squared mean, some hundred times as large, as in Keras itself.
    atol=5e-4,
    rtol=5e-4,
    contracts=(KEPT,),
    off_limits=NORMALISATION,
)
