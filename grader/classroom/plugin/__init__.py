"""Plugs the course into nbgrader. A course directory's `nbgrader_config.py` is two lines:

from grader.plugin import configure
configure(get_config())
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import nbgrader.api
from nbgrader.converters.base import BaseConverter
from sqlalchemy import Engine, create_engine

from course.places import RELEASES
from grader.classroom.coursedir import SOURCES
from grader.classroom.plugin.hooks import init_assignment
from grader.classroom.plugin.restore import STUB_LINE
from grader.shown import NotPlain

STUB = f"# Your code here.\n{STUB_LINE}"


def configure(config: Any) -> None:
    """Set nbgrader's options; called by traitlets up to three times a run, so lists are assigned whole."""
    # nbgrader opens the gradebook a dozen times for each submission, each time with a new engine, which compiles every
    # statement anew. Its preprocessors make their gradebooks themselves, and a gradebook its engine, so nothing can be handed
    # to them: there is no place to share an engine but the name that they all look up.
    nbgrader.api.create_engine = _engine
    BaseConverter.init_assignment = init_assignment  # see there
    config.CourseDirectory.source_directory = SOURCES
    config.CourseDirectory.release_directory = RELEASES
    config.CourseDirectory.student_id_exclude = NotPlain("whoever has an id that is not plain")
    config.ZipCollectApp.collector_plugin = "grader.classroom.plugin.names.PlainNames"
    config.ClearSolutions.code_stub = {"python": STUB}
    config.Autograde.exporter_class = "grader.classroom.plugin.submission.SubmissionExporter"
    config.Autograde.sanitize_preprocessors = [
        "grader.classroom.plugin.restore.Restore",
        "nbgrader.preprocessors.DeduplicateIds",
        "nbgrader.preprocessors.OverwriteKernelspec",
        "nbgrader.preprocessors.OverwriteCells",
        "grader.classroom.plugin.attachments.MissingPictures",
    ]
    config.Autograde.autograde_preprocessors = [
        "grader.classroom.plugin.grade.Grade",
        "nbgrader.preprocessors.LimitOutput",
        "nbgrader.preprocessors.SaveAutoGrades",
        "grader.classroom.plugin.grade.FlagForPerson",
        "nbgrader.preprocessors.AssignLatePenalties",
    ]


def _engine(url: str, **options: Any) -> Engine:
    return _engine_of(os.getcwd(), url, **options)


@cache
def _engine_of(folder: str, url: str, **options: Any) -> Engine:
    """The database engine for a URL, which may be relative to the working directory."""
    return create_engine(url, **options)
