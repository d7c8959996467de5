"""The best span: one where each end is best by itself, then where those would be the wrong way round, or too far apart."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.contracts import indices

PLAIN, CROSSED, LONG, EDGE, NEGATIVE = (
    "plain",
    "best end before best start",
    "too far apart",
    "exactly as long as allowed",
    "negative",
)


def cases(rng: np.random.Generator) -> list[Case]:
    tokens = 14

    def run(peaks: dict[tuple[str, int], float], longest: int, shift: float = 0.0) -> Call:
        start, end = (rng.uniform(0, 1, size=tokens) for _ in range(2))
        for (which, place), height in peaks.items():
            (start if which == "start" else end)[place] = height + rng.uniform(0, 0.3)
        return Call((start + shift, end + shift, longest), returns=("start", "end"), numpy=True)

    a, gap = int(rng.integers(1, 4)), int(rng.integers(2, 4))
    return [
        Case(PLAIN, run({("start", a): 5, ("end", a + gap): 5}, 8)),
        Case(
            CROSSED,
            run({("start", a + 6): 5, ("end", a + 1): 5, ("start", a): 4, ("end", a + 8): 3.2}, 5),
            weight=2,
        ),
        Case(LONG, run({("start", a): 5, ("end", a + 9): 5, ("start", a + 8): 3, ("end", a + 1): 2}, 4), weight=2),
        Case(EDGE, run({("start", a): 5, ("end", a + gap): 5, ("end", a + gap - 1): 3, ("end", a + gap + 1): 6}, gap + 1)),
        Case(NEGATIVE, run({("start", a): 5, ("end", a + gap): 5, ("end", a): 4}, 6, shift=-40.0)),
    ]


def oracle(
    start: Array, end: Array, limit: int, by: str = "sum", order: bool = True, longest: int | None = 0, chosen: str = "together"
) -> tuple[int, int]:
    if chosen == "separately":
        return int(np.argmax(start)), int(np.argmax(end))
    if chosen == "start first":
        first = int(np.argmax(start))
        return first, first + int(np.argmax(end[first : first + limit]))
    best = (-np.inf, 0, 0)
    for i in range(len(start)):
        for j in range(len(end)):
            if (order and j < i) or (longest is not None and j - i >= limit + longest):
                continue
            score = {"sum": start[i] + end[j], "product": start[i] * end[j]}[by]
            best = max(best, (score, i, j))
    return best[1:]


ALLOWED = "(further >= 0) & (further < max_length)"
SUMS = "start_logits[:, None] + end_logits[None, :]"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The best start and the best end are chosen each by itself: together they may be no span at all.": Mistake(
            (
                "start, end = np.unravel_index(np.argmax(sums), sums.shape)",
                "start, end = np.argmax(start_logits), np.argmax(end_logits)",
            ),
            chosen="separately",
        ),
        "The best start is chosen first, and then the best end for it: another start may give a better pair.": Mistake(
            (
                "start, end = np.unravel_index(np.argmax(sums), sums.shape)",
                "start = np.argmax(start_logits)\n    end = np.argmax(sums[start])",
            ),
            chosen="start first",
        ),
        "Some spans end before they begin: the end must not lie before the start.": Mistake(
            (ALLOWED, "further < max_length"), order=False
        ),
        "The span is longer than allowed: `max_length` is ignored.": Mistake((ALLOWED, "further >= 0"), longest=None),
        "Spans of exactly `max_length` tokens are left out: from start to end it is one token more than "
        "their difference.": Mistake((ALLOWED, "(further >= 0) & (further < max_length - 1)"), longest=-1),
        "Spans of one token too many are allowed: from start to end it is one token more than their difference.": Mistake(
            (ALLOWED, "(further >= 0) & (further <= max_length)"), longest=1
        ),
        "The two logits are multiplied: two negative ones would make a large product. Add them.": Mistake(
            (SUMS, "start_logits[:, None] * end_logits[None, :]"), by="product"
        ),
    },
    alternatives=(
        """
def best_span(start_logits, end_logits, max_length):
    spans = [(i, j) for i in range(len(start_logits)) for j in range(i, min(i + max_length, len(end_logits)))]
    return max(spans, key=lambda span: start_logits[span[0]] + end_logits[span[1]])
""",
        """
def best_span(start_logits, end_logits, max_length):
    sums = ops.convert_to_tensor(start_logits)[:, None] + ops.convert_to_tensor(end_logits)[None, :]
    band = ops.triu(ops.ones_like(sums)) - ops.triu(ops.ones_like(sums), k=max_length)
    best = int(ops.argmax(ops.where(band > 0, sums, -1e9)))
    return [best // len(end_logits), best % len(end_logits)]
""",
    ),
    # Whole numbers: nothing between right and wrong.
    atol=0.1,
    rtol=0.0,
    contracts=(indices("start", lambda *args: ()),),
)
