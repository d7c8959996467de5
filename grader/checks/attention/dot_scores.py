"""Dot products of one query with a list of keys: more keys than dimensions, and keys of very different length."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake


def _alternate(query: Array, keys: Array) -> Array:
    """Turn keys round so that every other one points away from the query."""
    signs = np.where(keys @ query < 0, -1, 1) * np.where(np.arange(len(keys)) % 2, -1, 1)
    return keys * signs[:, None]


def cases(rng: np.random.Generator) -> list[Case]:
    # Lengths that differ keep the ranking by dot product apart from that by angle or by distance.
    query, keys = rng.normal(size=4) + 1.5, rng.normal(size=(6, 4)) * np.linspace(0.5, 3, 6)[:, None]
    whole, rows = rng.integers(1, 5, size=2), rng.integers(1, 10, size=(5, 2))
    return [
        Case("scores", Call((query, _alternate(query, keys))), weight=2),
        Case("one key", Call((rng.normal(size=3) + 1.5, rng.normal(size=(1, 3)) - 1.5)), weight=0.5),
        Case("whole numbers", Call((whole.astype(float), _alternate(whole, rows).astype(float)))),
    ]


def oracle(query: Array, keys: Array, kind: str = "dot") -> Array:
    scores = np.array([sum(a * b for a, b in zip(query, key, strict=True)) for key in keys])
    lengths = np.sqrt((keys**2).sum(1)) * np.sqrt((query**2).sum())
    kinds = {
        "dot": scores,
        "cosine": scores / np.where(lengths > 0, lengths, np.nan),
        "scaled": scores / np.sqrt(query.size),
        "mean": scores / query.size,
        "absolute": abs(scores),
        "distance": np.sqrt(((keys - query) ** 2).sum(1)),
    }
    return kinds[kind]


CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The scores ignore how long the vectors are: this is the cosine, but the dot product is not divided "
        "by lengths.": Mistake(
            ("ops.matmul(keys, query)", "ops.matmul(keys, query) / (ops.norm(keys, axis=-1) * ops.norm(query))"), kind="cosine"
        ),
        "The scores are all too small by the same factor: the scale of 1/√dim comes later, here the sum stays plain.": Mistake(
            ("ops.matmul(keys, query)", "ops.matmul(keys, query) / query.shape[-1] ** 0.5"), kind="scaled"
        ),
        "The scores are averages over the features: a dot product adds the products up.": Mistake(
            ("ops.matmul(keys, query)", "ops.mean(keys * query, axis=-1)"), kind="mean"
        ),
        "No score is negative: keep the sign, it says that a key points away from the query.": Mistake(
            ("ops.matmul(keys, query)", "ops.abs(ops.matmul(keys, query))"), kind="absolute"
        ),
        "The scores are distances, small where vectors agree: multiply feature by feature and add, do not subtract.": Mistake(
            ("ops.matmul(keys, query)", "ops.norm(keys - query, axis=-1)"), kind="distance"
        ),
        "There is one number per feature instead of one per key: add the products along the features, the last axis.": Mistake(
            ("ops.matmul(keys, query)", "ops.sum(keys * query, axis=0)"),
            matches=lambda judged: all(
                f"received ({len(case.run.args[0])},)" in judged.errors.get(case.part, "") for case in judged.cases
            ),
        ),
    },
    alternatives=(
        (("ops.matmul(keys, query)", 'ops.einsum("kd,d->k", keys, query)'),),
        (("ops.matmul(keys, query)", "ops.sum(query[None, :] * keys, axis=1)"),),
        """
def dot_scores(query, keys):
    query, keys = np.asarray(query, dtype="float64"), np.asarray(keys, dtype="float64")
    return [float(np.dot(key, query)) for key in keys]
""",
    ),
    off_limits=("keras.layers.Dot",),
)
