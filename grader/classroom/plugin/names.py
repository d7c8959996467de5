"""Whose submission a collected file is, for nbgrader's `zip_collect`."""

from __future__ import annotations

from typing import Any

from nbgrader.plugins import FileNameCollectorPlugin

from grader.shown import NotPlain


class PlainNames(FileNameCollectorPlugin):  # type: ignore[misc]
    """nbgrader's, which makes a folder of whatever name a file's name gives, ".." included, and so writes anywhere."""

    def collect(self, submitted_file: str) -> dict[str, Any] | None:
        """Who handed in a file, and what it is; None, which passes it over, if that is no plain name."""
        found: dict[str, Any] | None = super().collect(submitted_file)
        return None if found and found["student_id"] in NotPlain("") else found
