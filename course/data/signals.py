"""MNIST-1D: ten digits drawn as curves over time."""

from __future__ import annotations

import math

import numpy as np

from course.data.looking import for_looking
from course.data.split import Split

DIGITS = np.array(
    [
        [0, 2, 3, 4, 4, 4, 4, 4, 4, 3, 2, 0],  # one broad arch
        [0, -4, -4, -3, -2, -1, -1, 0, 1, 2, 1, 0],  # a drop, then a long way up
        [0, 2, 4, 3, 1, 0, -1, -2, -3, -4, -4, 0],  # an arch, then further and further down
        [0, 2, 4, 3, 1, 0, 0, 1, 3, 4, 2, 0],  # two arches
        [0, -1, -2, -3, -4, -4, 0, 0, 0, 0, 0, 0],  # down a slope and back at once
        [0, -4, -4, -4, -4, 0, 2, 3, 3, 2, -1, 0],  # a square dip, then an arch
        [0, -2, -3, -3, -4, -4, -4, -4, -3, -3, -2, 0],  # one broad dip
        [0, 4, 4, 3, 3, 2, 1, 0, -1, -2, -1, 0],  # up at once, then a long way down
        [0, -2, -4, -3, -1, 0, 0, -1, -3, -4, -2, 0],  # two dips
        [0, -3, -4, -3, 0, 1, 1, 1, 0, -1, -2, 0],  # one dip, then down a little
    ],
    dtype=float,
)
"""The heights of ten strokes of the pen, one per digit, `(10, 12)`."""

LENGTH = 40
"""Features of a sample."""

SHIFT, SCALE = -0.0052, 0.1392
"""Mean and standard deviation of all curves: fixed numbers, so that one sample tells nothing about the others."""


@for_looking
def mnist1d(train: int = 4000, test: int = 1000, seed: int = 0) -> Split:
    """Ten classes of noisy curves, each of 40 numbers: small, made in a blink, and hard for a linear model.

    Args:
        train: Number of training samples.
        test: Number of test samples.
        seed: The same seed gives the same samples.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: float32, `(samples, 40)`, with mean about 0 and standard deviation about 1,
        and int64 labels 0 to 9, `(samples,)`, in random order and as evenly as the number of samples allows.

    Reference:
        In the spirit of MNIST-1D: Greydanus and Kobak, 2020, Scaling down deep learning. arXiv:2011.14439
    """
    drawn = np.random.default_rng(seed)
    y_train, y_test = (drawn.permutation(np.arange(samples) % len(DIGITS)) for samples in (train, test))
    return (mnist1d_curves(y_train, drawn), y_train), (mnist1d_curves(y_test, drawn), y_test)


@for_looking
def mnist1d_curves(
    labels: np.ndarray, rng: np.random.Generator, noise: float = 0.125, shear: float = 0.75, shift: float = 48.0
) -> np.ndarray:
    """Draw a fresh curve for each label.

    Args:
        labels: Integers 0 to 9, `(samples,)`.
        rng: Where all randomness comes from.
        noise: Standard deviation of the smooth noise, in units of a sixth of a stroke's own; 0 draws clean curves.
        shear: Largest slope that is added over a whole curve.
        shift: Latest start of a stroke, in its own points; 0 starts every stroke at once.

    Returns:
        Float32, `(samples, 40)`.
    """
    strokes = DIGITS - DIGITS.mean(axis=1, keepdims=True)
    strokes = strokes / strokes.std(axis=1, keepdims=True) / 6
    strokes = strokes - strokes[:, :1]  # starts and ends at 0
    samples, points = len(labels), DIGITS.shape[1]
    # A pen writes `duration` points in all; the stroke is 12 of them, the rest is 0.
    duration = points + rng.integers(36, 61, size=(samples, 1))
    start = rng.uniform(0, max(shift, 1e-9), size=(samples, 1))
    time = np.linspace(0, 1, LENGTH) * (duration - 1)  # (samples, 40)
    # What runs out at the end comes in again at the beginning. Between two points of a stroke: a straight line.
    place = np.clip((time - start) % duration, 0, points - 1)
    left = np.minimum(place.astype(int), points - 2)
    rows, share = np.asarray(labels)[:, None], place - left
    x = strokes[rows, left] * (1 - share) + strokes[rows, left + 1] * share
    x = x * (1 + 0.2 * rng.uniform(-1, 1, size=(samples, 1)))
    x = x + noise * _smooth(rng.normal(size=(samples, LENGTH)), width=1.4) + 0.02 * rng.normal(size=x.shape)
    x = x + shear * rng.uniform(-1, 1, size=(samples, 1)) * np.linspace(-0.25, 0.25, LENGTH)
    scaled: np.ndarray = (x - SHIFT) / SCALE
    return scaled.astype("float32")


def _smooth(values: np.ndarray, width: float) -> np.ndarray:
    """Average each row's neighbours, weighted by a bell of that width; beyond the ends the row is mirrored."""
    reach = math.ceil(3 * width)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    padded = np.pad(values, ((0, 0), (reach, reach)), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(bell), axis=1)  # (samples, features, window)
    smooth: np.ndarray = windows @ (bell / bell.sum())
    return smooth
