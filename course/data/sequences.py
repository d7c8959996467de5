"""Sequences of tokens: some whose order was lost, some with a question at the end."""

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


@for_looking
def recall(
    samples: int, pairs: int, names: int, values: int, seed: int, order: Sequence[int] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sequences of pairs, each a name and its value, and at their end a question, which belongs to one of the names.

    In each sequence all names and all values differ, and they are paired anew. A question is asked in words of its own: which
    name it belongs to is the same in all sequences. An associative recall task, after Graves et al., 2014, section 4.3.

    Args:
        samples: Number of sequences.
        pairs: Pairs in each of them; no more than there are names or values.
        names: Number of different names, and of different questions.
        values: Number of different values.
        seed: The same seed gives the same sequences.
        order: All `2 * names + values` token ids: of the names, of the values, and of the questions, in the order of the names
            that they belong to. By default 0, 1, 2, ….

    Returns:
        `(x, y, asked)`: int32. `x` is `(samples, 2 * pairs + 1)`: name, value, name, value, …, question. `y` is `(samples,)`:
        the value beside the name that is asked for. `asked` is `(samples,)`: the number of its pair.

    Raises:
        ValueError: If there are too few names or values, or `order` is of another length.

    Example:
        >>> x, y, asked = recall(1, pairs=2, names=3, values=4, seed=0)
        >>> print(x[0], y[0], asked[0])
        [2 6 0 5 9] 6 0
    """
    ids = np.arange(2 * names + values) if order is None else np.asarray(order)
    if pairs > min(names, values) or len(ids) != 2 * names + values:
        raise ValueError(
            f"Expected at most {min(names, values)} pairs and {2 * names + values} token ids. Received: {pairs} and {len(ids)}"
        )
    generator, rows = np.random.default_rng(seed), np.arange(samples)
    drawn = [generator.permuted(np.tile(np.arange(n), (samples, 1)), axis=1)[:, :pairs] for n in (names, values)]
    asked = generator.integers(pairs, size=samples)
    name, value = drawn[0], names + drawn[1]
    question = names + values + name[rows, asked]
    told = np.stack([name, value], axis=2).reshape(samples, 2 * pairs)
    x, y = np.concatenate([told, question[:, None]], axis=1), value[rows, asked]
    return ids[x].astype("int32"), ids[y].astype("int32"), asked.astype("int32")
