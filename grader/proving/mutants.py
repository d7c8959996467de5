"""Wrong answers that a tool makes from the reference, and which of them a check lets through.

A mutant is the reference with one small change. It is killed when the check takes points from it. One that gives what the
reference gives on many broad inputs is no mutant. Who survives is killed by better inputs, or explained in a file beside the
check, `<exercise>.survivors`.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from course.probe import Call, LayerCall
from grader.judging.bars import bars_of
from grader.judging.deadline import OverTime, at_most
from grader.judging.judge import matches
from grader.proving.argument_operators import fixed_sizes, given
from grader.proving.broad import Broad
from grader.proving.code import Change, Code
from grader.proving.field_operators import FIELD
from grader.proving.operators import GENERAL
from grader.proving.rehearsal import answer_of, rehearse
from grader.units.splice import BEGIN_SOLUTION, END_SOLUTION, Exercise
from grader.units.unit import Unit

FEW, SEEDS = 8, 20
"""So often a mutant is judged, and so often where that let it through at least once."""
DRAWS = 1000
"""Broad inputs on which a mutant and the reference are compared."""
WITH_LAYERS, FEW_WITH_LAYERS = 10, 3
"""So many times fewer where each of them builds layers or models, and so often a mutant is judged there."""
SECONDS = 30
"""Of the processor, for the check's own inputs; a mutant that needs more is killed: some never end."""
STILLBORN, KILLED, UNSTEADY, SURVIVOR, EQUIVALENT, STRICT = (
    "stillborn",
    "killed",
    "unsteady",
    "survivor",
    "equivalent",
    "strict",
)
"""What becomes of a mutant: it always raises; it is rejected each time, or only on some inputs, or never; it is the same as the
reference; it is the same and yet rejected."""
UNJUDGED = "not judged"
"""It trains, which takes long."""
TRAINING = ".fit("
"""In the lines of an answer that train what it has made: how long, and on what, is for bars to say, not for mutants."""


@dataclass(frozen=True)
class Mutant:
    """The reference with one change.

    Args:
        name: What was changed, and what the line said.
        line: Where, from 1.
        before: What that line said.
        after: What it says now.
        source: Of the callable.
    """

    name: str
    line: int
    before: str
    after: str
    source: str


@dataclass(frozen=True)
class Fate:
    """What becomes of a mutant.

    Args:
        mutant: Whose.
        end: One of those above.
        passed: On how many of the seeds it earned everything.
        seeds: On how many it was judged.
        sentence: What its student would read.
        named: Whether that is a known mistake's sentence.
    """

    mutant: Mutant
    end: str
    passed: int = 0
    seeds: int = 0
    sentence: str = ""
    named: bool = False


# --- making them ---


def written_lines(exercise: Exercise) -> list[int]:
    """The lines of the reference, from 1, that a student writes."""
    found, inside, number = [], False, 0
    for line in exercise.cell.splitlines():
        if line.strip() in (BEGIN_SOLUTION, END_SOLUTION):
            inside = line.strip() == BEGIN_SOLUTION
            continue
        number += 1
        if inside:
            found.append(number)
    return found


def mutants_of(exercise: Exercise, run: Call | None = None) -> list[Mutant]:
    """All mutants of a reference, each text once, in the order of its lines.

    Args:
        exercise: Whose reference.
        run: A call of it, which shows what arguments are like.
    """
    code = Code(exercise.reference, written_lines(exercise))
    seen, found, names = {ast.dump(code.tree)}, [], Counter[str]()
    for change in sorted(_changes(code, run), key=lambda change: change.start):
        source = code.changed([change])
        try:
            tree = ast.dump(ast.parse(source))
        except SyntaxError:
            continue
        if tree in seen:
            continue
        seen.add(tree)
        line = code.line_of(change.start)
        before, after = _lines(code, change, source)
        name = _label(code, change) + (f" in `{re.sub('  # .*', '', before)}`" if change.end > change.start else "")
        names[name] += 1
        found.append(Mutant(f"{name} ({names[name]})" if names[name] > 1 else name, line, before, after, source))
    return found


def _changes(code: Code, run: Call | None) -> Iterator[Change]:
    for node in code.written():
        for operator in (*GENERAL, *FIELD):
            yield from operator(code, node)
    for node in ast.walk(code.tree):
        if isinstance(node, ast.FunctionDef) and node.body[-1].end_lineno in code.lines and node in _outermost(code.tree):
            yield from given(code, node, _samples(node, run))
            yield from fixed_sizes(code, _samples(node, run))


def _outermost(tree: ast.Module) -> list[ast.AST]:
    """The function, or the methods of the class."""
    (top,) = tree.body
    return list(top.body) if isinstance(top, ast.ClassDef) else [top]


def _samples(function: ast.FunctionDef, run: Call | None) -> dict[str, object]:
    """What a call gives to the arguments of a function."""
    if run is None:
        return {}
    names = [argument.arg for argument in function.args.args if argument.arg != "self"]
    return {**dict(zip(names, run.args, strict=False)), **run.kwargs, **(run.init if isinstance(run, LayerCall) else {})}


def _label(code: Code, change: Change) -> str:
    if change.label:
        return change.label
    old = code.source[change.start : change.end]
    return f"`{' '.join(old.split())}` → `{' '.join(change.new.split())}`"


def _lines(code: Code, change: Change, source: str) -> tuple[str, str]:
    """The first line that a change touches, before and after; both lines where one is put in."""
    line = code.line_of(change.start)
    after = source.splitlines()
    if change.start == change.end:
        return code.line(line), f"{after[line - 1].strip()}; {after[line].strip()}"
    return code.line(line), after[line - 1].strip()


# --- what becomes of them ---


class Trial:
    """Judges the mutants of an exercise, in this process.

    Args:
        unit: The exercise's.
        exercise: Its name.
        draws: Broad inputs to compare on.
    """

    def __init__(self, unit: Unit, exercise: str, draws: int = DRAWS) -> None:
        self.unit, self.exercise, self.check = unit, exercise, unit.check(exercise)
        self.reference = unit.text.exercises[exercise].reference
        self.trains = bool(bars_of(self.check))
        first = self.check.draw(np.random.default_rng(0))
        self.run = first[0].run
        self.builds = any(type(case.run) is not Call for case in first)
        self._make = partial(answer_of, unit, exercise)
        self.broad = Broad(self.check, self._make(self.reference), draws // WITH_LAYERS if self.builds else draws)

    def mutants(self) -> list[Mutant]:
        """Those of the exercise; of one that trains, those of what is trained and of the loss."""
        made = mutants_of(self.unit.text.exercises[self.exercise], self.run)
        return [mutant for mutant in made if not (self.trains and TRAINING in mutant.before)]

    def fate(self, mutant: Mutant) -> Fate:
        """What becomes of a mutant."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # in a student's kernel a warning is no error
            return self._fate(mutant)

    def _fate(self, mutant: Mutant) -> Fate:
        try:
            answer = self._make(mutant.source)
        except Exception as error:
            return Fate(mutant, STILLBORN, sentence=f"{type(error).__name__}: {error}")
        passed, seeds, shown = 0, 0, None
        few = 1 if self.trains else FEW_WITH_LAYERS if self.builds else FEW
        for seed in range(1 if self.trains else SEEDS):
            if seed >= few and not passed:
                break
            try:
                with at_most(SECONDS):
                    verdict, judged = rehearse(self.check, answer, np.random.default_rng(seed))
            except OverTime:
                return Fate(mutant, KILLED, passed, seeds + 1, "takes too long")
            seeds += 1
            passed += verdict.points == 100
            if verdict.points < 100 and shown is None:
                shown = verdict.sentence, bool(matches(judged))
                if len(judged.errors) == len(judged.cases):
                    return Fate(mutant, STILLBORN, 0, 1, *shown)
        sentence, named = shown or ("", False)
        if self.trains:
            return Fate(mutant, SURVIVOR if passed else KILLED, passed, seeds, sentence, named)
        equivalent = self.broad.difference(answer) is None
        if equivalent:
            end = EQUIVALENT if passed == seeds else STRICT
        else:
            end = SURVIVOR if passed == seeds else UNSTEADY if passed else KILLED
        return Fate(mutant, end, passed, seeds, sentence, named)
