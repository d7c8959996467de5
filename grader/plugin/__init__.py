"""Plugs the course into nbgrader. A course directory's `nbgrader_config.py` is two lines:

from grader.plugin import configure
configure(get_config())
"""

from __future__ import annotations

from functools import partial
from typing import Any

from grader.plugin.hooks import prepare
from grader.plugin.restore import STUB_LINE
from grader.shown import NotPlain

STUB = f"# Your code here.\n{STUB_LINE}"


def configure(config: Any) -> None:
    """Set nbgrader's options; called by traitlets up to three times a run, so lists are assigned whole."""
    config.CourseDirectory.source_directory = "build/source"
    config.CourseDirectory.release_directory = "assignments"
    config.CourseDirectory.student_id_exclude = NotPlain("whoever has an id that is not plain")
    config.ClearSolutions.code_stub = {"python": STUB}
    config.Autograde.pre_convert_hook = partial(prepare, config)
    config.Autograde.exporter_class = "grader.plugin.submission.SubmissionExporter"
    config.Autograde.sanitize_preprocessors = [
        "grader.plugin.restore.Restore",
        "nbgrader.preprocessors.DeduplicateIds",
        "nbgrader.preprocessors.OverwriteKernelspec",
        "nbgrader.preprocessors.OverwriteCells",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    config.Autograde.autograde_preprocessors = [
        "grader.plugin.grade.Grade",
        "nbgrader.preprocessors.LimitOutput",
        "nbgrader.preprocessors.SaveAutoGrades",
        "grader.plugin.grade.FlagForPerson",
        "nbgrader.preprocessors.AssignLatePenalties",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
