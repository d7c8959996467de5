"""What an exercise's check is made of: cases, an oracle, known mistakes, alternatives.

`grader/checks/<unit>/<exercise>.py` defines one `CHECK`. Its cases say what the probe runs in the student's kernel; its
oracle, in the grader's process, says what should have come out, in NumPy and float64, written independently of
`solutions/`. Neither casts: answers are handed float32, oracles the same numbers as float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
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
        check: The check.
        cases: Its cases.
        received: Per part, the evidence that could be read.
        errors: Per part, what was raised or what is wrong with the evidence's form.
        failed: The parts that did not pass.
    """

    check: Check
    cases: Sequence[Case]
    received: Mapping[str, Arrays]
    errors: Mapping[str, str]
    failed: frozenset[str]


class Mistake:
    """A wrong answer seen in practice: how to make it from the reference, and what shows that somebody made it.

    Args:
        edits: How to make it.
        matches: What shows it: a predicate, or what the check's `symptom` calls it.
        switches: In place of `matches`, keyword arguments of the oracle that reproduce it: it is shown when every part shows
            what this oracle gives, those that passed included.
    """

    def __init__(self, *edits: tuple[str, str], matches: Callable[[Judged], bool] | str | None = None, **switches: Any) -> None:
        if not all(isinstance(edit, tuple) and len(edit) == 2 for edit in edits):
            raise TypeError(f"edits are pairs, (old, new), found {edits!r}")
        if bool(switches) == bool(matches):
            raise ValueError(
                f"what shows a mistake is said by switches of the oracle or by matches, of {edits!r} by one of them"
            )
        self.edits, self.matches, self.switches = edits, matches, switches


@dataclass(frozen=True)
class Check:
    """All that is needed to judge one exercise.

    Args:
        cases: Draws the cases of one submission. Sizes are fixed, values are drawn.
        oracle: What a run should give: an array, or a tuple in the order of `run.returns`, or a dict by name. It is called as
            the answer is, with floats as float64, and with `calls` where the answer is called more than once; of a layer or a
            model it gets the run itself, with floats as float64. None where all cases have `accept`.
        mistakes: Each under the sentence that a student who made it reads, which names the symptom and the cause and never an
            expected value; in the order in which they are tried.
        alternatives: Right answers written differently: edits of the reference, or the whole source of the callable.
        symptom: What the evidence shows first, for mistakes that go by it; "" for nothing.
        atol: Absolute tolerance of values.
        rtol: Relative tolerance of values.
        off_limits: Dotted names of what an answer must not call, because it is the answer; see `off_limits`.
        contracts: What is promised or demanded beside the values.
    """

    cases: Callable[[np.random.Generator], Sequence[Case]]
    oracle: Callable[..., Any] | None = None
    _: KW_ONLY
    mistakes: Mapping[str, Mistake]
    alternatives: tuple[Edits | str, ...]
    symptom: Callable[[Judged], str] | None = None
    atol: float = 1e-5
    rtol: float = 1e-5
    off_limits: tuple[str, ...] = ()
    contracts: tuple[Contract, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is easily written for something else, such as a text in place of a tuple of texts."""
        for what in ("alternatives", "off_limits", "contracts"):
            if not isinstance(getattr(self, what), tuple):
                found = type(getattr(self, what)).__name__
                raise TypeError(f"{what} is a tuple, found {found}: of a single one, too, with a comma behind it")
        if not isinstance(self.mistakes, Mapping):
            raise TypeError(f"mistakes is a dict of a Mistake by its sentence, found {type(self.mistakes).__name__}")
        for sentence, mistake in self.mistakes.items():
            if isinstance(mistake.matches, str) and not self.symptom:
                raise ValueError(f"without a symptom nothing shows this mistake: {sentence!r}")
        for edits in self.alternatives:
            if not isinstance(edits, str) and not all(isinstance(edit, tuple) and len(edit) == 2 for edit in edits):
                raise TypeError(f"edits are pairs, ((old, new), …), found {edits!r}")

    def draw(self, rng: np.random.Generator) -> list[Case]:
        """The cases of one submission, those of the contracts included."""
        drawn = list(self.cases(rng))
        runs = {id(case.run): _single(case.run) for case in drawn}
        cases = [replace(case, run=runs[id(case.run)]) for case in drawn]
        for contract in self.contracts:
            asked = contract.asks(cases)
            cases = [replace(case, run=asked.run) if case.run is asked.of else case for case in cases]
            case = Case(contract.part, asked.run, contract.weight, accept=asked.accept, shapes=asked.shapes)
            cases.append(replace(case, property=True, required=contract.required))
        return cases

    def expected(self, case: Case, **switches: Any) -> dict[str, Array]:
        """What the oracle gives for a case, by name, restricted to what the case looks at.

        Raises:
            TypeError: If there is no oracle.
        """
        if not self.oracle:
            raise TypeError(f"part {case.part!r} has no `accept`, and the check no oracle")
        run = _floats(case.run, float)
        if type(run) is Call:
            calls = {"calls": run.calls} if run.calls > 1 else {}
            value = self.oracle(*run.args, **run.kwargs, **calls, **switches)
        else:
            value = self.oracle(run, **switches)
        if isinstance(value, Mapping):
            named = dict(value)
        elif run.returns:
            named = dict(zip(run.returns, value, strict=True))
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


def _floats(value: Any, dtype: type) -> Any:
    """The same, with all arrays of floats in it of one precision."""
    if isinstance(value, np.ndarray):
        return value.astype(dtype) if value.dtype.kind == "f" else value
    if isinstance(value, Call):
        return replace(value, **_floats(vars(value), dtype))
    if isinstance(value, Mapping):
        return {key: _floats(item, dtype) for key, item in value.items()}
    return type(value)(_floats(item, dtype) for item in value) if isinstance(value, list | tuple) else value


def _single(run: Call) -> Call:
    """A run as an answer gets it: in float32, but for arguments that are handed over as NumPy arrays."""
    single: Call = _floats(run, np.float32)
    return replace(single, args=run.args, kwargs=run.kwargs) if run.numpy else single
