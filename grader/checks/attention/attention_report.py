"""Reports on attention maps: a usual one, one whose rows do not sum to 1, and one with zeros and more keys than queries.

The first two are square, so that a report by columns has the right shape and can be named.
"""

import numpy as np

from grader.judging import Array, Arrays, Call, Case, Check, Judged, Mistake
from grader.judging.contracts import indices
from grader.judging.matching import shows

RETURNS = ("row_sums", "entropies", "strongest")
SIZE = 6
WIDE = (4, 7)
SQUARE = ("row sums", "entropies", "entropies of rows that do not sum to 1", "strongest")


def _cycle(rng: np.random.Generator) -> Array:
    """Which key each query looks at most: one cycle through all, so that no column looks at the row that looks at it."""
    order = rng.permutation(SIZE)
    strongest = np.empty(SIZE, dtype=int)
    strongest[order] = np.roll(order, 1)
    return strongest


def _map(rng: np.random.Generator) -> Array:
    weights = rng.uniform(0.2, 1.0, size=(SIZE, SIZE))
    weights[np.arange(SIZE), _cycle(rng)] = rng.uniform(1.3, 2.0, size=SIZE)
    return weights / weights.sum(axis=1, keepdims=True)


def _wide(rng: np.random.Generator) -> Array:
    """Half of each row is 0, and the keys at the end, those that no query has the number of, are looked at most."""
    queries, keys = WIDE
    weights = rng.uniform(0.2, 1.0, size=WIDE) * (np.argsort(rng.random(WIDE), axis=1) < keys / 2)
    strongest = rng.permutation([1, *range(queries, keys)])
    weights[np.arange(queries), strongest] = rng.uniform(1.3, 2.0, size=queries)
    weights[np.arange(queries), 0] = rng.uniform(0.004, 0.008, size=queries)
    return weights / weights.sum(axis=1, keepdims=True)


def cases(rng: np.random.Generator) -> list[Case]:
    usual = Call((_map(rng),), returns=RETURNS)
    # As on a slide with a slip of the pen.
    sums = rng.permutation([0.7, 0.8, 0.9, 1.1, 1.2, 1.3])
    slips = Call((_map(rng) * sums[:, None],), returns=RETURNS)
    wide, large = Call((_wide(rng),), returns=RETURNS), Call((20 * _map(rng),), returns=RETURNS)
    return [
        Case("row sums", slips, of=("row_sums",)),
        Case("entropies", usual, of=("entropies",)),
        Case("entropies of rows that do not sum to 1", slips, of=("entropies",), weight=0.5),
        Case("strongest", usual, of=("strongest",)),
        Case("zeros", wide, of=("entropies",), weight=0.5),
        Case("weights above 1", large, of=("entropies",), weight=0.5),
        Case("one query", Call((_map(rng)[:1],), returns=RETURNS), weight=0.5),
        Case("more keys than queries", wide, of=("row_sums", "strongest"), weight=0.5),
    ]


def oracle(
    weights: Array,
    axis: int = 1,
    log: str = "e",
    sign: int = -1,
    mean: bool = False,
    rescale: bool = False,
    square: bool = False,
) -> Arrays:
    weights = weights[:, : len(weights)] if square else weights
    rows = weights if axis == 1 else weights.T
    kept = rows / rows.sum(axis=1, keepdims=True) if rescale else rows
    terms = [[w * np.log(w) if w > 0 else 0.0 for w in row] for row in kept]
    entropies = sign * np.sum(terms, axis=1) / (np.log(2) if log == "2" else 1.0) / (rows.shape[1] if mean else 1)
    return {"row_sums": rows.sum(axis=1), "entropies": entropies, "strongest": rows.argmax(axis=1)}


def _zeros_spoil(judged: Judged) -> bool:
    entropies = judged.received.get("zeros", {}).get("entropies", np.zeros(1))
    return judged.failed == {"zeros"} and bool(np.isnan(entropies).any())


def _values_for_indices(judged: Judged) -> bool:
    """The largest weight stands where its index should."""
    return judged.failed == {"strongest", "one query", "more keys than queries"} and all(
        judged.check.close(judged.received.get(case.part, {}), {"strongest": case.run.args[0].max(axis=1)})
        for case in judged.cases
        if case.part in judged.failed
    )


ENTROPIES = "-ops.sum(weights * logarithms, axis=-1)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "This reports on columns: a row belongs to a query, and what it gives to the keys runs along the last axis.": Mistake(
            ("ops.sum(weights, axis=-1)", "ops.sum(weights, axis=0)"),
            (ENTROPIES, "-ops.sum(weights * logarithms, axis=0)"),
            ("ops.argmax(weights, axis=-1)", "ops.argmax(weights, axis=0)"),
            matches=shows(*SQUARE, axis=0),
        ),
        "Only square maps are right: a row has one weight for each key, however many queries there are.": Mistake(
            (
                "ops.log(ops.where(weights > 0, weights, 1.0))",
                "ops.log(ops.where(weights > 0, weights, 1.0))[:, : len(weights)]",
            ),
            ("ops.sum(weights, axis=-1)", "ops.sum(weights[:, : len(weights)], axis=-1)"),
            (ENTROPIES, ENTROPIES.replace("weights", "weights[:, : len(weights)]")),
            ("ops.argmax(weights, axis=-1)", "ops.argmax(weights[:, : len(weights)], axis=-1)"),
            square=True,
        ),
        "The entropies are in bits: asked for are nats, with the natural logarithm.": Mistake(
            (ENTROPIES, f"{ENTROPIES} / np.log(2.0)"), log="2"
        ),
        "The entropies are negative: the logarithm of a probability is, and the minus sign in front makes up for it.": Mistake(
            (ENTROPIES, ENTROPIES[1:]), sign=1
        ),
        "The entropies are too small by one factor, the number of keys: they are sums over the row, not means.": Mistake(
            (ENTROPIES, "-ops.mean(weights * logarithms, axis=-1)"), mean=True
        ),
        "A weight of 0 turns the entropy into NaN: 0 times ln(0) is to count as 0.": Mistake(
            ("ops.log(ops.where(weights > 0, weights, 1.0))", "ops.log(weights)"), matches=_zeros_spoil
        ),
        "Rows were rescaled to sum to 1 before their entropy was taken: the report is on the row as it stands.": Mistake(
            (
                ENTROPIES,
                "-ops.sum(weights / ops.sum(weights, -1, keepdims=True) * "
                "(logarithms - ops.log(ops.sum(weights, -1, keepdims=True))), axis=-1)",
            ),
            rescale=True,
        ),
        "`strongest` holds the largest weights themselves: asked for is where they are, the index of the key.": Mistake(
            ("ops.argmax(weights, axis=-1)", "ops.max(weights, axis=-1)"), matches=_values_for_indices
        ),
    },
    alternatives=(
        (("ops.where(weights > 0, weights, 1.0)", "weights + 1e-7"),),
        (
            ("ops.where(weights > 0, weights, 1.0)", "ops.maximum(weights, 1e-12)"),
            (ENTROPIES, 'ops.einsum("qk,qk->q", weights, -logarithms)'),
            ("ops.argmax(weights, axis=-1)", "ops.argsort(weights, axis=-1)[:, -1]"),
        ),
        """
def attention_report(weights):
    rows = np.asarray(weights, dtype="float64").tolist()
    return {
        "strongest": [row.index(max(row)) for row in rows],
        "row_sums": [sum(row) for row in rows],
        "entropies": [-sum(w * np.log(w) for w in row if w > 0) for row in rows],
    }
""",
    ),
    # A small number inside the logarithm, added against ln(0), is no mistake.
    atol=1e-4,
    contracts=(indices("strongest", lambda weights: weights.shape[:1]),),
)
