"""Executions of submissions.

A job holds all that an execution depends on beside the installed packages, and nothing else of the course: it can be run
anywhere. What it gave is its outcome, which has the job's key.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_notebook

import course as students_package
from course.cells import checked_exercise, grade_id, new_cell
from course.probe import encode
from grader.errors import CourseError, SandboxError
from grader.running.execution import Evidence, Request, execute
from grader.running.kernels.limits import Limits
from grader.running.kernels.settings import Kernels

LIBRARIES = (
    *("keras", "tensorflow", "jax", "jaxlib", "torch", "numpy", "scipy", "matplotlib", "scikit-learn"),
    *("ipython", "ipykernel"),
)
VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Job:
    """One submission to execute.

    Args:
        cells: The sanitised notebook's code cells: source, id, `grade_id`, and whether it is graded.
        requests: What the probe has to do, by `grade_id` of the check cell.
        files: What was handed in beside the notebook, by path.
        backend: Keras backend.
        limits: By name.
        sandboxed: Whether the code runs in a sandbox.
        cache: See `Kernels`; what it holds changes nothing but the time.
    """

    cells: Sequence[Mapping[str, Any]]
    requests: Mapping[str, Request]
    files: Mapping[str, bytes]
    backend: str
    limits: Mapping[str, float]
    sandboxed: bool
    cache: Path | None = None

    @functools.cached_property
    def key(self) -> str:
        """The hash of all that the execution depends on."""
        known = {
            "cells": list(self.cells),
            "requests": {
                name: [encode(list(request.runs)), list(request.off_limits)] for name, request in self.requests.items()
            },
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()},
            "settings": [self.backend, dict(self.limits), self.sandboxed],
            "installed": [self.installed, devices()],
        }
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()

    @functools.cached_property
    def installed(self) -> dict[str, str]:
        """What it was made with, and has to be executed with."""
        return installed()

    def __getstate__(self) -> dict[str, Any]:
        """It travels with its key: another machine, with other devices, would make another one of it."""
        return self.__dict__ | {"key": self.key, "installed": self.installed}

    @property
    def kernels(self) -> Kernels:
        """Where it is executed, on this machine."""
        cache = self.cache if self.cache and self.cache.is_dir() else None  # another machine has none
        return Kernels(self.backend, Limits(**self.limits), self.sandboxed, cache)

    @property
    def settings(self) -> dict[str, str]:
        """In what way it is executed, for people."""
        limits = {f"limit: {name}": f"{value:g}" for name, value in self.limits.items()}
        own = {"backend": self.backend, "sandbox": "bubblewrap" if self.sandboxed else "none"}
        seen = {"devices": devices()} if devices() else {}
        return own | versions() | seen | limits


@dataclass(frozen=True)
class Outcome:
    """What running a job gave.

    Args:
        key: The job's.
        evidence: By `grade_id` of the check cell.
        outputs: Of each of the job's cells.
        repeats: See `Execution`. Only what repeats is taken from an earlier run.
        seconds: CPU seconds.
        memory: Megabytes.
        failed: Why nothing could be run, for a reason that is not the student's; else "".
        origin: The hash of all that the job was made from, or "": where it is still the same, so is the job.
        waited: Which process waited for it; see `kept`.
    """

    key: str
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    outputs: Sequence[Sequence[Mapping[str, Any]]] = ()
    repeats: bool = False
    seconds: float = 0
    memory: float = 0
    failed: str = ""
    origin: str = ""
    waited: str = ""


def run(job: Job) -> Outcome:
    """Execute a job here.

    Raises:
        CourseError: If other versions are installed here than where the job was made: it might give something else.
        SandboxError: If no sandbox can be made here; it would be the same for every job.
    """
    here = installed()
    if other := [name for name in here | job.installed if here.get(name) != job.installed.get(name)]:
        raise CourseError(f"{platform.node()} has another {', '.join(other)} than the machine that grades: install the same.")
    cells = [
        new_cell("code", cell["source"], cell["id"], {"nbgrader": {"grade_id": cell["grade_id"], "grade": cell["grade"]}})
        for cell in job.cells
    ]
    try:
        execution = execute(new_notebook(cells=cells), job.requests, job.kernels, job.files)
    except SandboxError:
        raise
    except Exception as error:  # no kernel, or no set-up
        return Outcome(job.key, failed=f"the notebook could not be run ({type(error).__name__}: {error})")
    outputs = [cell.outputs for cell in cells]
    return Outcome(job.key, execution.evidence, outputs, execution.repeats, execution.seconds, execution.memory)


def plain_cells(notebook: NotebookNode) -> list[dict[str, Any]]:
    """The code cells of a sanitised notebook, as a job has them."""
    return [
        {"source": cell.source, "id": cell.get("id", ""), "grade_id": grade_id(cell), "grade": bool(checked_exercise(cell))}
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def installed() -> dict[str, str]:
    """The versions that an execution depends on, of this course, too."""
    return versions() | {"keras-course": sources()}


@functools.cache
def versions() -> dict[str, str]:
    """Those of other packages and Python."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@functools.cache
def devices() -> str:
    """The devices that an execution may find; "" for none but the CPU."""
    found = [path.name for path in sorted(Path("/dev").glob("nvidia[0-9]*"))]
    return " ".join([*found, os.environ.get(VISIBLE_DEVICES, "")]).strip()


@functools.cache
def sources() -> str:
    """The hash of what executes, of what decides which outputs are kept, and of the package that students import.

    Not of the units' texts: what a submission has of them is in its cells.
    """
    room, package = Path(__file__).parent, Path(str(students_package.__file__)).parent
    paths = [room.parent / "shown.py", room / "execution.py", room / "jobs.py", *(room / "kernels").rglob("*.py")]
    paths += [*package.rglob("*.keras"), *(path for path in package.rglob("*.py") if path.parent != package / "units")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()
