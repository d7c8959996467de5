"""Counting multiply-adds: one convolution, a stack with strides and kernels of several sizes, groups, and dense connections."""

import numpy as np

from grader.judging import Call, Case, Check, Mistake
from grader.judging.contracts import INTEGER, KEPT

DENSE = "dense connections"


def cases(rng: np.random.Generator) -> list[Case]:
    sizes = iter((6 * rng.permutation(np.arange(2, 7)) + 1).tolist())  # halved or divided by 3, they are rounded up
    few = iter(rng.permutation([4, 8, 12, 16, 20]).tolist())  # what 4 divides
    filters = iter(rng.permutation(np.arange(21, 60)).tolist())
    kernels = rng.permutation([2, 3, 5, 7]).tolist()
    channels, more, grouped = next(few), next(few), next(few)
    stack = [(kernels[0], next(filters), 1, 1), (kernels[1], next(filters), 3, 1), (1, next(filters), 1, 1)]
    split = [(kernels[2], 2 * grouped, 1, 4), (kernels[3], 4 * grouped, 2, 2), (1, next(filters), 1, 1)]
    grown = [(3, 2 * next(filters), 1, 1), (1, 2 * next(filters), 1, 2), (kernels[0], next(filters), 1, 1)]
    # So many products that no float32 holds their number.
    large = int(rng.integers(110, 120)) * 2 + 1
    return [
        Case("one convolution", Call((large, channels + 1, [(3, 2 * next(filters) + 1, 1, 1)]))),
        Case("a stack", Call((next(sizes), more, stack)), weight=2),
        Case("groups", Call((next(sizes), grouped, split)), weight=2),
        Case(DENSE, Call((next(sizes), channels, grown), {"dense": True}), weight=2),
    ]


def oracle(
    size: int,
    channels: int,
    convolutions: list[tuple[int, int, int, int]],
    dense: bool = False,
    place: str = "output",
    rounding: str = "up",
    groups: str = "once",
    kernel: str = "square",
    image: str = "square",
    biases: bool = False,
    reads: str = "right",
) -> int:
    total, read = 0, [channels]
    for side, filters, stride, parts in convolutions:
        before, size = size, -(-size // stride) if rounding == "up" else size // stride
        places = {"output": size, "input": before, "once": size}[place] ** (2 if image == "square" else 1)
        into = sum(read) if dense and reads != "the last" else read[-1]
        if dense and reads == "not the image" and len(read) > 1:
            into -= channels
        weights = side ** (2 if kernel == "square" else 1) * filters * into
        weights //= {"once": parts, "ignored": 1, "twice": parts**2}[groups]
        total += weights if place == "once" else places * weights + (places * filters if biases else 0)
        read.append(filters)
    return total


SIZE, SHARE = "size = -(-size // stride)", "(channels // groups)"
ADD = f"total += size**2 * filters * kernel_size**2 * {SHARE}"
NEXT = "channels = channels + filters if dense else filters"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "Weights are counted here, not multiplications: each weight is used once in every place.": Mistake(
            (ADD, ADD.replace("size**2 * filters", "filters", 1)), place="once"
        ),
        "The places of the image that is read are counted: it is those of the result, which a stride makes fewer.": Mistake(
            (SIZE, "places = size"),
            (ADD, f"{ADD.replace('size**2', 'places**2', 1)}\n        size = -(-places // stride)"),
            place="input",
        ),
        "Sizes are rounded down: with padding `same`, ceil(size / stride) places come out.": Mistake(
            (SIZE, "size = size // stride"), rounding="down"
        ),
        "Groups are ignored: a filter reads the channels of its own group alone.": Mistake(
            (SHARE, "channels"), groups="ignored"
        ),
        "Groups are counted twice: each filter reads fewer channels, and there are as many filters as ever.": Mistake(
            (SHARE, "(channels // groups) // groups"), groups="twice"
        ),
        "The kernel's size counts once: it has as many rows as columns, so square it.": Mistake(
            ("kernel_size**2", "kernel_size"), kernel="one side"
        ),
        "One row of places is counted: an image has as many rows as columns.": Mistake(
            ("size**2 * filters", "size * filters"), image="one row"
        ),
        "The biases are counted: they are added, and nothing is multiplied with them.": Mistake(
            (ADD, f"{ADD} + size**2 * filters"), biases=True
        ),
        "With `dense` each convolution reads the last one's result in this count: it reads all channels that there are "
        "so far.": Mistake((NEXT, "channels = filters"), reads="the last"),
        "With `dense` the image's own channels are forgotten after the first convolution: they stay there for all.": Mistake(
            ("total = 0", "total, image = 0, channels"),
            (NEXT, "channels = channels - image + filters if dense else filters\n        image = 0"),
            reads="not the image",
        ),
    },
    alternatives=(
        """
def count_multiply_adds(size, channels, convolutions, dense=False):
    total, read = 0, [channels]
    for kernel_size, filters, stride, groups in convolutions:
        size = int(np.ceil(size / stride))
        into = sum(read) if dense else read[-1]
        total += size * size * kernel_size * kernel_size * into * filters // groups
        read.append(filters)
    return total
""",
        """
def count_multiply_adds(size, channels, convolutions, dense=False):
    if not convolutions:
        return 0
    (kernel_size, filters, stride, groups), *rest = convolutions
    places = (size + stride - 1) // stride
    here = places**2 * (kernel_size**2 * channels // groups) * filters
    return here + count_multiply_adds(places, filters + channels * dense, rest, dense)
""",
        """
def count_multiply_adds(size, channels, convolutions, dense=False):
    total = 0
    for kernel_size, filters, stride, groups in convolutions:
        layer = layers.Conv2D(filters, kernel_size, stride, "same", groups=groups, use_bias=False)
        layer.build((1, size, size, channels))
        size = layer.compute_output_shape((1, size, size, channels))[1]
        total += layer.count_params() * size * size
        channels = channels + filters if dense else filters
    return total
""",
    ),
    # Whole numbers: nothing between right and wrong.
    atol=0.1,
    rtol=0.0,
    contracts=(INTEGER, KEPT),
)
