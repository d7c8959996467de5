"""What an exercise's check is made of: cases, an oracle, known mistakes, alternatives.

`grader/checks/<unit>/<exercise>.py` defines one `CHECK`. Its cases say what the probe runs in the student's kernel; its
oracle, in the grader's process, says what should have come out, in NumPy and float64, written independently of
`solutions/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course.probe import Call, LayerCall, ModelCall

__all__ = [
    "Array",
    "Arrays",
    "Asked",
    "Call",
    "Case",
    "Check",
    "Contract",
    "Edits",
    "Judged",
    "LayerCall",
    "Mistake",
    "ModelCall",
]

Array = NDArray[Any]
Arrays = Mapping[str, Array]
Edits = tuple[tuple[str, str], ...]
"""Replacements in the reference's source; each old text occurs exactly once."""


@dataclass(frozen=True)
class Case:
    """One graded part of an exercise: a run, and what must come out of it.

    Args:
        part: The part's name, as a student reads it ("values", "mask", "parameter count").
        run: What the probe does. Cases that hold the same object share one run.
        weight: Share of the exercise's points.
        of: The names of the evidence that this part looks at; empty means all that the oracle gives.
        property: A shape or property that a wrong answer can have too: pays only when a part that is none passes.
        required: What the whole exercise is about: without it no part pays.
        accept: Judges evidence that no oracle can predict, such as a trained model's predictions.
        shapes: With `accept`, the shape of each array of evidence.
    """

    part: str
    run: Call
    weight: float = 1.0
    of: tuple[str, ...] = ()
    property: bool = False
    required: bool = False
    accept: Callable[[Arrays], bool] | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What a contract asks of an answer.

    Args:
        of: The run that the contract is about, as the check's cases have it.
        run: What takes its place: the same and more, so that the other parts see the evidence that they always saw.
        accept: Judges the evidence.
        shapes: The shape of each array of evidence that it looks at.
    """

    of: Call
    run: Call
    accept: Callable[[Arrays], bool]
    shapes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Contract:
    """What an exercise promises or demands whatever the values are: a part that a check takes from a shared vocabulary.

    It adds to the runs of a check's cases and changes none of them, so that bars stay as they were measured. Known mistakes
    do not see it. See `grader.judging.contracts` for those that there are.

    Args:
        part: The part's name, as a student reads it.
        sentence: What a student reads who keeps everything else: names the symptom and the cause.
        asks: From the cases that were drawn, what is asked.
        weight: Share of the exercise's points; it pays only when a part that is neither contract nor property passes.
        required: What the whole exercise is about: without it no part pays.
    """

    part: str
    sentence: str
    asks: Callable[[Sequence[Case]], Asked]
    weight: float = 1.0
    required: bool = False


@dataclass(frozen=True)
class Judged:
    """What a mistake's matcher may look at.

    Args:
        cases: The check's cases.
        received: Per part, the evidence that could be read.
        errors: Per part, what was raised or what is wrong with the evidence's form.
        failed: The parts that did not pass.
    """

    cases: Sequence[Case]
    received: Mapping[str, Arrays]
    errors: Mapping[str, str]
    failed: frozenset[str]


@dataclass(frozen=True)
class Mistake:
    """A wrong answer seen in practice.

    Args:
        sentence: What a student who made it reads: names the symptom and the cause, never an expected value.
        edits: How to make it from the reference.
        switches: Keyword arguments of the oracle that reproduce it: the mistake matches when every part shows
            what this oracle gives, those that passed included.
        matches: A predicate in place of `switches`.
    """

    sentence: str
    edits: Edits
    switches: Mapping[str, Any] = field(default_factory=dict)
    matches: Callable[[Judged], bool] | None = None


@dataclass(frozen=True)
class Check:
    """All that is needed to judge one exercise.

    Args:
        cases: Draws the cases of one submission. Sizes are fixed, values are drawn.
        oracle: `(run, **switches)` → what the run should give: an array, or a tuple in the order of `run.returns`, or
            a dict by name. Unused for cases with `accept`.
        mistakes: In the order in which they are tried.
        alternatives: Right answers written differently: edits of the reference, or the whole source of the callable.
        atol: Absolute tolerance of values.
        rtol: Relative tolerance of values.
        off_limits: Dotted names of what an answer must not call, because it is the answer; see `off_limits`.
        contracts: What is promised or demanded beside the values.
    """

    cases: Callable[[np.random.Generator], Sequence[Case]]
    oracle: Callable[..., Any]
    mistakes: tuple[Mistake, ...]
    alternatives: tuple[Edits | str, ...]
    atol: float = 1e-5
    rtol: float = 1e-5
    off_limits: tuple[str, ...] = ()
    contracts: tuple[Contract, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is easily written for something else, such as a text in place of a tuple of texts."""
        for what in ("mistakes", "alternatives", "off_limits", "contracts"):
            if not isinstance(getattr(self, what), tuple):
                found = type(getattr(self, what)).__name__
                raise TypeError(f"{what} is a tuple, found {found}: of a single one, too, with a comma behind it")
        for mistake in self.mistakes:
            if not mistake.switches and not mistake.matches:
                raise ValueError(f"nothing says when this mistake is shown, switches or matches: {mistake.sentence!r}")
        for edits in [*self.alternatives, *(mistake.edits for mistake in self.mistakes)]:
            if not isinstance(edits, str) and not all(isinstance(edit, tuple) and len(edit) == 2 for edit in edits):
                raise TypeError(f"edits are pairs, ((old, new), …), found {edits!r}")

    def draw(self, rng: np.random.Generator) -> list[Case]:
        """The cases of one submission, those of the contracts included."""
        cases = list(self.cases(rng))
        for contract in self.contracts:
            asked = contract.asks(cases)
            cases = [replace(case, run=asked.run) if case.run is asked.of else case for case in cases]
            case = Case(contract.part, asked.run, contract.weight, accept=asked.accept, shapes=asked.shapes)
            cases.append(replace(case, property=True, required=contract.required))
        return cases

    def expected(self, case: Case, **switches: Any) -> dict[str, Array]:
        """What the oracle gives for a case, by name, restricted to what the case looks at."""
        value = self.oracle(case.run, **switches)
        if isinstance(value, Mapping):
            named = dict(value)
        elif case.run.returns:
            named = dict(zip(case.run.returns, value, strict=True))
        else:
            named = {"result": value}
        return {name: np.asarray(named[name]) for name in case.of or named}

    def close(self, received: Arrays, expected: Arrays) -> bool:
        """Whether evidence equals what is expected, shapes included; NaN equals nothing."""
        return all(
            name in received
            and received[name].shape == value.shape
            and np.allclose(received[name].astype(float), value.astype(float), atol=self.atol, rtol=self.rtol)
            for name, value in expected.items()
        )
