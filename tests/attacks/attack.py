"""What an attack is. Each file `tests/attacks/cases/<family>.py` has a list `ATTACKS`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

ZEROS = "\ndef softmax(logits):\n    return logits * 0.0\n"
"""A wrong answer, for attacks that want points for it."""


@dataclass(frozen=True)
class Attack:
    """A submission of the unit `mlp` that wants points, other people's work, or trouble.

    Args:
        name: The student's id.
        answers: By exercise, the code of its cell. `$CANARY`, `$COURSE`, `$PORT` and `$MARK` are replaced by: a folder
            outside the course directory that must not change, the course directory, a port on the host's loopback on
            which somebody listens, and a word that names processes, files and sockets of this class.
        damage: What is done to the notebook that is handed in, after the answers are in it.
        files: What is handed in beside the notebook; the same words are replaced.
        beside: What is done to the submission's folder, which is the working directory; the second argument is the canary's.
        earns: Points that it may get without a person's look at it: those of the answers that are right.
    """

    name: str
    answers: Mapping[str, str]
    damage: Callable[[NotebookNode], None] = field(default=lambda notebook: None)
    files: Mapping[str, bytes] = field(default_factory=dict)
    beside: Callable[[Path, Path], object] = field(default=lambda folder, canary: None)
    earns: float = 0

    @property
    def family(self) -> str:
        return self.name.partition("-")[0]


def before(name: str, code: str, **more) -> Attack:
    """An attack that runs code and then answers `softmax` with zeros."""
    return Attack(name, {"softmax": code + ZEROS}, **more)


def within(name: str, code: str, **more) -> Attack:
    """An attack that runs code each time `softmax` is called, on `logits`, and returns zeros if the code returns nothing."""
    body = "\n".join(f"    {line}" for line in code.strip().splitlines())
    return Attack(name, {"softmax": f"def softmax(logits):\n{body}\n    return logits * 0.0\n"}, **more)


def all_attacks() -> Iterator[Attack]:
    for path in sorted(Path(__file__).parent.glob("cases/*.py")):
        for attack in importlib.import_module(f"attacks.cases.{path.stem}").ATTACKS:
            assert attack.family == path.stem.replace("_", ""), f"{attack.name} is in {path.name}"
            yield attack
