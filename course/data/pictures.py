"""Images: those of scikit-learn, and real downloads that are checked by their hashes."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Literal

import numpy as np

from course.data.split import DownloadError, Split


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
