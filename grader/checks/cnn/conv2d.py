"""Convolution with channels: every size distinct, then a kernel whose axes could be swapped unseen, and one of one pixel."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.matching import apart, has_shape, shows
from grader.judging.off_limits import CONVOLUTION

SQUARE = "square kernel, as many filters as channels"


def cases(rng: np.random.Generator) -> list[Case]:
    def run(images: tuple[int, ...], kernel: tuple[int, ...]) -> Call:
        return Call((apart(rng, images), apart(rng, kernel, high=1.0), apart(rng, kernel[-1:], low=0.5)))

    return [
        Case("values", run((2, 5, 6, 4), (3, 2, 4, 5)), weight=3),
        Case(SQUARE, run((1, 5, 6, 3), (2, 2, 3, 3))),
        Case("kernel of one pixel", run((2, 3, 4, 2), (1, 1, 2, 3))),
    ]


def oracle(*arrays: Array, kernel: str = "as it is", bias: str = "once", channels: str = "all", size: str = "right") -> Array:
    images, weights, shift = arrays
    if kernel == "turned around":
        weights = weights[::-1, ::-1]
    elif kernel == "sides swapped":
        weights = np.swapaxes(weights, 0, 1)
    elif kernel == "channels swapped":
        weights = np.swapaxes(weights, 2, 3)
    if channels == "first":
        images, weights = images[..., :1], weights[:, :, :1]
    windows = np.lib.stride_tricks.sliding_window_view(images, weights.shape[:2], axis=(1, 2))
    output = np.einsum("brcihw,hwio->brco", windows, weights)
    if channels == "mean":
        output = output / images.shape[-1]
    shift = shift * {"once": 1, "missing": 0, "per weight": np.prod(weights.shape[:2])}[bias]
    return output[:, :-1, :-1] + shift if size == "one short" else output + shift


PRODUCT, SEEN = "ops.matmul(seen, kernel[i, j])", "images[:, i : i + height, j : j + width, :]"
HEIGHT, WIDTH = "images.shape[1] - kernel_height", "images.shape[2] - kernel_width"
ADD, FIRST = "output = output + ops.matmul(seen, kernel[i, j])", "output = bias"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The bias is missing: each filter adds one number of its own.": Mistake((FIRST, "output = 0.0"), bias="missing"),
        "The bias is added for every weight of the window: each result gets it once.": Mistake(
            (FIRST, "output = 0.0"), (ADD, f"{ADD} + bias"), bias="per weight"
        ),
        "The kernel is turned around: that is convolution in mathematics. Here it is laid on the image as it is.": Mistake(
            (PRODUCT, "ops.matmul(seen, kernel[kernel_height - 1 - i, kernel_width - 1 - j])"), kernel="turned around"
        ),
        "Height and width of the kernel are swapped: its first axis goes down, its second to the right.": Mistake(
            (PRODUCT, "ops.matmul(seen, kernel[j, i])"), matches=shows(SQUARE, kernel="sides swapped")
        ),
        "Channels and filters are swapped: the kernel's third axis meets the image's channels, and filters come last.": Mistake(
            (PRODUCT, "ops.matmul(seen, ops.transpose(kernel[i, j]))"), matches=shows(SQUARE, kernel="channels swapped")
        ),
        "Only the first channel of the image counts: sum over all of them.": Mistake(
            (SEEN, SEEN.replace(", :]", ", :1]")), (PRODUCT, "ops.matmul(seen, kernel[i, j][:1])"), channels="first"
        ),
        "The channels are averaged: sum over them.": Mistake((PRODUCT, f"{PRODUCT} / images.shape[-1]"), channels="mean"),
        "The last row and the last column of places are missing: a kernel as large as the image still has one place.": Mistake(
            (f"height = {HEIGHT} + 1", f"height = {HEIGHT}"),
            (f"width = {WIDTH} + 1", f"width = {WIDTH}"),
            matches=has_shape("values", size="one short"),
        ),
    },
    alternatives=(
        ((PRODUCT, 'ops.einsum("brci,io->brco", seen, kernel[i, j])'),),
        """
def conv2d(images, kernel, bias):
    images, kernel, bias = (ops.convert_to_numpy(value) for value in (images, kernel, bias))
    windows = np.lib.stride_tricks.sliding_window_view(images, kernel.shape[:2], axis=(1, 2))
    return np.einsum("brcihw,hwio->brco", windows, kernel) + bias
""",
        """
def conv2d(images, kernel, bias):
    m, n, channels, filters = kernel.shape
    batch, height, width, _ = images.shape
    rows = []
    for r in range(height - m + 1):
        row = []
        for c in range(width - n + 1):
            window = ops.reshape(images[:, r : r + m, c : c + n, :], (batch, m * n * channels))
            row.append(ops.matmul(window, ops.reshape(kernel, (m * n * channels, filters))) + bias)
        rows.append(ops.stack(row, axis=1))
    return ops.stack(rows, axis=1)
""",
    ),
    # Sums of up to 18 products, each of at most 2.
    atol=2e-5,
    off_limits=CONVOLUTION,
)
