"""Data sets: small ones that are made here or lie in scikit-learn, and real downloads that are checked by their hashes.

Every loader returns `(x_train, y_train), (x_test, y_test)`, as those of Keras do. Nothing here needs a network except
`images("mnist")` and `images("fashion_mnist")`.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

Split = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

# --- MNIST-1D: ten digits drawn as curves over time ---

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
    rng = np.random.default_rng(seed)
    y_train, y_test = (rng.permutation(np.arange(samples) % len(DIGITS)) for samples in (train, test))
    return (mnist1d_curves(y_train, rng), y_train), (mnist1d_curves(y_test, rng), y_test)


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


# --- sequences whose order was lost ---


def scrambled(
    samples: int, length: int, vocabulary: int | Sequence[int], permutation: Sequence[int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Random sequences of tokens, and each of them rearranged by one and the same permutation.

    Args:
        samples: Number of sequences.
        length: Tokens per sequence.
        vocabulary: Number of different token ids, or the ids themselves. All are equally frequent.
        permutation: Where each token of `y` comes from: a rearrangement of 0 to `length - 1`.
        seed: The same seed gives the same sequences.

    Returns:
        `(x, y)`: int32, both `(samples, length)`, with `y[n, i] = x[n, permutation[i]]`.

    Raises:
        ValueError: If `permutation` is not a rearrangement of 0 to `length - 1`.

    Example:
        >>> x, y = scrambled(2, 3, vocabulary=10, permutation=[2, 1, 0], seed=0)
        >>> (y == x[:, ::-1]).all()
        np.True_
    """
    if sorted(permutation) != list(range(length)):
        raise ValueError(f"Expected a rearrangement of 0 to {length - 1}. Received: {list(permutation)}")
    ids = np.arange(vocabulary) if isinstance(vocabulary, int) else np.asarray(vocabulary)
    x = np.random.default_rng(seed).choice(ids, size=(samples, length)).astype("int32")
    return x, x[:, list(permutation)]


# --- images ---


class DownloadError(RuntimeError):
    """A data set could not be downloaded, or is not the one that was published."""


def digits(seed: int = 0) -> Split:
    """1,797 handwritten digits of 8 by 8 pixels, from scikit-learn: no download.

    Args:
        seed: Decides which quarter of the samples is the test set; every class gives the same share of its own.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: float32 in 0 to 1, `(samples, 8, 8)`, and int64 labels 0 to 9.

    Reference:
        Alpaydin and Kaynak, 1998, Optical recognition of handwritten digits, UCI Machine Learning Repository.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    everything = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(
        (everything.images / 16).astype("float32"),
        everything.target.astype("int64"),
        test_size=0.25,
        stratify=everything.target,
        random_state=seed,
    )
    return (x_train, y_train), (x_test, y_test)


def images(source: Literal["digits", "mnist", "fashion_mnist"] = "digits", seed: int = 0) -> Split:
    """Small grey images of ten classes.

    Args:
        source: `"digits"` (8 by 8, needs no network), or a real download of 70,000 images of 28 by 28: `"mnist"` (11 MB) or
            `"fashion_mnist"` (31 MB). A download is kept under `~/.keras` and checked by its hash.
        seed: Of the split of `"digits"`; the others have a test set of their own.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: float32 in 0 to 1, `(samples, height, width)`, and int64 labels 0 to 9.

    Raises:
        DownloadError: If there is no network, or a file is not the published one.
        ValueError: If there is no such source.

    Reference:
        MNIST: LeCun, Bottou, Bengio and Haffner, 1998, Gradient-based learning applied to document recognition.
        Fashion-MNIST: Xiao, Rasul and Vollgraf, 2017. arXiv:1708.07747
    """
    if source == "digits":
        return digits(seed)
    if source not in ("mnist", "fashion_mnist"):
        raise ValueError(f'Expected "digits", "mnist" or "fashion_mnist". Received: {source!r}')
    try:
        train, test = _mnist() if source == "mnist" else _fashion_mnist()
    except Exception as error:  # what Keras raises when a download fails is a plain Exception
        raise DownloadError(
            f'{source} could not be downloaded and checked: {error}. Go on without it: images("digits") needs no network.'
        ) from error
    return (_scaled(train[0]), train[1].astype("int64")), (_scaled(test[0]), test[1].astype("int64"))


def _scaled(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype("float32") / 255


def _mnist() -> Split:
    import keras

    split: Split = keras.datasets.mnist.load_data()  # compares the file's SHA-256 with the one it knows
    return split


FASHION_MNIST = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
FASHION_MNIST_MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
"""From the table "Get the Data" in the README of zalandoresearch/fashion-mnist, which publishes MD5 and nothing stronger.

`keras.datasets.fashion_mnist` checks no hash, so the files are fetched here, from where Keras fetches them.
"""


def _fashion_mnist() -> Split:
    import keras

    arrays = [
        read_idx(
            keras.utils.get_file(
                name,
                origin=FASHION_MNIST + name,
                cache_subdir="datasets/fashion-mnist",
                hash_algorithm="md5",
                file_hash=md5,
            )
        )
        for name, md5 in FASHION_MNIST_MD5.items()
    ]
    return (arrays[0], arrays[1]), (arrays[2], arrays[3])


def read_idx(path: str | Path) -> np.ndarray:
    """Read a file of the IDX format with bytes in it, as the MNIST family uses it, zipped by gzip.

    Args:
        path: A `.gz` file: two zero bytes, the type (8 for unsigned bytes), the number of axes, the size of each axis as
            a big-endian 32-bit integer, then the values, the last axis running fastest.

    Returns:
        uint8 array with the axes that the file names.

    Raises:
        ValueError: If the file is no IDX file of unsigned bytes, or is too short or too long.
    """
    content = gzip.decompress(Path(path).read_bytes())
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path}: expected an IDX file of unsigned bytes. Received the first bytes: {content[:4]!r}")
    axes = content[3]
    shape = tuple(np.frombuffer(content[4 : 4 + 4 * axes], ">u4").tolist())
    values = content[4 + 4 * axes :]
    if len(shape) != axes or len(values) != math.prod(shape):
        raise ValueError(f"{path}: expected {shape} bytes after the header. Received: {len(values)}")
    return np.frombuffer(values, np.uint8).reshape(shape)
