"""Softmax over classes: rows that differ in level, and logits far outside the range of exp."""

import numpy as np

from grader.checks import Array, Call, Case, Check, Mistake


def cases(rng: np.random.Generator) -> list[Case]:
    logits = rng.normal(size=(4, 3)) * 2 + np.arange(4)[:, None]
    large = rng.normal(size=(3, 5)) + np.array([[1000.0], [-1000.0], [0.0]])
    return [
        Case("values", Call((logits.astype("float32"),)), weight=2),
        Case("large logits", Call((large.astype("float32"),))),
    ]


def oracle(run: Call, axis: int = -1, shift: bool = True, square: bool = False) -> Array:
    logits = np.asarray(run.args[0], dtype=float)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        if shift:
            logits = logits - logits.max(axis=axis, keepdims=True)
        exponentials = np.exp(logits.astype("float32")) if not shift else np.exp(logits)
        return np.asarray(exponentials / exponentials.sum(axis=axis, keepdims=True))


CHECK = Check(
    cases,
    oracle,
    mistakes=(
        Mistake(
            "The columns sum to 1 instead of the rows: softmax runs over the classes, the last axis, not over the batch.",
            edits=(
                ("ops.max(logits, axis=-1, keepdims=True)", "ops.max(logits, axis=0, keepdims=True)"),
                ("ops.sum(exponentials, axis=-1, keepdims=True)", "ops.sum(exponentials, axis=0, keepdims=True)"),
            ),
            switches={"axis": 0},
        ),
        Mistake(
            "Logits of 1000 give NaN: exp overflows, so subtract each row's maximum first; it changes nothing else.",
            edits=(("shifted = logits - ops.max(logits, axis=-1, keepdims=True)", "shifted = logits"),),
            matches=lambda judged: judged.failed == {"large logits"}
            and bool(np.isnan(judged.received.get("large logits", np.zeros(1))["result"]).any()),
        ),
    ),
    alternatives=(
        (("return exponentials / ops.sum(exponentials, axis=-1, keepdims=True)",
          "return ops.exp(shifted - ops.logsumexp(shifted, axis=-1, keepdims=True))"),),
        '''
def softmax(logits):
    logits = np.asarray(logits, dtype="float64")
    exponentials = np.exp(logits - logits.max(axis=1)[:, None])
    return (exponentials / exponentials.sum(axis=1)[:, None]).tolist()
''',
    ),
)
