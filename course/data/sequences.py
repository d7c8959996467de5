"""Sequences of tokens whose order was lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from course.data.looking import for_looking


@for_looking
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
