"""Counting a network of convolutions: one of them, blocks with kernels of several sizes, both heads, other classes."""

import itertools

import numpy as np

from grader.judging import Call, Case, Check, Mistake
from grader.judging.contracts import INTEGER


def cases(rng: np.random.Generator) -> list[Case]:
    def blocks(*convolutions: int) -> list[list[tuple[int, int]]]:
        """As many convolutions in each block; sizes of kernels that differ, numbers of filters that never repeat."""
        filters = iter(rng.permutation(np.arange(5, 60)).tolist())
        sizes = iter([*rng.permutation([1, 3, 5]).tolist(), *rng.permutation([1, 3, 5, 7]).tolist()])
        return [[(next(sizes), next(filters)) for _ in range(count)] for count in convolutions]

    classes = int(rng.integers(12, 90))
    return [
        Case("as many in each block", Call((blocks(2, 2, 2), classes, "dense"))),
        Case("one convolution", Call(([[(3, int(rng.integers(20, 60)))]], classes, "average"))),
        Case("blocks of convolutions", Call((blocks(2, 1, 3), classes, "average")), weight=2),
        Case("dense head", Call((blocks(1, 2, 1, 1), classes, "dense")), weight=2),
        Case("six blocks", Call((blocks(1, 1, 1, 1, 1, 1), classes, "dense"))),
        Case("1000 classes unless told", Call((blocks(1, 2),), {"head": "average"})),
    ]


def oracle(
    blocks: list[list[tuple[int, int]]],
    classes: int = 1000,
    head: str = "dense",
    biases: str = "all",
    kernels: str = "right",
    channels: str = "right",
    inputs: str = "right",
    pooling: str = "free",
) -> int:
    flat = [convolution for block in blocks for convolution in block]
    filters = [last for _, last in flat]
    into = [1 if channels == "grey" else 3, *filters]
    count = 0
    for (kernel, out), read in zip(flat, into, strict=False):
        weights = {"right": kernel**2, "3": 9, "one side": kernel}[kernels]
        count += weights * (1 if channels == "forgotten" else read) * out
    side = 224 // 2 ** len(blocks)
    pixels = {"right": side**2, "one pixel": 1, "one side": side, "not pooled": 224**2, "short": side**2}[inputs]
    chain = [filters[-1], classes]
    if head == "dense":
        chain = [pixels * filters[-1], *([4096] if inputs == "short" else [4096, 4096]), classes]
    count += sum(a * b for a, b in itertools.pairwise(chain))
    count += sum(filters) if biases in ("all", "convolutions") else 0
    count += sum(chain[1:]) if biases in ("all", "dense") else 0
    return count + (sum(4 * block[-1][1] for block in blocks) if pooling == "counted" else 0)


CONV = "total += kernel_size**2 * channels * filters + filters"
HEAD = "[size * size * channels, 4096, 4096]"
DENSE = "total += features * neurons + neurons"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The input's channels are forgotten: a filter has a kernel for every channel that it reads.": Mistake(
            (CONV, "total += kernel_size**2 * filters + filters"), channels="forgotten"
        ),
        "The biases of the convolutions are missing: each filter has one.": Mistake(
            (CONV, "total += kernel_size**2 * channels * filters"), biases="dense"
        ),
        "The biases of the dense layers are missing: each neuron has one.": Mistake(
            (DENSE, "total += features * neurons"), biases="convolutions"
        ),
        "All kernels are taken to be 3 by 3: their sizes are given, and some are others.": Mistake(
            (CONV, CONV.replace("kernel_size**2", "9")), kernels="3"
        ),
        "The kernel's size counts once: it has as many rows as columns, so square it.": Mistake(
            (CONV, CONV.replace("kernel_size**2", "kernel_size")), kernels="one side"
        ),
        "The first convolution reads one channel in this count: a colour image has three.": Mistake(
            ("224, 3, 0", "224, 1, 0"), channels="grey"
        ),
        "The dense head reads one number per channel in this count: flattened, it reads every pixel of every channel.": Mistake(
            (HEAD, "[channels, 4096, 4096]"), inputs="one pixel"
        ),
        "The dense head reads one row of pixels in this count: an image has as many rows as columns.": Mistake(
            (HEAD, "[size * channels, 4096, 4096]"), inputs="one side"
        ),
        "The dense head reads images of 224 by 224 in this count: each block has halved both sides.": Mistake(
            ("size //= 2", "size //= 1"), inputs="not pooled"
        ),
        "The dense head lacks a layer of 4096 neurons: there are two.": Mistake(
            (HEAD, "[size * size * channels, 4096]"), inputs="short"
        ),
        "The poolings have weights in this count: to keep the largest number there is nothing to learn.": Mistake(
            ("size //= 2", "size //= 2\n        total += 4 * channels"), pooling="counted"
        ),
    },
    alternatives=(
        """
def count_vgg_params(blocks, n_classes=1000, head="dense"):
    convolutions = [convolution for block in blocks for convolution in block]
    channels = [3] + [filters for _, filters in convolutions]
    total = sum((k * k * c + 1) * f for (k, f), c in zip(convolutions, channels))
    if head == "average":
        return int(total + (channels[-1] + 1) * n_classes)
    side = 224 // 2 ** len(blocks)
    return int(total + (side**2 * channels[-1] + 1) * 4096 + 4097 * 4096 + 4097 * n_classes)
""",
        """
def count_vgg_params(blocks, n_classes=1000, head="dense"):
    model = keras.Sequential([layers.Input((None, None, 3))])
    for block in blocks:
        for kernel_size, filters in block:
            model.add(layers.Conv2D(filters, kernel_size, padding="same"))
        model.add(layers.MaxPooling2D(2))
    total, features = model.count_params(), blocks[-1][-1][1]
    if head == "dense":
        features *= (224 // 2 ** len(blocks)) ** 2
        for neurons in (4096, 4096):
            total, features = total + (features + 1) * neurons, neurons
    return total + (features + 1) * n_classes
""",
    ),
    # Whole numbers: nothing between right and wrong.
    atol=0.1,
    rtol=0.0,
    contracts=(INTEGER,),
)
