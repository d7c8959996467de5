"""In what kind of kernel a notebook is executed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager

from course.probe import REQUEST_VARIABLE
from grader.running.kernels.forkserver import Zygote
from grader.running.kernels.limits import Limits
from grader.running.kernels.provisioner import SandboxManager
from grader.running.kernels.sandbox import CACHE, INPUTS, SUBMISSION

REQUEST = "request.json"
ANYWHERE = {"JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES": "none"}
"""Else the cache's path is part of each key, and what was written at one place would not be found at another."""
GRADING = {"NBGRADER_EXECUTION": "autograde"}
"""What nbgrader's own tests may ask for."""
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
"""TensorFlow, too, computes in one thread: kernels run beside one another."""
CACHE_VARIABLE, LEAST_SECONDS_VARIABLE = "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


@dataclass(frozen=True)
class Kernels:
    """Makes kernels.

    Args:
        backend: Keras backend.
        limits: What one submission may use.
        sandboxed: False runs a submission with all rights of whoever grades.
        cache: Folder with what JAX has compiled before, or None: only read in a sandbox, written to without one.
    """

    backend: str
    limits: Limits = field(default_factory=Limits)
    sandboxed: bool = True
    cache: Path | None = None

    def manager(self, inputs: Path, submission: Path | None) -> AsyncKernelManager:
        """A manager of one kernel, not started yet.

        Args:
            inputs: Folder in which the request of each check cell appears.
            submission: Folder whose files the kernel finds in its working directory, or None; without a sandbox,
                `start_arguments` has it.
        """
        if not self.sandboxed:
            return AsyncKernelManager()
        folders = {INPUTS: inputs}
        if submission is not None:
            folders[SUBMISSION] = submission
        if self.cache is not None:
            folders[CACHE] = self.cache
        return SandboxManager(backend=self.backend, environment=self._environment, folders=folders, limits=self.limits)

    def prepare(self) -> None:
        """Begin to import, ahead of the first kernel, what kernels in a sandbox are forked from."""
        if self.sandboxed:
            Zygote.of(self.backend, self._environment)

    @property
    def _environment(self) -> Mapping[str, str]:
        """Of kernels in a sandbox."""
        environment = keras_environment(self.backend) | GRADING | ONE_THREAD | {REQUEST_VARIABLE: f"{INPUTS}/{REQUEST}"}
        if self.cache is not None:
            environment |= ANYWHERE | {CACHE_VARIABLE: CACHE, LEAST_SECONDS_VARIABLE: "1e9"}  # what takes less is not written
        return environment

    def start_arguments(self, inputs: Path, submission: Path) -> Mapping[str, object]:
        """What a kernel without a sandbox needs to be started with; see `manager`."""
        if self.sandboxed:
            return {}
        folders = {name: inputs.parent / name for name in ("work", "ipython")}
        for folder in folders.values():
            folder.mkdir(exist_ok=True)
        shutil.copytree(submission, folders["work"], dirs_exist_ok=True)
        places = GRADING | {REQUEST_VARIABLE: str(inputs / REQUEST), "IPYTHONDIR": str(folders["ipython"])}
        if self.cache is not None:
            places |= ANYWHERE | {CACHE_VARIABLE: str(self.cache), LEAST_SECONDS_VARIABLE: "0"}
        return {"env": os.environ | keras_environment(self.backend) | places, "cwd": str(folders["work"])}


def keras_environment(backend: str) -> dict[str, str]:
    """The backend, one thread for what uses OpenMP, quiet, and float32 meaning float32."""
    return {
        "KERAS_BACKEND": backend,
        "JAX_DEFAULT_MATMUL_PRECISION": "highest",
        "NVIDIA_TF32_OVERRIDE": "0",
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }
