"""What a course directory's `nbgrader_config.py` imports: `from grader.plugin import configure`."""

from grader.classroom.plugin import configure

__all__ = ["configure"]
