"""One notebook → what its answers did: the evidence of each check cell, or the reason why there is none.

A cell that kills its kernel or never ends costs that cell: a new kernel runs the cells that had completed, and goes on
with the next one.
"""

from __future__ import annotations

import gc
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
from grader.cells import SETUP, grade_id, is_untouched_look, looks_needed
from grader.errors import ExecutionError

OUTPUT_LIMIT = 1_000_000
"""Characters of output that are kept of one cell, so that an endless loop that prints does not fill the memory."""
IMPORT_PROBE = "from course.probe import probe"
SHOWN_TYPES = ("text/plain", "image/png")
"""What outputs may hold: nothing that a browser would run."""


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
    notebook: NotebookNode, requests: Mapping[str, Request], backend: str, cell_timeout: int, startup_timeout: int = 180
) -> dict[str, Evidence]:
    """Run a sanitised notebook's cells in order, in place.

    Args:
        notebook: Its outputs are replaced, without the evidence. Cells that only show something and are as released run
            only if a student's code needs a name from them.
        requests: By `grade_id` of the check cell.
        backend: Keras backend of the kernel.
        cell_timeout: Seconds that one cell may take.
        startup_timeout: Seconds that a kernel may take to start, and its set-up cell to run.

    Returns:
        The evidence, by `grade_id`.

    Raises:
        ExecutionError: If the set-up cell fails, which runs before anything of a student's.
    """
    with tempfile.TemporaryDirectory(prefix="grade-") as folder:
        found = _Execution(notebook, requests, Path(folder), backend, cell_timeout, startup_timeout).run()
    # What dead kernels left pending is logged when it is collected, with a traceback that is parsed: now, and not in the
    # middle of another `ast.parse`, which that would break.
    gc.collect()
    return found


class _Client(NotebookClient):
    """Takes evidence out of the messages as they come: what is shown can be cleared by the cell, what was said cannot."""

    def begin(self) -> None:
        """Called before each cell."""
        self.published: list[Any] = []
        self._room = OUTPUT_LIMIT

    def process_message(self, message: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """nbclient calls this on each message of the cell that runs."""
        content = message["content"]
        if message["msg_type"] in ("stream", "display_data", "execute_result", "error", "update_display_data"):
            data = content.get("data")
            if isinstance(data, dict) and EVIDENCE_MIME in data:
                self.published.append(data[EVIDENCE_MIME])
                return None
            self._room -= len(str(content))
            if self._room < 0:
                return None
            if isinstance(data, dict):
                content["data"] = {kind: data[kind] for kind in SHOWN_TYPES if kind in data}
        shown: NotebookNode | None = super().process_message(message, cell, cell_index)
        return shown


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
        self.evidence: dict[str, Evidence] = {}
        self.trouble = ""
        """Why the last answer's cell did not define what it should."""

    def run(self) -> dict[str, Evidence]:
        looks = looks_needed(self.notebook.cells)
        todo = [
            (index, cell)
            for index, cell in enumerate(self.notebook.cells)
            if cell.cell_type == "code" and (index in looks or not is_untouched_look(cell))
        ]
        completed: list[tuple[int, NotebookNode]] = []
        kernels = 2 + 2 * len(self.requests)  # each answer and each check may die once, and a replay or two
        while todo and kernels:
            self._run_in_one_kernel(todo, completed)
            kernels -= 1
        for _, cell in todo:
            self._leave(cell, "too many cells above killed the kernel.")
        return self.evidence

    def _run_in_one_kernel(self, todo: list[tuple[int, NotebookNode]], completed: list[tuple[int, NotebookNode]]) -> None:
        """Run what is to do, removing it from the list, until the kernel dies or all is done."""
        client = _Client(
            self.notebook,
            allow_errors=True,
            record_timing=False,
            shutdown_kernel="immediate",
            kernel_manager_class=AsyncKernelManager,
            timeout_func=lambda cell: self.startup_timeout if grade_id(cell) == SETUP else self.cell_timeout,
            startup_timeout=self.startup_timeout,
        )
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # what libraries log when they start
        with client.setup_kernel(env=self.environment, cwd=str(self.work), **quiet):
            for index, cell in completed:
                client.begin()
                try:
                    client.execute_cell(NotebookNode(cell), index)
                except Exception:  # it ran before; what it does now, on its own, is lost with this kernel
                    return
            while todo:
                index, cell = todo.pop(0)
                if reason := self._run_cell(client, index, cell):
                    self._leave(cell, reason)
                    return
                if grade_id(cell) not in self.requests:
                    completed.append((index, cell))

    def _run_cell(self, client: _Client, index: int, cell: NotebookNode) -> str:
        """Run one cell and keep its evidence; the reason if the kernel is no longer of use."""
        name = grade_id(cell)
        client.begin()
        if request := self.requests.get(name):
            write_request(self.request_file, request.runs, request.off_limits)
        reason, place = "", "check" if request else "set-up" if name == SETUP else "answer's cell"
        # A check must find the probe even if the student's code has given that name to something else.
        run = NotebookNode(cell, source=f"{IMPORT_PROBE}\n{cell.source}") if request else cell
        try:
            client.execute_cell(run, index)
        except CellTimeoutError:
            reason = f"the {place} was stopped after {self.cell_timeout} s: is there an endless loop?"
        except DeadKernelError:
            reason = f"the kernel died in the {place}: did it exit, or use too much memory?"
        except Exception as error:  # a message that no kernel sends, say: the rest of this cell is lost
            cell.outputs = []
            reason = f"the output of the {place} could not be read ({type(error).__name__})."
        finally:
            self.request_file.unlink(missing_ok=True)
        raised = _error(run, place)
        if name == SETUP and (reason or raised):
            raise ExecutionError(reason or raised)
        if request and client.published:
            self.evidence[name] = _only(client.published)
            self.trouble = ""
        elif request and not reason:
            self.evidence[name] = Evidence(None, self.trouble or raised or "the check cell published nothing.")
            self.trouble = ""
        elif not request:
            self.trouble = raised
        return reason

    def _leave(self, cell: NotebookNode, reason: str) -> None:
        """Record that a cell gave nothing; an answer's reason is told by its check."""
        name = grade_id(cell)
        if name not in self.requests:
            self.trouble = reason
        elif name not in self.evidence:
            self.evidence[name] = Evidence(None, self.trouble or reason)
            self.trouble = ""


def _only(published: Sequence[Any]) -> Evidence:
    if len(published) > 1:
        return Evidence(None, "there is evidence more than once.")
    return Evidence(json.loads(json.dumps(published[0])))


def _error(cell: NotebookNode, place: str) -> str:
    error = next((output for output in cell.outputs if output.output_type == "error"), None)
    return f"the {place} raised {error.ename}: {error.evalue}" if error else ""
