"""What JAX compiled for a unit's reference is kept: most of what students' code makes it compile is the same."""

from __future__ import annotations

import hashlib
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

import nbformat
import numpy as np

from course import syllabus
from course.cells import check_id, checked_exercise
from grader.judging.judge import runs_of
from grader.running.execution import Request, execute
from grader.running.kernels.settings import Kernels
from grader.units import checks


def compiled_reference(course: Path, unit: str) -> Path | None:
    """The folder of a unit's compilations, made by running the reference once; it is trusted, so without a sandbox.

    Returns:
        None where there is no source notebook to run.
    """
    source = course / "build" / "source" / unit / f"{unit}.ipynb"
    if not source.exists():
        return None
    versions = ",".join(version(name) for name in ("jax", "jaxlib", "keras"))
    key = hashlib.sha256(source.read_bytes() + versions.encode()).hexdigest()[:16]
    folder = course / "build" / "jax" / f"{unit}-{key}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as new:
            made = Path(new, "cache")
            made.mkdir()
            _run_reference(source, unit, made)
            for path in (made, *made.rglob("*")):  # in a sandbox that root has made, another user reads them
                path.chmod(0o755 if path.is_dir() else 0o644)
            if not folder.exists():  # somebody else may have been faster
                os.replace(made, folder)
    return folder


def _run_reference(source: Path, unit: str, cache: Path) -> None:
    notebook = nbformat.read(source, as_version=4)
    rng = np.random.default_rng(0)
    off_limits = syllabus.unit(unit).off_limits
    names = [name for cell in notebook.cells if (name := checked_exercise(cell))]
    requests = {
        check_id(name): Request(runs_of(list(checks.load(unit, name).cases(rng))), off_limits.get(name, ())) for name in names
    }
    execute(notebook, requests, Kernels("jax", sandboxed=False, cache=cache))
