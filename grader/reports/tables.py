"""A graded unit as pandas tables."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd

from course.cells import checked_exercise, grade_id
from grader.classroom.coursedir import (
    autograded_folder,
    read_secret,
    release_file,
    source_file,
)
from grader.classroom.records import read_record, record_path
from grader.errors import CourseError
from grader.judging.judge import UNANSWERED, diagnosis_in
from grader.reports.rows import in_order, is_unit, judged_outcome, read_lateness, read_rows
from grader.reports.similarity import length, normalized, similarity
from grader.units.shelf import find_unit
from grader.units.unit import Unit

NEARLY = 0.9
"""From this similarity on, an answer is nearly the same as the reference."""
TELLING = 30
"""Tokens from which on an answer says something about who wrote it."""


@dataclass(frozen=True)
class Tables:
    """What is known of a graded unit.

    Args:
        answers: A row per student and exercise.
        submissions: A row per student: total, seconds and memory, whether a person has to look.
        exercises: A row per exercise, in the notebook's order.
        misconceptions: A row per exercise and mistake that somebody made: a known one, or what was diagnosed.
        persons: What waits for a person, and why: a row for each reason of a student.
        copies: A row per group of students and exercise with the same answer, which is not the reference's.
        references: Answers nearly the same as the reference, or too long to be compared with it.
        settings: Backend, versions and settings, and how many submissions were executed with them.
        lateness: A row per student who has more time, or is late.
    """

    answers: pd.DataFrame
    submissions: pd.DataFrame
    exercises: pd.DataFrame
    misconceptions: pd.DataFrame
    persons: pd.DataFrame
    copies: pd.DataFrame
    references: pd.DataFrame
    settings: pd.DataFrame
    lateness: pd.DataFrame

    def named(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return dict(vars(self))


def pseudonym(secret: bytes, student: str) -> str:
    """A name that stays the same from report to report, and that only the secret's owner can trace back."""
    return "student-" + hmac.new(secret, b"pseudonym\0" + student.encode(), hashlib.sha256).hexdigest()[:8]


def read_tables(course: Path, unit: str, pseudonyms: bool = False) -> Tables:
    """Read what was graded of a unit.

    Raises:
        CourseError: If nobody has been graded, or it is none of the course's units.
    """
    maxima, rows = read_rows(course, unit)
    if not is_unit(course, unit):
        raise CourseError(f"{unit!r} is no unit; a report tells what a unit's checks found. See `grader scores {unit}`.")
    secret = read_secret(course)

    def name(student: str) -> str:
        return pseudonym(secret, student) if pseudonyms else student

    if pseudonyms:  # in the order of the real names, the k-th row would be the k-th of the class
        rows = dict(sorted(rows.items(), key=lambda item: name(item[0])))
    order = in_order(course, unit, maxima)
    answers, submissions, persons, settings = [], [], [], []
    for student, row in rows.items():
        graded = record_path(course, unit, student).is_file()
        record = read_record(course, unit, student) if graded else None
        outcome = judged_outcome(course, unit, student, record)
        if record:
            settings += list(record.settings.items())
        for exercise in order:
            verdict = record.verdicts.get(exercise) if record else None
            points = row.points.get(exercise)
            answers.append(
                {
                    "student": name(student),
                    "exercise": exercise,
                    "points": np.nan if points is None else points,
                    "maximum": maxima[exercise],
                    "sentence": verdict.sentence if verdict else "",
                    "answered": verdict is not None and verdict.sentence not in (UNANSWERED, f"No points: {verdict.person}"),
                    "by_hand": exercise in row.by_hand,
                }
            )
            if exercise in row.waiting:
                reason = verdict.person if verdict else "what was submitted last could not be read or run"
                known = reason or ("scored by hand before" if exercise in row.by_hand else "")
                reasons = [text for text in (known, record.date if record else "") if text] or [""]
                persons += [{"student": name(student), "exercise": exercise, "reason": text} for text in reasons]
        submissions.append(
            {
                "student": name(student),
                "points": row.total,
                "seconds": outcome.seconds if outcome else np.nan,
                "megabytes": outcome.memory if outcome else np.nan,
                "waits": bool(row.waiting),
                "sandboxed": record.sandboxed if record else True,
            }
        )
    table = pd.DataFrame(answers)
    copies, references = _alike(course, unit, list(rows), order, name)
    return Tables(
        table,
        pd.DataFrame(submissions),
        _exercises(table, [name for name in order if maxima[name]]),
        _misconceptions(table, find_unit(course, unit), order),
        together(pd.DataFrame(persons, columns=["student", "exercise", "reason"]), order),
        copies,
        references,
        pd.DataFrame(settings, columns=["setting", "value"]).value_counts(sort=False).rename("submissions").reset_index(),
        _lateness(course, unit, name),
    )


def _lateness(course: Path, unit: str, name: Callable[[str], str]) -> pd.DataFrame:
    rows = [
        {
            "student": name(student),
            "until": f"{found.until:%Y-%m-%d %H:%M} UTC" if found.until else "",
            "seconds_late": found.seconds,
        }
        for student, found in read_lateness(course, unit).items()
    ]
    table = pd.DataFrame(rows, columns=["student", "until", "seconds_late"])
    return table.sort_values("student", kind="stable", ignore_index=True)  # with pseudonyms, no order of the real names


def together(persons: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """One row for all exercises that wait for the same reason: a submission that could not be read is one case, not many."""

    def named(exercises: pd.Series) -> str:
        return "all" if len(exercises) == len(order) else ", ".join(exercises)

    return persons.groupby(["student", "reason"], sort=False, as_index=False).agg(exercises=("exercise", named))


def _exercises(answers: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Difficulty (mean share of points), discrimination (correlation with the rest of the points), and what was given."""
    points = answers.pivot_table(index="student", columns="exercise", values="points", aggfunc="first", dropna=False)
    points = points.reindex(columns=order).fillna(0.0)
    maximum = answers.groupby("exercise")["maximum"].first().reindex(order)
    share = points / maximum
    rest = points.rsub(points.sum(axis=1), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        discrimination = [
            np.corrcoef(points[name], rest[name])[0, 1] if points[name].std() > 0 and rest[name].std() > 0 else np.nan
            for name in order
        ]
    answered = answers.groupby("exercise")["answered"].sum().reindex(order)
    return pd.DataFrame(
        {
            "exercise": order,
            "maximum": maximum.to_numpy(),
            "answered": answered.to_numpy(),
            "mean_share": share.mean().to_numpy(),
            "full": (share >= 1).mean().to_numpy(),
            "partial": ((share > 0) & (share < 1)).mean().to_numpy(),
            "discrimination": discrimination,
        }
    )


def _misconceptions(answers: pd.DataFrame, unit: Unit, order: list[str]) -> pd.DataFrame:
    columns = ["exercise", "students", "sentence", "kind", "who"]
    rows = []
    for exercise in (name for name in order if name in unit.exercises):
        known = unit.check(exercise).mistakes
        these = answers[answers["exercise"] == exercise]
        said = pd.Series([text if text in known else diagnosis_in(text) for text in these["sentence"]], these.index, dtype=str)
        for sentence, group in these[said != ""].groupby(said, sort=False):
            kind = "listed" if sentence in known else "diagnosed"
            rows.append([exercise, len(group), sentence, kind, ", ".join(group["student"])])
    return pd.DataFrame(rows, columns=columns).sort_values("students", ascending=False, kind="stable", ignore_index=True)


def _alike(
    course: Path, unit: str, students: list[str], order: list[str], name: Callable[[str], str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Groups with the same answer, and answers nearly the same as the reference."""
    given, reference = _released(course, unit)
    same: dict[tuple[str, str], list[str]] = {}
    for student in students:
        path = autograded_folder(course, student, unit) / f"{unit}.ipynb"
        for cell in nbformat.read(path, as_version=4).cells if path.is_file() else ():
            exercise = grade_id(cell)
            if exercise in order and (answer := normalized(cell.source, exercise, given.get(exercise, ""))):
                same.setdefault((exercise, answer), []).append(student)
    copies, near = [], []
    for (exercise, answer), group in same.items():
        model = normalized(reference.get(exercise, ""), exercise, given.get(exercise, ""))
        tokens, alike = length(answer), similarity(answer, model)
        if tokens < TELLING:
            continue
        row = {"exercise": exercise, "tokens": tokens, "like_reference": alike}
        if not alike < NEARLY:  # nor is what is too long to be compared passed over
            near += [row | {"student": name(student)} for student in group]
        if len(group) > 1 and alike != 1:
            copies.append(row | {"students": ", ".join(map(name, group)), "size": len(group)})
    columns = ["exercise", "students", "size", "tokens", "like_reference"]
    groups = pd.DataFrame(copies, columns=columns).sort_values("like_reference", kind="stable", ignore_index=True)
    return groups, pd.DataFrame(near, columns=["student", "exercise", "like_reference", "tokens"])


def _released(course: Path, unit: str) -> tuple[dict[str, str], dict[str, str]]:
    """By exercise, the cell that students got, and the one with the reference's answer."""
    cells = []
    for path in (release_file(course, unit), source_file(course, unit)):
        found = nbformat.read(path, as_version=4).cells if path.is_file() else []
        cells.append({grade_id(cell): cell.source for cell in found if grade_id(cell) and not checked_exercise(cell)})
    return cells[0], cells[1]
