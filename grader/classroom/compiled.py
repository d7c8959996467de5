"""What JAX compiled for a unit's reference is kept: most of what students' code makes it compile is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import nbformat

from grader.classroom.coursedir import source_file
from grader.classroom.questions import questions_for
from grader.files import made_whole
from grader.running.execution import execute
from grader.running.kernels.settings import Kernels
from grader.units.unit import Unit


def compiled_reference(course: Path, unit: Unit, files: Mapping[str, bytes]) -> Path | None:
    """The folder of a unit's compilations, made by running the reference once; it is trusted, so without a sandbox.

    Args:
        course: The course directory.
        unit: Whose.
        files: What lies beside the notebook, by path.

    Returns:
        None where there is no source notebook to run.
    """
    source = source_file(course, unit.name)
    if not source.exists():
        return None
    versions = ",".join(version(name) for name in ("jax", "jaxlib", "keras"))
    key = hashlib.sha256(source.read_bytes() + versions.encode()).hexdigest()[:16]
    folder = course / "build" / "jax" / f"{unit.name}-{key}"
    if not folder.exists():
        with made_whole(folder) as made:
            made.mkdir()
            _run_reference(source, unit, files, made)
            for path in (made, *made.rglob("*")):  # in a sandbox that root has made, another user reads them
                path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def _run_reference(source: Path, unit: Unit, files: Mapping[str, bytes], cache: Path) -> None:
    notebook = nbformat.read(source, as_version=4)
    requests = questions_for(notebook, {}, True, unit, b"any inputs will do").requests
    execute(notebook, requests, Kernels("jax", sandboxed=False, cache=cache), files)
