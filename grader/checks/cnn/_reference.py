"""A convolution in float64 that several oracles of this unit use."""

import numpy as np

from grader.judging import Array


def convolve(images: Array, kernel: Array, bias: Array, stride: int = 1, padding: str = "same") -> Array:
    """Keras's `Conv2D`: `(batch, height, width, channels)` and `(height, width, channels, filters)`.

    With "same" there are `ceil(size / stride)` places, and what is padded stands below and on the right if it is odd.
    """
    if padding == "same":
        missing = [
            max(0, (-(-size // stride) - 1) * stride + reach - size)
            for size, reach in zip(images.shape[1:3], kernel.shape[:2], strict=True)
        ]
        images = np.pad(images, [(0, 0), *((total // 2, total - total // 2) for total in missing), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(images, kernel.shape[:2], axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("brcihw,hwio->brco", windows, kernel) + bias
