"""The units of the course, in teaching order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Unit:
    """One notebook of the course.

    Args:
        id: Name of the unit, its notebook and its modules.
        title: What a student reads.
        minutes: Time to plan for.
        points: Sum of its checks' points.
        off_limits: Per exercise, dotted names of what its answer must not call, because it is the answer.
    """

    id: str
    title: str
    minutes: int
    points: float
    off_limits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


UNITS = (
    Unit(
        "mlp",
        "From one neuron to back-propagation",
        minutes=90,
        points=4,
        off_limits={},
    ),
    Unit(
        "attention",
        "Attention",
        minutes=90,
        points=0,
        off_limits={},
    ),
)


def unit(id: str) -> Unit:
    """The unit of that id.

    Raises:
        KeyError: If there is none; the message lists those that there are.
    """
    for candidate in UNITS:
        if candidate.id == id:
            return candidate
    raise KeyError(f"no unit {id!r}; the course has {', '.join(candidate.id for candidate in UNITS)}.")
