"""Global average pooling: every size distinct, an image as large as its channels are many, and a batch of one image."""

from collections.abc import Callable

import numpy as np

from grader.judging import Array, Call, Case, Check, Judged, Mistake
from grader.judging.matching import apart, shows

VALUES, CUBE = "values", "as many channels as rows"
BATCH, HEIGHT, WIDTH, CHANNELS = 2, 3, 4, 5


def cases(rng: np.random.Generator) -> list[Case]:
    def run(*shape: int) -> Call:
        return Call((apart(rng, shape),))

    return [
        Case(VALUES, run(BATCH, HEIGHT, WIDTH, CHANNELS), weight=2),
        Case(CUBE, run(2, 4, 4, 4)),
        Case("batch of one image", run(1, 4, 3, 2)),
    ]


def oracle(images: Array, keep: str = "mean", axes: str = "height and width") -> Array:
    if axes == "the last two":
        return images.mean(axis=-1).mean(axis=-1)
    over = images.reshape(len(images), -1, images.shape[-1])
    return {"mean": over.sum(axis=1) / over.shape[1], "sum": over.sum(axis=1), "max": over.max(axis=1)}[keep]


def gives(*shape: int) -> Callable[[Judged], bool]:
    """A matcher: the values have this shape."""
    return lambda judged: VALUES in judged.failed and f"received {shape}" in judged.errors.get(VALUES, "")


RETURN = "ops.mean(images, axis=(1, 2))"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "These are sums: divide by the number of pixels.": Mistake((RETURN, "ops.sum(images, axis=(1, 2))"), keep="sum"),
        "These are the largest numbers: average pooling takes the mean.": Mistake(
            (RETURN, "ops.max(images, axis=(1, 2))"), keep="max"
        ),
        "The mean runs over width and channels: the channels stand last, so height and width are axes 1 and 2.": Mistake(
            (RETURN, "ops.mean(images, axis=(2, 3))"), matches=shows(CUBE, axes="the last two")
        ),
        "The averaged axes are still there with a size of 1: let the mean drop them.": Mistake(
            (RETURN, "ops.mean(images, axis=(1, 2), keepdims=True)"), matches=gives(BATCH, 1, 1, CHANNELS)
        ),
        "The mean runs over the batch, too: each image keeps averages of its own.": Mistake(
            (RETURN, "ops.mean(images, axis=(0, 1, 2))"), matches=gives(CHANNELS)
        ),
        "Only one axis is averaged: the mean runs over height and width.": Mistake(
            (RETURN, "ops.mean(images, axis=1)"), matches=gives(BATCH, WIDTH, CHANNELS)
        ),
    },
    alternatives=(
        ((RETURN, "ops.mean(ops.mean(images, axis=1), axis=1)"),),
        """
def global_average_pool(images):
    batch, height, width, channels = images.shape
    pixels = ops.reshape(images, (batch, height * width, channels))
    return ops.sum(pixels, axis=1) / (height * width)
""",
        """
def global_average_pool(images):
    images = ops.convert_to_numpy(images)
    return np.einsum("bhwc->bc", images) / images[0, :, :, 0].size
""",
    ),
    off_limits=(
        "keras.ops.average_pool",
        "keras.layers.AveragePooling2D",
        "keras.layers.AvgPool2D",
        "keras.layers.GlobalAveragePooling2D",
        "keras.layers.GlobalAvgPool2D",
    ),
)
