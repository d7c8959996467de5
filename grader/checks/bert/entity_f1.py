"""F1 of spans: found, missed, too long, of the wrong kind; spans side by side, at the end of a row, none at all."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.contracts import KEPT

KINDS, LENGTH = 3, 14
NONE, LOOSE = "no spans", "an I without its B"


def row_of(spans: list[tuple[int, int, int]]) -> Array:
    """The tags of a row: spans are their first token, their number of tokens, and their kind."""
    row = np.zeros(LENGTH, dtype=int)
    for start, length, kind in spans:
        row[start] = 2 * kind - 1
        row[start + 1 : start + length] = 2 * kind
    return row


def cases(rng: np.random.Generator) -> list[Case]:
    def kinds(count: int) -> list[int]:
        return (1 + rng.permutation(KINDS)[np.arange(count) % KINDS]).tolist()

    def run(*rows: tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]) -> Call:
        return Call(tuple(np.stack([row_of(spans) for spans in side]) for side in zip(*rows, strict=True)), numpy=True)

    a, b, c = kinds(3)
    shift = int(rng.integers(2))
    return [
        # Rows: one span right and one that ends too early; a wrong kind; one found that is none; in the last, all right.
        Case(
            "several rows",
            run(
                ([(shift, 3, a), (6, 3, b)], [(shift, 3, a), (6, 2, b)]),
                ([(2, 2, b), (8, 1, c)], [(2, 2, c), (8, 1, c)]),
                ([(4, 2, a)], [(4, 2, a), (9 + shift, 2, b)]),
                ([(1, 1, c), (5, 4, a), (10, 2, b)], [(1, 1, c), (5, 4, a), (10, 2, b)]),
            ),
            weight=3,
        ),
        # Two spans of one kind that touch; predicted as one, as two, and with a border between them in the wrong place.
        Case(
            "side by side",
            run(
                ([(3, 2, a), (5, 3, a)], [(3, 5, a)]),
                ([(3, 2, a), (5, 3, a)], [(3, 2, a), (5, 3, a)]),
                ([(3, 2, b), (5, 3, c)], [(3, 3, b), (6, 2, c)]),
                ([(3, 2, b), (5, 3, c)], [(3, 2, b), (5, 3, c)]),
            ),
            weight=2,
        ),
        # Spans at both ends of rows: none goes on in the next row.
        Case(
            "at the ends",
            run(
                ([(LENGTH - 2, 2, a)], [(LENGTH - 2, 2, a)]),
                ([(0, 2, a), (LENGTH - 1, 1, b)], [(0, 2, a)]),
                ([(0, 1, c)], [(0, 1, c), (LENGTH - 3, 3, b)]),
            ),
            weight=2,
        ),
        # The same places and kinds, in other rows.
        Case("in another row", run(([(4, 2, a)], [(7, 3, b)]), ([(7, 3, b)], [(4, 2, a)]), ([(1, 2, c)], [(1, 2, c)]))),
        Case(LOOSE, _loose(run(([(2, 3, a)], [(2, 3, a)]), ([(5, 3, b)], [(5, 3, b)]), ([(1, 2, c)], [])), b, c)),
        Case(NONE, run(([], []), ([], [])), weight=0.5, property=True),
    ]


def _loose(run: Call, kind: int, other: int) -> Call:
    """The same, with an I that follows nothing, and one that follows a span of another kind, in what is predicted."""
    true, predicted = run.args
    predicted = predicted.copy()
    predicted[0, 8:10] = 2 * kind
    predicted[1, 8] = 2 * other
    return Call((true, predicted), numpy=True)


def spans(
    rows: Array, kinds: bool = True, ends: bool = True, numbers: bool = True, glued: bool = False, loose: bool = False
) -> set[tuple[int, ...]]:
    """The spans of all rows: row, first token, token behind the last, kind; less of it where that is not looked at."""
    found = set()
    for number, row in enumerate(rows):
        start = None
        for place in range(LENGTH + 1):
            tag = int(row[place]) if place < LENGTH else 0
            before = int(row[place - 1]) if place else 0
            goes_on = tag > 0 and tag % 2 == 0 and before in (tag, tag - 1)
            if glued and tag % 2 and before in (tag, tag + 1):
                goes_on = True
            if start is not None and not goes_on:
                kind = (int(row[start]) + 1) // 2
                found.add((number * numbers, start, place * ends, kind * kinds))
                start = None
            if (tag % 2 or (loose and tag)) and not goes_on:
                start = place
    return found  # type: ignore[return-value]


def oracle(true: Array, predicted: Array, of: str = "spans", score: str = "f1", **ways: bool) -> float:
    if of == "tokens":
        hits = int(((true == predicted) & (true > 0)).sum())
        return 2 * hits / max(1, int((true > 0).sum() + (predicted > 0).sum()))
    if of == "tags":
        return float((true == predicted).mean())
    right, claimed = spans(true, **ways), spans(predicted, **ways)
    hits = len(right & claimed)
    below = {"f1": (len(right) + len(claimed)) / 2, "precision": len(claimed), "recall": len(right)}
    if score == "jaccard":
        return hits / max(1, len(right | claimed))
    return hits / max(0.5, below[score])


START = "for start in np.flatnonzero(row % 2):"
GOES_ON = "while end < len(row) and row[end] == row[start] + 1:"
ADD = "found.add((number, int(start), end, int(row[start])))"
RETURN = "return 2 * len(true & claimed) / max(1, len(true) + len(claimed))"
ALL_BUT_NONE = ("several rows", "side by side", "at the ends", "in another row", LOOSE)

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "Single tokens are counted, not spans: a span of which half is found is not half right.": Mistake(
            (
                RETURN,
                "hits = ((tags == predicted) & (tags > 0)).sum()\n"
                "    return 2 * hits / max(1, (tags > 0).sum() + (predicted > 0).sum())",
            ),
            of="tokens",
        ),
        "This is the share of tags that are right, and most are O: count spans.": Mistake(
            (RETURN, "return float(np.mean(np.asarray(tags) == np.asarray(predicted)))"), of="tags"
        ),
        "This is the precision: spans that were missed count, too.": Mistake(
            (RETURN, "return len(true & claimed) / max(1, len(claimed))"), score="precision"
        ),
        "This is the recall: spans that were found and are none count, too.": Mistake(
            (RETURN, "return len(true & claimed) / max(1, len(true))"), score="recall"
        ),
        "Right spans are divided by those that are true or predicted, with those that are both counted once: F1 divides by the "
        "mean of the two numbers.": Mistake(
            (RETURN, "return len(true & claimed) / max(1, len(true | claimed))"), score="jaccard"
        ),
        "The kind of a span is not looked at: a right place with a wrong kind is wrong.": Mistake(
            (ADD, ADD.replace(", int(row[start])))", "))")), kinds=False
        ),
        "Only the beginning of a span is looked at: it has to end at the same token, too.": Mistake(
            (ADD, ADD.replace("end, ", "")), ends=False
        ),
        "The rows are thrown together: a span is right if it was predicted in the same row.": Mistake(
            (ADD, ADD.replace("number, ", "")), numbers=False
        ),
        "A new span begins at each B, also directly behind another one of the same kind.": Mistake(
            (
                START,
                "for start in [k for k in range(len(row)) if row[k] % 2 and not (k and row[k - 1] in (row[k], row[k] + 1))]:",
            ),
            (GOES_ON, "while end < len(row) and row[end] in (row[start], row[start] + 1):"),
            glued=True,
        ),
        "An I that continues no span is counted as one: it belongs to nothing.": Mistake(
            (
                START,
                "kinds = (row + 1) // 2\n"
                "            for start in np.flatnonzero((row % 2 == 1) | (row > 0) & (kinds != np.append(0, kinds[:-1]))):",
            ),
            loose=True,
        ),
        "Where there are no spans at all, it fails or is not a number: 0 is divided by 0. It should be 0.": Mistake(
            (RETURN, "return float(np.float64(2 * len(true & claimed)) / (len(true) + len(claimed)))"),
            matches=lambda judged: judged.failed == {NONE},
        ),
    },
    alternatives=(
        """
def entity_f1(tags, predicted):
    def spans_in(rows):
        found, current = [], None
        for number, row in enumerate(rows.tolist()):
            for place, tag in enumerate([*row, 0]):
                if current and tag != current[2] + 1:
                    found.append((number, current[1], place, current[2]))
                    current = None
                if tag % 2 == 1:
                    current = (number, place, tag)
            current = None
        return found

    true, claimed = spans_in(tags), spans_in(predicted)
    hits = sum(span in true for span in claimed)
    precision, recall = hits / max(len(claimed), 1), hits / max(len(true), 1)
    return 0.0 if hits == 0 else 2 * precision * recall / (precision + recall)
""",
        """
def entity_f1(tags, predicted):
    def ends(rows):
        # A tag goes on where its row's last tag was the B or the I of its kind: walk from left to right.
        begun = np.where(rows % 2 == 1, np.arange(rows.shape[1]), -1)
        for t in range(1, rows.shape[1]):
            on = (rows[:, t] > 0) & (rows[:, t] % 2 == 0) & (begun[:, t - 1] >= 0)
            on &= (rows[:, t - 1] == rows[:, t]) | (rows[:, t - 1] == rows[:, t] - 1)
            begun[on, t] = begun[on, t - 1]
        last = np.ones_like(rows, dtype=bool)
        last[:, :-1] = (begun[:, 1:] != begun[:, :-1])
        row, end = np.nonzero(last & (begun >= 0))
        return {(r, begun[r, e], e, rows[r, begun[r, e]]) for r, e in zip(row, end)}

    a, b = ends(np.asarray(tags)), ends(np.asarray(predicted))
    return 2 * len(a.intersection(b)) / (len(a) + len(b)) if a or b else 0.0
""",
        """
def entity_f1(tags, predicted):
    def text_of(row):
        return "".join(chr(97 + tag // 2) if tag % 2 else chr(64 + tag // 2) if tag else "." for tag in row.tolist())

    import re
    def spans_in(rows):
        return {
            (number, *match.span(), kind)
            for number, row in enumerate(rows)
            for kind in range(26)
            for match in re.finditer(chr(97 + kind) + chr(65 + kind) + "*", text_of(row))
        }

    true, claimed = spans_in(tags), spans_in(predicted)
    return 2.0 * len(true & claimed) / max(1, len(true) + len(claimed))
""",
    ),
    contracts=(KEPT,),
)
