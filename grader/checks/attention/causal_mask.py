"""Causal masks of two lengths, drawn: which positions may attend to which.

As for all masks, 0 and 1 of any dtype are right, as `ops.where` and `ops.logical_and` take them; that they are booleans is
a contract.
"""

import numpy as np

from grader.judging import Array, Call, Case, Check, Judged, Mistake
from grader.judging.contracts import booleans


def cases(rng: np.random.Generator) -> list[Case]:
    # Few sizes: some backends compile anew for each.
    short, long = int(rng.integers(3, 10)), int(rng.choice([131, 140, 150]))
    return [
        Case("a short sequence", Call((short,))),
        Case("a long sequence", Call((long,))),
        Case("one token", Call((1,)), weight=0.25, property=True),
    ]


def oracle(length: int, kind: str = "causal") -> Array:
    past = np.subtract.outer(np.arange(length), np.arange(length)) > 0
    own = np.eye(length, dtype=bool)
    return {"causal": past | own, "future": past.T | own, "without own": past, "inverted": past.T}[kind]


def _is_added(judged: Judged) -> bool:
    """Both masks are 0 where attention is allowed, and very negative elsewhere."""
    for part in ("a short sequence", "a long sequence"):
        mask = judged.received.get(part, {}).get("result")
        if mask is None or mask.dtype.kind != "f":
            return False
        allowed = np.tri(*mask.shape) > 0
        if not ((mask[allowed] == 0).all() and (mask[~allowed] < -100).all()):
            return False
    return True


COMPARISON = "positions[:, None] >= positions[None, :]"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "Each position sees the future and not the past: rows are queries, so the allowed triangle is the lower one.": Mistake(
            (COMPARISON, "positions[:, None] <= positions[None, :]"), kind="future"
        ),
        "No position may attend to itself, and the first one has nothing to attend to: the diagonal belongs "
        "to the mask.": Mistake((COMPARISON, "positions[:, None] > positions[None, :]"), kind="without own"),
        'The mask is upside down: True means "may attend", yours is True where attention is forbidden.': Mistake(
            (COMPARISON, "positions[:, None] < positions[None, :]"), kind="inverted"
        ),
        "These are numbers to add to scores; asked for is a Boolean mask, True where attention is allowed.": Mistake(
            (f"return {COMPARISON}", f"return ops.where({COMPARISON}, 0.0, -1e9)"), matches=_is_added
        ),
    },
    alternatives=(
        ((COMPARISON, 'ops.cast(ops.tril(ops.ones((length, length))), "bool")'),),
        ((COMPARISON, 'ops.logical_not(ops.cast(ops.triu(ops.ones((length, length)), k=1), "bool"))'),),
        """
def causal_mask(length):
    return np.tri(length, dtype=bool)
""",
        """
def causal_mask(length):
    return [[key <= query for key in range(length)] for query in range(length)]
""",
    ),
    contracts=(booleans(lambda length: (length, length)),),
)
