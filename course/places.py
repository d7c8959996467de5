"""Where things are in a course directory, an instructor's."""

from __future__ import annotations

from pathlib import Path

RELEASES = "assignments"
"""The folder of a course directory in which the releases are."""
CONFIG_FILE = "nbgrader_config.py"
"""What a folder has that is a course directory."""
HANDED_IN = ("submitted", "autograded")
"""The folders of a course directory with what students handed in."""


def course_of(place: Path) -> Path | None:
    """The course directory that a place lies in, if it lies in one: never a folder that was handed in, whatever is in it."""
    folders = (place.resolve(), *place.resolve().parents)
    courses = (folder for folder in folders if (folder / CONFIG_FILE).is_file())
    return next((folder for folder in courses if not set(folder.parts) & set(HANDED_IN)), None)
