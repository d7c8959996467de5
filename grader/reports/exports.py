"""nbgrader export plugins: `nbgrader export --exporter=grader.reports.exports.CanvasExport --to canvas.csv`."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.plugins import ExportPlugin

from grader.classroom.extensions import awaited

FORMULA_STARTS = "= + - @"


class _SpreadsheetExport(ExportPlugin):  # type: ignore[misc]
    """A row per student and a column per assignment, scores less late penalties; empty where nothing was handed in.

    Both systems find students by their ids, letter by letter. An id that begins as a formula does cannot stand there: a
    spreadsheet would calculate it, and what keeps a spreadsheet from that makes it another id.
    """

    default_name = ""

    def export(self, gradebook: Gradebook) -> None:
        """Write the file."""
        assignments = [a for a in gradebook.assignments if not self.assignment or a.name in self.assignment]
        chosen = [s for s in gradebook.students if not self.student or s.id in map(str, self.student)]
        students = [student for student in chosen if no_formula(student.id) == student.id]
        if left_out := [student.id for student in chosen if student not in students]:
            self.log.error(
                f"Not in the file: {', '.join(map(repr, left_out))}. A spreadsheet takes an id that begins with one of "
                f"{FORMULA_STARTS} for a formula. Enter these students' scores by hand (`grader scores` shows them), "
                "or give them another id."
            )
        with open(self.to or self.default_name, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(self.rows(gradebook, assignments, students))

    def rows(self, gradebook: Gradebook, assignments: list[Any], students: list[Any]) -> Iterator[list[str]]:
        """The file's rows, the head included."""
        raise NotImplementedError

    @staticmethod
    def scores(gradebook: Gradebook, assignments: list[Any], student: Any) -> list[str]:
        """A student's scores as both import them."""
        handed_in = (submission for submission in student.submissions if not awaited(submission))
        known = {submission.assignment.name: submission for submission in handed_in}
        return [
            f"{max(0.0, known[a.name].score - (known[a.name].late_submission_penalty or 0)):g}" if a.name in known else ""
            for a in assignments
        ]


class CanvasExport(_SpreadsheetExport):
    """Canvas's gradebook: its import finds students by "SIS Login ID", and makes assignments that it does not know."""

    default_name = "canvas.csv"

    def rows(self, gradebook: Gradebook, assignments: list[Any], students: list[Any]) -> Iterator[list[str]]:
        """Canvas's head, the points possible, and the students."""
        yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *(a.name for a in assignments)]
        yield ["    Points Possible", "", "", "", "", *(f"{a.max_score:g}" for a in assignments)]
        for student in students:
            names = [name for name in (student.last_name, student.first_name) if name]
            person = [no_formula(", ".join(names) or student.id), "", "", student.id, ""]
            yield [*person, *self.scores(gradebook, assignments, student)]


class MoodleExport(_SpreadsheetExport):
    """Moodle's grade import: map "Username" to the user and each "Assignment" column to its grade item."""

    default_name = "moodle.csv"

    def rows(self, gradebook: Gradebook, assignments: list[Any], students: list[Any]) -> Iterator[list[str]]:
        """Moodle's head and the students."""
        yield ["Username", "First name", "Last name", "Email address", *(f"Assignment: {a.name}" for a in assignments)]
        for student in students:
            person = [student.id, student.first_name or "", student.last_name or "", student.email or ""]
            yield [*map(no_formula, person), *self.scores(gradebook, assignments, student)]


def no_formula(value: Any) -> Any:
    """A cell of a table: a spreadsheet runs text that begins like a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith((*FORMULA_STARTS.split(), "\t", "\r")) else value
