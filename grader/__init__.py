"""Builds the course's notebooks and judges what students write in them. For instructors."""

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Make `probe(answer)` show the verdict; IPython calls this on `%load_ext grader`."""
    from course import probe
    from grader.proving.rehearsal import show_verdict

    probe.judge = show_verdict


def unload_ipython_extension(shell: Any) -> None:
    """Make `probe` raise again; IPython calls this on `%unload_ext grader`."""
    from course import probe

    probe.judge = None
