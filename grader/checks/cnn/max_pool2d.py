"""Max pooling: windows side by side, windows that overlap, pixels left over, and images without a positive number."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.matching import apart, has_shape

NEGATIVE = "negative numbers"


def cases(rng: np.random.Generator) -> list[Case]:
    def run(images: tuple[int, ...], pool_size: int, stride: int, sign: int = 0) -> Call:
        x = apart(rng, images)
        return Call((sign * np.abs(x) if sign else x, pool_size, stride))

    return [
        Case("windows side by side", run((2, 4, 6, 3), 2, 2)),
        Case("windows that overlap", run((1, 5, 6, 2), 3, 1)),
        Case("pixels left over", run((2, 8, 6, 3), 3, 2)),
        Case("windows apart", run((1, 7, 9, 2), 2, 3)),
        Case(NEGATIVE, run((1, 4, 6, 2), 2, 2, sign=-1)),
    ]


def oracle(
    images: Array, pool_size: int, stride: int, keep: str = "largest", steps: str = "right", channels: str = "apart"
) -> Array:
    step = {"right": stride, "pool size": pool_size, "one": 1}[steps]
    windows = np.lib.stride_tricks.sliding_window_view(images, (pool_size, pool_size), axis=(1, 2))[:, ::step, ::step]
    kept: Array = {
        "largest": windows.max(axis=(-1, -2)),
        "mean": windows.mean(axis=(-1, -2)),
        "smallest": windows.min(axis=(-1, -2)),
        "from zero": windows.max(axis=(-1, -2), initial=0),
        "first": windows[..., 0, 0],
    }[keep]
    return np.broadcast_to(kept.max(axis=-1, keepdims=True), kept.shape) if channels == "together" else kept


RETURN = "return ops.max(ops.stack(entries), axis=0)"
ROWS = "rows = (images.shape[1] - pool_size) // stride + 1"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "These are the averages of the windows: keep the largest number.": Mistake(
            (RETURN, "return ops.mean(ops.stack(entries), axis=0)"), keep="mean"
        ),
        "These are the smallest numbers of the windows: keep the largest.": Mistake(
            (RETURN, "return ops.min(ops.stack(entries), axis=0)"), keep="smallest"
        ),
        "Each window keeps its upper left number, whatever the others are: keep the largest.": Mistake(
            (RETURN, "return entries[0]"), keep="first"
        ),
        "The windows always lie side by side: they move by `stride`, which may be less than their size.": Mistake(
            (ROWS, f"stride = pool_size\n    {ROWS}"), matches=has_shape("windows that overlap", steps="pool size")
        ),
        "The windows move by one pixel, whatever the stride is.": Mistake(
            (ROWS, f"stride = 1\n    {ROWS}"), matches=has_shape("windows side by side", steps="one")
        ),
        "All channels have the same numbers: each channel is pooled by itself.": Mistake(
            (
                RETURN,
                "pooled = ops.max(ops.stack(entries), axis=0)\n    return 0 * pooled + ops.max(pooled, axis=-1, keepdims=True)",
            ),
            channels="together",
        ),
        "A window of negative numbers gives 0: start from one of its numbers, not from zero.": Mistake(
            (RETURN, "return ops.maximum(ops.max(ops.stack(entries), axis=0), 0.0)"), keep="from zero"
        ),
    },
    alternatives=(
        """
def max_pool2d(images, pool_size, stride):
    images = ops.convert_to_numpy(images)
    windows = np.lib.stride_tricks.sliding_window_view(images, (pool_size, pool_size), axis=(1, 2))
    return windows[:, ::stride, ::stride].max(axis=(-1, -2))
""",
        """
def max_pool2d(images, pool_size, stride):
    rows = []
    for top in range(0, images.shape[1] - pool_size + 1, stride):
        row = []
        for left in range(0, images.shape[2] - pool_size + 1, stride):
            row.append(ops.max(images[:, top : top + pool_size, left : left + pool_size, :], axis=(1, 2)))
        rows.append(ops.stack(row, axis=1))
    return ops.stack(rows, axis=1)
""",
        """
def max_pool2d(images, pool_size, stride):
    height, width = images.shape[1] - pool_size + 1, images.shape[2] - pool_size + 1
    best = images[:, :height, :width]
    for i in range(pool_size):
        for j in range(pool_size):
            best = ops.maximum(best, images[:, i : i + height, j : j + width])
    return best[:, ::stride, ::stride]
""",
    ),
    off_limits=(
        "keras.ops.max_pool",
        "keras.layers.MaxPooling1D",
        "keras.layers.MaxPooling2D",
        "keras.layers.MaxPool2D",
        "jax.lax.reduce_window",
        "scipy.ndimage.maximum_filter",
        "tensorflow.nn.max_pool2d",
    ),
)
