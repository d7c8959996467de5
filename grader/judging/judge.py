"""Evidence and a check give a verdict: points and one sentence.

Nothing of a student's runs here. Evidence is untrusted text: it is decoded only after its declared dtype, shape and size
equal what the check expects.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from course.probe import ProbeError
from grader.errors import EvidenceError
from grader.judging.diagnosis import diagnose
from grader.judging.form import called_with, lacking, without_noise
from grader.judging.vocabulary import Array, Arrays, Call, Case, Check, Judged, Mistake
from grader.shown import ANSI

MAX_HEADER = 1000
"""Bytes of a `.npy` header that are looked at."""
MAX_ITEM_SIZE = 8
MAX_SENTENCE = 500
MAX_TEXT = 8 * MAX_SENTENCE
"""Characters of a text that are looked at to say a sentence of it."""
RIGHT = "Right: every part of this exercise passes."
NOT_YET, RAISED = "Not right yet", "Your code raised"
UNKNOWN = "The shapes are as expected, the values are not."
UNANSWERED = "Not answered yet: the cell still raises NotImplementedError."
NOT_JUDGED = "This answer could not be judged; a person will look at it."
OFF_LIMITS = "No points: `{name}` is off-limits in this exercise, because it is the answer. Build it from simpler operations."


@dataclass(frozen=True)
class Verdict:
    """What an exercise earned.

    Args:
        points: Between 0 and the exercise's maximum.
        sentence: What the student reads.
        passed: Per part, whether it passed.
        person: Why a person has to look, or "".
    """

    points: float
    sentence: str
    passed: Mapping[str, bool]
    person: str = ""


def rng_for(secret: bytes, unit: str, exercise: str, digest: str) -> np.random.Generator:
    """The generator of one submission's inputs: the same file always gets the same ones, a changed one gets others."""
    message = "\0".join((unit, exercise, digest)).encode()
    return np.random.default_rng(list(hmac.new(secret, message, hashlib.sha256).digest()))


def runs_of(cases: Sequence[Case]) -> list[Call]:
    """What the probe has to do: each distinct run once."""
    return list({id(case.run): case.run for case in cases}.values())


def zero(cases: Sequence[Case], sentence: str, person: str = "") -> Verdict:
    """The verdict when there is nothing to judge."""
    return Verdict(0.0, plain(sentence), {case.part: False for case in cases}, person)


def judge(check: Check, cases: Sequence[Case], evidence: Any, points: float) -> Verdict:
    """Compare evidence with the oracle.

    Args:
        check: The exercise's check.
        cases: What `check.draw` drew for this submission.
        evidence: What the probe published: untrusted.
        points: The exercise's maximum.

    Returns:
        The verdict. Whatever the evidence is, this does not raise.
    """
    with np.errstate(all="ignore"):  # evidence may hold NaN and numbers that overflow
        judged = read(check, cases, evidence)
    passed = {case.part: case.part not in judged.failed for case in cases}
    kept = all(passed[case.part] for case in cases if case.required)
    if kept and any(passed[case.part] and not case.property for case in cases):
        earned = sum(case.weight for case in cases if passed[case.part])
    else:
        earned = 0.0
    share = earned / sum(case.weight for case in cases)
    return Verdict(round(points * share, 2), _sentence(judged), passed)


def read(check: Check, cases: Sequence[Case], evidence: Any) -> Judged:
    """Decode the evidence as far as it is what was agreed, and compare each part."""
    runs = runs_of(cases)
    if not _answers(evidence, len(runs)):
        evidence = None
    numbers = {id(run): number for number, run in enumerate(runs)}
    received: dict[str, Arrays] = {}
    errors: dict[str, str] = {}
    failed = set()
    for case in cases:
        try:
            expected = {} if case.accept else check.expected(case)
            shapes = case.shapes if case.accept else {name: value.shape for name, value in expected.items()}
            arrays = _arrays_of(evidence, numbers[id(case.run)], shapes)
            fine, received[case.part] = _ruled(case.accept, arrays) if case.accept else (check.close(arrays, expected), arrays)
        except EvidenceError as error:
            errors[case.part] = str(error)
            fine = False
        if not fine:
            failed.add(case.part)
    return Judged(check, cases, received, errors, frozenset(failed))


def _ruled(rule: Callable[[Arrays], bool], arrays: Arrays) -> tuple[bool, Arrays]:
    """Whether a check's own rule accepts arrays, and as what: booleans are 0 and 1 for one that reckons with them."""
    try:
        return rule(arrays), arrays
    except TypeError:
        numbers = {name: array + 0 if array.dtype.kind == "b" else array for name, array in arrays.items()}
        return rule(numbers), numbers


def matches(judged: Judged) -> list[str]:
    """The sentences of all known mistakes that the evidence shows, in the order in which they are tried."""
    contracts = {contract.part for contract in judged.check.contracts}
    cases = [case for case in judged.cases if case.part not in contracts]
    judged = replace(judged, cases=cases, failed=judged.failed - contracts)
    if not judged.failed:
        return []
    with np.errstate(all="ignore"):  # evidence may hold NaN and numbers that overflow
        return [sentence for sentence, mistake in judged.check.mistakes.items() if _made(mistake, judged)]


def _made(mistake: Mistake, judged: Judged) -> bool:
    """Whether the evidence shows a mistake; by switches of the oracle, in every part, those that passed included."""
    check = judged.check
    if callable(mistake.matches):
        return mistake.matches(judged)
    if mistake.matches:
        return check.symptom is not None and check.symptom(judged) == mistake.matches
    return not any(case.accept and case.part in judged.failed for case in judged.cases) and all(
        case.part in judged.received and check.close(judged.received[case.part], check.expected(case, **mistake.switches))
        for case in judged.cases
        if not case.accept
    )


def _sentence(judged: Judged) -> str:
    if not judged.failed:
        return RIGHT
    if len(judged.errors) == len(judged.cases) and all(_unanswered(error) for error in judged.errors.values()):
        return UNANSWERED
    known = matches(judged)
    if known:
        return known[0]
    broken = {contract.part: contract.sentence for contract in judged.check.contracts if contract.part in judged.failed}
    if judged.failed == broken.keys() and not any(error.startswith(RAISED) for error in judged.errors.values()):
        return next(iter(broken.values()))
    parts = ", ".join(case.part for case in judged.cases if case.part in judged.failed)
    where = f": {parts}" if len(judged.failed) < len(judged.cases) else ""
    reasons = [_reason(judged, case) or broken.get(case.part, "") for case in judged.cases]
    said = [f"{NOT_YET}{where}.", next(filter(None, reasons), ""), _diagnosis(judged)]
    return " ".join(filter(None, said if any(said[1:]) else [*said, UNKNOWN]))


def _reason(judged: Judged, case: Case) -> str:
    """Why there are no values of a part; of what the answer raised, also what it had been called with."""
    error = judged.errors.get(case.part, "")
    if not error.startswith(RAISED):
        return lacking(error) or error
    message = without_noise(error)
    return f"{message}{'' if message.endswith('.') else '.'} {called_with(case.run)}".strip()


def diagnosis_in(sentence: str) -> str:
    """What a verdict's sentence says of values that no list of mistakes has; "" if nothing."""
    found = re.fullmatch(rf"{NOT_YET}(?:: .*?)?\. (.*)", sentence)
    return found[1] if found and not found[1].startswith((UNKNOWN, RAISED)) else ""


def _unanswered(error: str) -> bool:
    """Whether an error is that of the cell as it was handed out; with an error of its own kind, Keras gives a reason."""
    return without_noise(error).removesuffix(":") == f"{RAISED} {NotImplementedError.__name__}"


def _diagnosis(judged: Judged) -> str:
    """How what came out differs from what is right; "" if that cannot be said in a few words, or not be found out."""
    try:
        return diagnose(judged)
    except Exception:  # evidence is untrusted, and a verdict does not wait for its explanation
        return ""


# --- decoding what nobody vouches for ---


def _answers(evidence: Any, number: int) -> bool:
    """Whether the evidence is of as many runs as were asked for: with one more or less, nobody knows which is which."""
    runs = evidence.get("runs") if isinstance(evidence, dict) else None
    return isinstance(runs, list) and len(runs) == number


def _arrays_of(evidence: Any, number: int, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    run = evidence["runs"][number] if evidence else None
    if not isinstance(run, dict):
        raise EvidenceError("There is no evidence for this part.")
    if isinstance(run.get("error"), str):
        kind, _, said = run["error"].partition(": ")
        if kind == ProbeError.__name__:  # nothing was raised in the answer: what it gave has another form
            raise EvidenceError(plain(f"{said[:1].upper()}{said[1:]}"))
        raise EvidenceError(f"{RAISED} {plain(run['error'])}")
    arrays = run.get("arrays")
    if not isinstance(arrays, dict):
        raise EvidenceError("There is no evidence for this part.")
    return {name: _decode(name, arrays.get(name), shape) for name, shape in shapes.items()}


def _decode(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    """An array of the given shape from base64 `.npy`; nothing is allocated before the header agrees."""
    text = value.get("$npy") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise EvidenceError(f"There is no evidence of {name!r}.")
    limit = math.prod(shape) * MAX_ITEM_SIZE + MAX_HEADER
    if len(text) > limit * 4 // 3 + 4:
        # The header alone says which shape was received, whatever the size of the rest.
        text = text[: (MAX_HEADER // 3) * 4]
    try:
        buffer = io.BytesIO(base64.b64decode(text, validate=True))
        if np.lib.format.read_magic(buffer) != (1, 0):
            raise ValueError
        found, fortran, dtype = np.lib.format.read_array_header_1_0(buffer, max_header_size=MAX_HEADER)
    except Exception as error:  # NumPy's parser of headers raises whatever Python's own raises
        raise EvidenceError(f"The evidence of {name!r} cannot be read.") from error
    if dtype.kind not in "biuf" or dtype.itemsize > MAX_ITEM_SIZE:
        raise EvidenceError(f"{_said(name)} should be numbers, received dtype {dtype}.")
    if tuple(found) != tuple(shape):
        raise EvidenceError(plain(f"{_said(name)} should have the shape {tuple(shape)}, received {tuple(found)}."))
    data = buffer.read()
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise EvidenceError(f"The evidence of {name!r} cannot be read.")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _said(name: str) -> str:
    return "The result" if name == "result" else f"`{name}`"


def plain(text: str) -> str:
    """Text that a student may have written as one line for people and terminals: printable, and not long."""
    printable = "".join(c if c.isprintable() else " " for c in ANSI.sub("", text[:MAX_TEXT]))
    return textwrap.shorten(printable, MAX_SENTENCE, placeholder=" …")
