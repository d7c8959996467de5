"""Evidence gives a verdict.

In come a check and what an answer published, which nobody vouches for; out come points and one sentence (`judge`). What a check
is made of stands here, too: cases, oracle and mistakes (`vocabulary`), matchers (`matching`, `classifiers`), bars of trained
models (`bars`). What no list of mistakes has is diagnosed (`diagnosis`). Nothing of a student's runs here, and what takes too
long is ended (`deadline`).

May import: `course`, `errors`, `files`, `shown`.
"""

from grader.judging.bars import Bar
from grader.judging.vocabulary import (
    Array,
    Arrays,
    Call,
    Case,
    Check,
    Edits,
    Judged,
    LayerCall,
    Mistake,
    ModelCall,
)

__all__ = [
    "Array",
    "Arrays",
    "Bar",
    "Call",
    "Case",
    "Check",
    "Edits",
    "Judged",
    "LayerCall",
    "Mistake",
    "ModelCall",
]
