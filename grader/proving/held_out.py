"""Answers that somebody wrote who had the notebook and no check: what a check is measured by, and keeps to.

They are beside the check, in `<exercise>.answers`: sources of the callable, each below a line that says whether it is right,
and how it is unlike others or what is wrong with it. One that is judged wrongly still, or was not judged yet, is `open`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from grader.errors import CheckError
from grader.units.unit import Unit

BEGINS = re.compile(r"^# %% (right|wrong|open): (.+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """An answer to an exercise.

    Args:
        kind: "right", "wrong", or "open" for one that no law demands yet.
        why: How it is unlike others, or what is wrong with it.
        source: Of the callable.
    """

    kind: str
    why: str
    source: str


def file_of(unit: Unit, exercise: str) -> Path:
    """Where an exercise's held-out answers are."""
    return unit.checks_folder / f"{exercise}.answers"


def read_answers(unit: Unit, exercise: str) -> list[Answer]:
    """The held-out answers of an exercise; none where there is no file.

    Raises:
        CheckError: If there is anything before the first of them but a comment.
    """
    file = file_of(unit, exercise)
    if not file.is_file():
        return []
    before, *parts = BEGINS.split(file.read_text("utf-8"))
    if any(line.strip() and not line.startswith("#") for line in before.splitlines()):
        raise CheckError(f"{file}: expected each answer below a line `# %% right: …` or `# %% wrong: …`.")
    kinds, reasons, sources = parts[::3], parts[1::3], parts[2::3]
    return [Answer(kind, why.strip(), source.strip()) for kind, why, source in zip(kinds, reasons, sources, strict=True)]
