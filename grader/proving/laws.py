"""What must hold of an exercise's check, each law as something to run: for its author, for proof files and for the tests."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from course import probe
from course.probe import Call
from grader.errors import CheckError
from grader.judging import Array, Arrays, Check, Edits, Judged
from grader.judging.bars import bars_of
from grader.judging.judge import RAISED, RIGHT, Verdict, diagnosis_in, judge, matches, runs_of
from grader.proving.held_out import read_answers
from grader.proving.rehearsal import answer_of, rehearse
from grader.proving.visible import VisibleCheck
from grader.units.unit import Unit
from grader.units.variants import vary

DRAWS = 1000
"""How often inputs are drawn where distances are measured, unless it is said."""
WITH_LAYERS = 10
"""So many times fewer draws where each of them builds layers or models, of which 1,000 take minutes."""
PER_SEED = 50
"""For so many draws, each right and each wrong answer is judged once, twice at least; those that train, once in all."""
MARGIN = 4
"""How far, in tolerances, a known mistake stays from right on every draw."""
HELD_OUT_SEEDS = 4
"""So often a held-out answer is judged at most: there are many."""
LEAST_MISTAKES, LEAST_ALTERNATIVES = 3, 2
JUDGING = ("cases", "oracle", "atol", "rtol", "off_limits", "contracts")
"""What of a check decides whether an answer is right."""
NAMING = (*JUDGING, "mistakes")
"""What of a check decides which mistake is named."""
REFERENCE, ALTERNATIVE, MISTAKE, HELD_OUT = "reference", "alternative", "mistake", "held-out"
VISIBLE = "visible check"
LISTED, DIAGNOSED, RAISING, UNSPECIFIC = "listed", "diagnosed", "raised", "unspecific"
"""How a wrong answer's sentence was found."""


@dataclass(frozen=True)
class Seen:
    """What was seen of a law.

    Args:
        holds: Whether it holds.
        verdict: In a few words, by how much, or what is wrong.
    """

    holds: bool
    verdict: str


@dataclass(frozen=True)
class Law:
    """Something that must hold of an exercise, whatever the backend.

    Args:
        name: Of the law, among those of its exercise.
        see: From the number of draws, what is seen.
        answer: Source of the answer that is judged, if there is one.
        of: The arguments of `Check` that it depends on.
        trains: Whether the answer trains, which takes seconds.
    """

    name: str
    see: Callable[[int], Seen]
    answer: str = ""
    of: tuple[str, ...] = JUDGING
    trains: bool = False

    def seen(self, draws: int) -> Seen:
        """See whether it holds. Whatever is raised on the way is a reason why it does not."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # in a student's kernel a warning is no error
                return self.see(draws)
        except Exception as error:
            return Seen(False, f"{type(error).__name__}: {error}")


def laws_of(unit: Unit, exercise: str) -> dict[str, Law]:
    """The laws of an exercise, by name."""
    return {law.name: law for law in _laws(unit, exercise)}


def _laws(unit: Unit, exercise: str) -> Iterator[Law]:
    check, reference = unit.check(exercise), unit.text.exercises[exercise].reference
    trained = bool(bars_of(check))

    def judged(source: str, seed: int) -> tuple[Verdict, Judged]:
        return rehearse(check, answer_of(unit, exercise, source), np.random.default_rng(seed))

    def answered(name: str, variant: Edits | str, see: Callable[[str, int], Seen], of: tuple[str, ...] = JUDGING) -> Law:
        try:
            source = vary(reference, variant)
        except CheckError as error:
            unfit = Seen(False, str(error))
            return Law(name, lambda draws: unfit, of=of)
        return Law(name, lambda draws: see(source, draws), source, of, trained)

    def right(name: str, variant: Edits | str = (), seeds: int | None = None) -> Law:
        def see(source: str, draws: int) -> Seen:
            for seed in _seeds(draws, check)[:seeds]:
                verdict, _ = judged(source, seed)
                if (verdict.points, verdict.sentence) != (100.0, RIGHT):
                    return Seen(False, f"{verdict.points:g} %: {verdict.sentence}")
            return Seen(True, "100 %")

        return answered(name, variant, see)

    def wrong(name: str, sentence: str, edits: Edits) -> Law:
        def see(source: str, draws: int) -> Seen:
            most = 0.0
            for seed in _seeds(draws, check):
                verdict, shown = judged(source, seed)
                most = max(most, verdict.points)
                named = matches(shown)
                if most == 100 or named != [sentence] or verdict.sentence != sentence:
                    return Seen(False, f"{verdict.points:g} %, read as {named or verdict.sentence}")
            return Seen(True, f"{most:g} %")

        return answered(name, edits, see, NAMING)

    def rejected(name: str, source: str) -> Law:
        def see(source: str, draws: int) -> Seen:
            verdicts = [judged(source, seed)[0] for seed in _seeds(draws, check)[:HELD_OUT_SEEDS]]
            most = max(verdict.points for verdict in verdicts)
            return Seen(most < 100, f"{most:g} %, {how_specific(check, verdicts[0].sentence)}")

        return answered(name, source, see)

    yield right(REFERENCE)
    for k, variant in enumerate(check.alternatives, start=1):
        yield right(f"{ALTERNATIVE} {k}", variant)
    for k, (sentence, mistake) in enumerate(check.mistakes.items(), start=1):
        yield wrong(f"{MISTAKE} {k}", sentence, mistake.edits)
    for k, answer in enumerate(read_answers(unit, exercise), start=1):
        name = f"{HELD_OUT} {k}, {answer.kind}"
        if answer.kind != "open":
            yield right(name, answer.source, HELD_OUT_SEEDS) if answer.kind == "right" else rejected(name, answer.source)
    if not trained:  # else each answer would train once more, for minutes
        yield _visible(unit, exercise)
    yield Law("trivial answers", lambda draws: _trivial(check), of=NAMING)
    yield Law("inputs", lambda draws: _inputs(check), of=("cases", "contracts"))
    yield Law("lists", lambda draws: _lists(check), of=("mistakes", "alternatives"))
    if not trained:
        yield Law("distance", lambda draws: _distance(check, answer_of(unit, exercise, reference), draws), reference)
    if any(mistake.switches for mistake in check.mistakes.values()):
        yield Law("distance of mistakes", lambda draws: _distance_of_mistakes(check, draws), of=NAMING)


def how_specific(check: Check, sentence: str) -> str:
    """Whether a sentence is a known mistake's, a contract's, a diagnosis of another one, of what was raised, or empty."""
    listed = {*check.mistakes, *(contract.sentence for contract in check.contracts)}
    if sentence in listed:
        return LISTED
    return DIAGNOSED if diagnosis_in(sentence) else RAISING if RAISED in sentence else UNSPECIFIC


def _seeds(draws: int, check: Check) -> range:
    """The inputs on which an answer is judged."""
    return range(1 if bars_of(check) else max(2, _few(draws, check) // PER_SEED))


def _few(draws: int, check: Check) -> int:
    """So many draws, or fewer where each of them builds layers or models."""
    built = any(type(case.run) is not Call for case in check.draw(np.random.default_rng(0)))
    return max(1, draws // WITH_LAYERS) if built else draws


def _lists(check: Check) -> Seen:
    """There are enough mistakes and alternatives."""
    mistakes, alternatives = len(check.mistakes), len(check.alternatives)
    found, needed = f"{mistakes} mistakes, {alternatives} alternatives", f"needs {LEAST_MISTAKES} and {LEAST_ALTERNATIVES}"
    enough = mistakes >= LEAST_MISTAKES and alternatives >= LEAST_ALTERNATIVES
    return Seen(enough, found if enough else f"{found}; {needed}")


def _inputs(check: Check) -> Seen:
    """The same seed draws the same inputs, another seed draws others."""
    first, again, other = (probe.encode(runs_of(check.draw(np.random.default_rng(seed)))) for seed in (1, 1, 2))
    if first != again:
        return Seen(False, "one seed draws two kinds of inputs: is there randomness that is not of the generator?")
    return Seen(first != other, "drawn by the seed" if first != other else "all seeds draw the same inputs")


# --- the visible check ---


def _visible(unit: Unit, exercise: str) -> Law:
    """The visible check is silent on right answers, and catches at least two thirds of the known mistakes."""
    check, reference = unit.check(exercise), unit.text.exercises[exercise].reference
    variants = {REFERENCE: ()} | {f"{ALTERNATIVE} {k}": variant for k, variant in enumerate(check.alternatives, start=1)}
    try:
        right = {name: vary(reference, variant) for name, variant in variants.items()}
        wrong = [vary(reference, mistake.edits) for mistake in check.mistakes.values()]
    except CheckError as error:
        unfit = Seen(False, str(error))
        return Law(VISIBLE, lambda draws: unfit)
    answers = enumerate(read_answers(unit, exercise), start=1)
    right |= {f"{HELD_OUT} {k}, right": answer.source for k, answer in answers if answer.kind == "right"}
    visible = VisibleCheck.of(unit, exercise)

    def see(draws: int) -> Seen:
        for name, source in right.items():
            if said := visible.says(source):
                return Seen(False, f"rejects {name}: {said}")
        silent = [str(k) for k, source in enumerate(wrong, start=1) if not visible.says(source)]
        caught = len(wrong) - len(silent)
        missed = f", not {', '.join(silent)}" if silent else ""
        return Seen(3 * caught >= 2 * len(wrong), f"catches {caught} of {len(wrong)} mistakes{missed}")

    sources = "\n\n".join([visible.depends_on, *right.values(), *wrong])
    return Law(VISIBLE, see, sources, of=("mistakes", "alternatives"))


# --- distances ---


def _distance(check: Check, answer: Callable[..., object], draws: int) -> Seen:
    """Over many draws the largest error of the reference is at most half of what is tolerated."""
    worst = 0.0
    for seed in range(_few(draws, check)):
        _, judged = rehearse(check, answer, np.random.default_rng(seed))
        if judged.failed:
            return Seen(False, f"inputs {seed}: {', '.join(sorted(judged.failed))} failed")
        for case in judged.cases:
            if not case.accept:
                worst = max(worst, distance(check, judged.received[case.part], check.expected(case)))
    return Seen(worst <= 0.5, f"{worst:.2g} of the tolerance")


def _distance_of_mistakes(check: Check, draws: int) -> Seen:
    """Over many draws each mistake that the oracle can make is far from right, in at least one part."""
    nearest = np.inf
    for seed in range(draws):
        right = [(case, check.expected(case)) for case in check.draw(np.random.default_rng(seed)) if not case.accept]
        for sentence, mistake in check.mistakes.items():
            if mistake.switches:
                with np.errstate(all="ignore"):
                    apart = max(distance(check, check.expected(case, **mistake.switches), wanted) for case, wanted in right)
                nearest = min(nearest, apart)
                if apart < MARGIN:
                    return Seen(False, f"{apart:.2g} tolerances on inputs {seed}: {sentence}")
    return Seen(True, f"{nearest:.2g} tolerances")


def distance(check: Check, received: Arrays, expected: Arrays) -> float:
    """The largest difference between two results, in tolerances; infinite where they cannot be compared."""
    largest = 0.0
    for name, right in expected.items():
        if name not in received or received[name].shape != right.shape:
            return np.inf
        right, given = right.astype(float), received[name].astype(float)
        apart = np.abs(given - right) / (check.atol + check.rtol * np.abs(right))
        largest = max(largest, np.inf if np.isnan(apart).any() else float(apart.max(initial=0)))
    return largest


# --- what takes no thought ---


def _trivial(check: Check) -> Seen:
    """Nothing that takes no thought earns anything: None, and of each array zeros, ones, uniform rows, identity, an input."""
    verdict, judged = rehearse(check, lambda *args, **kwargs: None, np.random.default_rng(1))
    if verdict.points or not judged.errors:
        return Seen(False, f"{verdict.points:g} % for None")
    cases = check.draw(np.random.default_rng(1))
    runs = runs_of(cases)
    shapes: list[dict[str, tuple[int, ...]]] = [{} for _ in runs]
    for case in cases:
        number = next(i for i, run in enumerate(runs) if run is case.run)
        shapes[number] |= case.shapes if case.accept else {n: v.shape for n, v in check.expected(case).items()}
    for kind, make in TRIVIAL.items():
        published = [
            {"arrays": probe.encode({name: make(run, shape) for name, shape in wanted.items()})}
            for run, wanted in zip(runs, shapes, strict=True)
        ]
        if points := judge(check, cases, {"runs": published}, 100.0).points:
            return Seen(False, f"{points:g} % for {kind}")
    return Seen(True, "0 %")


def _identity(run: Call, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.eye(shape[-2], shape[-1]), shape) if len(shape) > 1 else np.ones(shape)


def _first_input(run: Call, shape: tuple[int, ...]) -> Array:
    """The first input of that shape, zeros if there is none."""
    numbers = [np.asarray(x) for x in [*run.args, *run.kwargs.values()] if isinstance(x, int | float | np.ndarray)]
    return next((x for x in numbers if x.shape == shape and x.dtype.kind in "biuf"), np.zeros(shape))


TRIVIAL: Mapping[str, Callable[[Call, tuple[int, ...]], Array]] = {
    "zeros": lambda run, shape: np.zeros(shape),
    "ones": lambda run, shape: np.ones(shape),
    "uniform rows": lambda run, shape: np.full(shape, 1 / (shape[-1] if shape else 1)),
    "an identity matrix": _identity,
    "the first input": _first_input,
}
