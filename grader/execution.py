"""One notebook → what its answers did: the evidence of each check cell, or the reason why there is none.

A cell that kills its kernel or never ends costs that cell: a new kernel runs the cells that had completed, and goes on
with the next one.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from course.probe import EVIDENCE_MIME, REQUEST_VARIABLE, Call, write_request
from grader.notebooks import is_untouched_look

MAX_RESTARTS = 4


@dataclass(frozen=True)
class Request:
    """What the probe has to do in one check cell."""

    runs: Sequence[Call]
    off_limits: Sequence[str] = ()


@dataclass(frozen=True)
class Evidence:
    """What one check cell published; `reason` says why there is nothing when `payload` is None."""

    payload: Any
    reason: str = ""


def kernel_environment(backend: str) -> dict[str, str]:
    """The environment of a grading kernel: this process's, with the backend set, one thread, and float32 meaning float32."""
    return os.environ | {
        "KERAS_BACKEND": backend,
        "JAX_DEFAULT_MATMUL_PRECISION": "highest",
        "NVIDIA_TF32_OVERRIDE": "0",
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }


def execute(
    notebook: NotebookNode, requests: Mapping[str, Request], backend: str, cell_timeout: int, startup_timeout: int = 120
) -> dict[str, Evidence]:
    """Run a sanitised notebook's cells in order, in place.

    Args:
        notebook: Its outputs are replaced, without the evidence; cells that only show something and are as released do
            not run.
        requests: By `grade_id` of the check cell.
        backend: Keras backend of the kernel.
        cell_timeout: Seconds that one cell may take.
        startup_timeout: Seconds that a kernel may take to start.

    Returns:
        The evidence, by `grade_id`.
    """
    with tempfile.TemporaryDirectory(prefix="grade-") as folder:
        return _Execution(notebook, requests, Path(folder), backend, cell_timeout, startup_timeout).run()


class _Execution:
    def __init__(
        self,
        notebook: NotebookNode,
        requests: Mapping[str, Request],
        folder: Path,
        backend: str,
        cell_timeout: int,
        startup_timeout: int,
    ) -> None:
        self.notebook, self.requests = notebook, requests
        self.request_file = folder / "request.json"
        self.work = folder / "work"
        self.work.mkdir()
        (folder / "ipython").mkdir()
        self.environment = kernel_environment(backend) | {
            REQUEST_VARIABLE: str(self.request_file),
            "IPYTHONDIR": str(folder / "ipython"),
        }
        self.cell_timeout, self.startup_timeout = cell_timeout, startup_timeout
        self.restarts = 0
        self.evidence: dict[str, Evidence] = {}
        self.trouble = ""
        """Why the last answer cell did not define what it should."""

    def run(self) -> dict[str, Evidence]:
        todo = [
            (index, cell)
            for index, cell in enumerate(self.notebook.cells)
            if cell.cell_type == "code" and not is_untouched_look(cell)
        ]
        completed: list[tuple[int, NotebookNode]] = []
        while todo:
            died = self._run_in_one_kernel(todo, completed)
            if died:
                self.restarts += 1
            if self.restarts > MAX_RESTARTS:
                for _, cell in todo:
                    self._leave(cell, "the kernel died too often before this cell.")
                break
        return self.evidence

    def _run_in_one_kernel(self, todo: list[tuple[int, NotebookNode]], completed: list[tuple[int, NotebookNode]]) -> bool:
        """Run what is to do, removing it from the list, until the kernel dies; whether it did."""
        client = NotebookClient(
            self.notebook,
            allow_errors=True,
            record_timing=False,
            shutdown_kernel="immediate",
            kernel_manager_class=AsyncKernelManager,
            timeout=self.cell_timeout,
            startup_timeout=self.startup_timeout,
        )
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # what libraries log when they start
        with client.setup_kernel(env=self.environment, cwd=str(self.work), **quiet):
            try:
                self.request_file.unlink(missing_ok=True)
                for index, cell in completed:
                    client.execute_cell(NotebookNode(cell), index)
            except (DeadKernelError, CellTimeoutError):
                return True
            while todo:
                index, cell = todo.pop(0)
                reason = self._run_cell(client, index, cell)
                if reason:
                    self._leave(cell, reason)
                    return True
                if _grade_id(cell) not in self.requests:
                    completed.append((index, cell))
        return False

    def _run_cell(self, client: NotebookClient, index: int, cell: NotebookNode) -> str:
        """Run one cell and keep its evidence; the reason if the kernel is no longer of use."""
        grade_id = _grade_id(cell)
        if request := self.requests.get(grade_id):
            write_request(self.request_file, request.runs, request.off_limits)
        try:
            client.execute_cell(cell, index)
        except CellTimeoutError:
            return f"stopped after {self.cell_timeout} s: is there an endless loop?"
        except DeadKernelError:
            return "the kernel died in this cell: did it exit, or use too much memory?"
        except Exception as error:  # a message that no kernel sends, say: this cell is lost, the kernel is not
            self._leave(cell, f"its output could not be read ({type(error).__name__}).")
            return ""
        finally:
            self.request_file.unlink(missing_ok=True)
        published = [output.data.pop(EVIDENCE_MIME) for output in cell.outputs if EVIDENCE_MIME in output.get("data", {})]
        if request:
            self.evidence[grade_id] = self._only(published, cell)
            self.trouble = ""
        else:
            self.trouble = _error(cell)
        return ""

    def _only(self, published: Sequence[Any], cell: NotebookNode) -> Evidence:
        if len(published) == 1:
            return Evidence(json.loads(json.dumps(published[0])))
        if published:
            return Evidence(None, "there is evidence more than once.")
        return Evidence(None, self.trouble or _error(cell) or "the check cell published nothing.")

    def _leave(self, cell: NotebookNode, reason: str) -> None:
        """Record that a cell gave nothing; an answer's reason is told by its check."""
        grade_id = _grade_id(cell)
        if grade_id in self.requests:
            self.evidence[grade_id] = Evidence(None, self.trouble or reason)
            self.trouble = ""
        else:
            self.trouble = f"its cell: {reason}"


def _grade_id(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def _error(cell: NotebookNode) -> str:
    error = next((output for output in cell.outputs if output.output_type == "error"), None)
    return f"its cell raised {error.ename}: {error.evalue}" if error else ""
