"""What an attack is. Each file `tests/attacks/cases/<family>.py` has a list `ATTACKS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nbformat import NotebookNode


@dataclass(frozen=True)
class Attack:
    """A submission of the unit `mlp` that wants points, other people's work, or trouble.

    Args:
        name: The student's id.
        answers: By exercise, the code of its cell. `$CANARY`, `$COURSE`, `$PORT` and `$MARK` are replaced by: a folder
            outside the course directory that must not change, the course directory, a TCP port on the host's loopback on
            which somebody listens, and a word that marks processes and files of this attack.
        damage: What is done to the notebook that is handed in, after the answers are in it.
        earns: Points that it may get: those of the answers that are right.
    """

    name: str
    answers: Mapping[str, str]
    damage: Callable[[NotebookNode], None] = field(default=lambda notebook: None)
    earns: float = 0
