"""Cosines of one query with a list of keys, some of them multiples of one another."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake


def _directions(rng: np.random.Generator, count: int, dim: int) -> Array:
    """Random vectors with every feature between 0.3 and 1.5 in size, so that none is near zero."""
    signs = rng.choice([-1.0, 1.0], size=(count, dim))
    signs[0] = 1.0
    return signs * rng.uniform(0.3, 1.5, size=(count, dim))


def cases(rng: np.random.Generator) -> list[Case]:
    directions = _directions(rng, 7, 4)
    query, keys = directions[0], directions[1:]
    lengths = np.linspace(1.5, 4, 6)[:, None]
    other, *rows = _directions(rng, 6, 3)
    stretched = np.array([rows[0], rows[0] * 5, -rows[0], *rows[1:]])
    return [
        Case("scores", Call((2 * query, keys * lengths)), weight=2),
        Case("stretched and opposite keys", Call((other / 3, stretched))),
        Case("one key", Call((2 * query, -3 * keys[:1])), weight=0.5),
    ]


def oracle(query: Array, keys: Array, query_norm: str = "length", key_norms: str = "length", distance: bool = False) -> Array:
    squared = np.array([sum(x * x for x in key) for key in keys])
    by_key = {"length": squared**0.5, "none": 1.0, "squared": squared, "all keys": squared.sum() ** 0.5}[key_norms]
    size = sum(x * x for x in query)
    by_query = {"length": size**0.5, "none": 1.0, "squared": size}[query_norm]
    cosines = (keys * query).sum(axis=1) / by_key / by_query
    return 1 - cosines if distance else cosines


CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The scores are plain dot products: divide by both lengths, or a long key wins whatever its direction.": Mistake(
            (" / (query_norm * key_norms)", ""), query_norm="none", key_norms="none"
        ),
        "A longer key still gets a larger score: divide by the length of each key too, not only by the query's.": Mistake(
            ("(query_norm * key_norms)", "query_norm"), key_norms="none"
        ),
        "All scores are off by the same factor: the query's length is missing in the denominator.": Mistake(
            ("(query_norm * key_norms)", "key_norms"), query_norm="none"
        ),
        "Longer keys get smaller scores: a length is the square root of the sum of squares, and the root is missing.": Mistake(
            ("ops.sqrt(ops.sum(query * query))", "ops.sum(query * query)"),
            ("ops.sqrt(ops.sum(keys * keys, axis=-1))", "ops.sum(keys * keys, axis=-1)"),
            query_norm="squared",
            key_norms="squared",
        ),
        "Every key is divided by one and the same number: take a length per key, along the last axis, not of "
        "the matrix.": Mistake(("ops.sum(keys * keys, axis=-1)", "ops.sum(keys * keys)"), key_norms="all keys"),
        "The most alike keys score lowest: this is the cosine distance, one minus what is asked for.": Mistake(
            (
                "return ops.matmul(keys, query) / (query_norm * key_norms)",
                "return 1.0 - ops.matmul(keys, query) / (query_norm * key_norms)",
            ),
            distance=True,
        ),
    },
    alternatives=(
        (
            ("query_norm = ops.sqrt(ops.sum(query * query))", "query = query / ops.norm(query)"),
            ("key_norms = ops.sqrt(ops.sum(keys * keys, axis=-1))", "keys = keys / ops.norm(keys, axis=-1, keepdims=True)"),
            (" / (query_norm * key_norms)", ""),
        ),
        (
            (
                "return ops.matmul(keys, query) / (query_norm * key_norms)",
                'return ops.einsum("kd,d->k", keys, query) / (ops.maximum(query_norm * key_norms, 1e-7))',
            ),
        ),
        """
def cosine_scores(query, keys):
    query, keys = np.asarray(query, dtype="float64"), np.asarray(keys, dtype="float64")
    return [key @ query / (np.linalg.norm(key) * np.linalg.norm(query)) for key in keys]
""",
    ),
    off_limits=(
        "keras.layers.Dot",
        "keras.losses.CosineSimilarity",
        "keras.losses.cosine_similarity",
        "keras.metrics.CosineSimilarity",
        "scipy.spatial.distance.cosine",
    ),
)
