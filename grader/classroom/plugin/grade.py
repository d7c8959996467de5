"""Executes a sanitised notebook and judges it: one preprocessor, so that evidence is never left without its judge."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import find_all_files
from traitlets import Enum

from course.cells import check_id, checked_exercise, grade_id
from grader.classroom.beside import HandedIn, look
from grader.classroom.compiled import compiled_reference
from grader.classroom.coursedir import read_secret, submission_folder
from grader.classroom.dates import TIMESTAMP, doubt
from grader.classroom.plugin.restore import holds_answers, read_release, restore
from grader.classroom.plugin.submission import OF_UNIT, UNREADABLE, plain_cell, read_submission
from grader.classroom.questions import Questions, questions_for, verdicts
from grader.classroom.records import Record, kept_outcome, record_path, write_record
from grader.files import read_plain
from grader.judging.judge import Verdict
from grader.running.execution import not_run
from grader.running.jobs import Job, Outcome, plain_cells
from grader.running.kernels.limits import MEGABYTE, Limits
from grader.running.kernels.sandbox import require
from grader.shown import without_markup
from grader.units.shelf import get_unit

PERSON = "needs_person"
NO_SANDBOX = "none"
MOST_OTHERS = 20
"""Notebooks of one submission that are searched for answers if there are none where they belong."""


class Grade(Preprocessor):
    """In place of nbgrader's `Execute`: `Autograde` calls it on the sanitised copy, in the course directory."""

    enabled = True
    backend = Enum(
        ("tensorflow", "jax", "torch"),
        default_value=os.environ.get("KERAS_BACKEND", "tensorflow"),
        help="Keras backend of the kernels that grade.",
    ).tag(config=True)
    sandbox = Enum(
        ("bubblewrap", NO_SANDBOX),
        default_value="bubblewrap",
        help="What protects whoever grades from what is graded. With none, a submission may do what they may.",
    ).tag(config=True)

    @property
    def settings(self) -> dict[str, Any]:
        """In what way submissions are executed, as a `Job` has it."""
        limits = Limits(parent=self)
        values = {name: getattr(limits, name) for name in limits.class_own_traits(config=True)}
        return {"backend": self.backend, "limits": values, "sandboxed": self.sandbox != NO_SANDBOX}

    def ask(
        self, course: Path, assignment: str, student: str, notebook: NotebookNode, of_unit: bool
    ) -> tuple[Questions, Job, HandedIn]:
        """What is asked of a sanitised notebook, what there is to execute of it, and what was handed in beside it."""
        unit = get_unit(course, assignment) if of_unit else None
        settings = self.settings
        handed_in, masters = self.beside(submission_folder(course, student, assignment), assignment)
        theirs = {name: read_plain(handed_in.folder / name) for name in handed_in.files if name != TIMESTAMP}
        questions = questions_for(notebook, theirs, of_unit, unit, read_secret(course))
        compiles = settings["sandboxed"] and self.backend == "jax"
        job = Job(
            cells=plain_cells(notebook),
            requests=questions.requests,
            files=theirs | masters,
            cache=compiled_reference(course, unit, masters) if unit and compiles else None,
            **settings,
        )
        return questions, job, handed_in

    def _answers_elsewhere(self, handed_in: HandedIn, names: Mapping[str, str]) -> str:
        """Which other notebook of a submission holds the answers that are not where they belong; "" for none."""
        own = f"{names['notebook']}.ipynb"
        with Gradebook(names["db_url"]) as gradebook:
            release = read_release(gradebook, names["notebook"], names["assignment"], Path.cwd())
        for other in [name for name in handed_in.notebooks if name != own][:MOST_OTHERS]:
            with suppress(Exception):  # it is not what is graded
                if not holds_answers(restore(read_submission(handed_in.folder / other, plain_cell).cells, release)):
                    continue
                return f"nothing is answered in {own}, but {other}, which was handed in beside it, holds answers."
        return ""

    def beside(self, folder: Path, assignment: str) -> tuple[HandedIn, dict[str, bytes]]:
        """What a submission's folder holds, as far as it is used, and the instructor's files, which lie over it."""
        masters = self.masters(assignment)
        room = Limits(parent=self).disk - sum(map(len, masters.values())) / MEGABYTE
        return look(folder, room).without(masters), masters

    def masters(self, assignment: str) -> dict[str, bytes]:
        """The instructor's files beside the notebooks, which nbgrader puts over those that were handed in."""
        coursedir = CourseDirectory(config=self.config)
        folder = coursedir.format_path(coursedir.source_directory, ".", assignment)
        students = Autograde(coursedir=coursedir, config=self.config).exclude_overwriting.get(assignment, ())
        paths = find_all_files(folder, [*coursedir.ignore, "*.ipynb"])
        found = {Path(path).relative_to(folder).as_posix(): Path(path) for path in sorted(paths)}
        return {name: path.read_bytes() for name, path in found.items() if name not in students}

    def preprocess(self, notebook: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Run the notebook unless the same was run before, write each verdict into its check cell, and keep the record."""
        course, names = Path.cwd(), resources["nbgrader"]
        assignment, student = names["assignment"], names["student"]
        questions, job, handed_in = self.ask(course, assignment, student, notebook, resources[OF_UNIT])
        unreadable = notebook.metadata.get(UNREADABLE, "")
        if job.sandboxed:
            require()  # also where nothing has to be run: either grading works here or it does not
        else:
            self.log.warning(f"No sandbox: what {student} handed in runs with all of your rights.")
        kept = kept_outcome(course, assignment, student, names["notebook"])
        outcome = Outcome(job.key) if unreadable else kept.outcome(job)
        found = verdicts(notebook, questions, outcome, handed_in.files, unreadable)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for cell, outputs in zip(code, outcome.outputs, strict=False):
            cell.outputs = [NotebookNode(output) for output in outputs]
        if resources[OF_UNIT] and not holds_answers(notebook.cells):
            elsewhere = self._answers_elsewhere(handed_in, names)
            found = {name: replace(verdict, person=verdict.person or elsewhere) for name, verdict in found.items()}
        people = {check_id(exercise): verdict.person for exercise, verdict in found.items() if verdict.person}
        for cell in code:
            if (exercise := checked_exercise(cell)) in found:
                cell.outputs = verdict_outputs(found[exercise], questions.points[exercise])
            elif exercise and outcome.failed:
                cell.outputs = [not_run(outcome.failed)]
                people[grade_id(cell)] = outcome.failed
        if date := doubt(submission_folder(course, student, assignment)):
            tests = [grade_id(cell) for cell in notebook.cells if checked_exercise(cell)]
            people |= {test: f"{people[test]} {date}" if test in people else date for test in tests}
        if resources[OF_UNIT]:
            record = Record(questions.digest, found, questions.points, job.sandboxed, job.settings, job.key, date)
            write_record(record_path(course, assignment, student), record)
        resources[PERSON] = people
        return notebook, resources


class FlagForPerson(Preprocessor):
    """Right after `SaveAutoGrades`, which resets the flag: marks what a person has to look at, with the reason."""

    enabled = True

    def preprocess(self, notebook: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Set the gradebook's flags and comments."""
        if not resources[PERSON]:
            return notebook, resources
        names = resources["nbgrader"]
        where = (names["notebook"], names["assignment"], names["student"])
        with Gradebook(names["db_url"]) as gradebook:
            for check, reason in resources[PERSON].items():
                gradebook.find_grade(check, *where).needs_manual_grade = True
                with suppress(MissingEntry):  # an ordinary test may check no one answer
                    gradebook.find_comment(check.removesuffix("-check"), *where).auto_comment = without_markup(reason)
            gradebook.db.commit()
        return notebook, resources


def verdict_outputs(verdict: Verdict, points: float) -> list[NotebookNode]:
    """A verdict as nbgrader and people read it: always an explicit score, 0 and full marks included."""
    parts = "   ".join(f"{'✓' if passed else '✗'} {part}" for part, passed in verdict.passed.items())
    text = f"{verdict.points:g} of {points:g} points\n{verdict.sentence}\n{parts}".strip()
    return [
        new_output("display_data", {"text/plain": text}),
        new_output("execute_result", {"text/plain": str(float(verdict.points))}, execution_count=None),
    ]
