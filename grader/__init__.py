"""Builds the course's notebooks and judges what students write in them. For instructors."""

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Make `probe(answer)` show the verdict; IPython calls this on `%load_ext grader`."""
    from pathlib import Path

    from course import probe
    from course.places import course_of
    from grader.proving.rehearsal import show_verdict
    from grader.units.shelf import find_units

    probe.judge = lambda answer: show_verdict(answer, find_units(course_of(Path()) or Path()))


def unload_ipython_extension(shell: Any) -> None:
    """Make `probe` raise again; IPython calls this on `%unload_ext grader`."""
    from course import probe

    probe.judge = None
