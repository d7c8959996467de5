"""One notebook → what its answers did: the evidence of each check cell, or the reason why there is none.

A cell that kills its kernel or never ends costs that cell: a new kernel runs the cells that had completed, and goes on
with the next one.
"""

from __future__ import annotations

import gc
import hmac
import json
import secrets
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output

from course.cells import SETUP, checked_exercise, grade_id, grading_part, is_untouched_look, looks_needed
from course.probe import EVIDENCE_MIME, Call, sealed, write_request
from grader.errors import ExecutionError
from grader.running.kernels.limits import MEGABYTE, Limits
from grader.running.kernels.settings import REQUEST, Kernels
from grader.shown import output_content

IMPORT_PROBE = "from course.probe import probe"
BOOKKEEPING = ("status", "execute_input", "clear_output")
"""Messages that are no output."""
MAX_NESTING = 10
"""Lists and objects of evidence in one another; the probe's own has five."""
SETUP_SECONDS = 180
"""What a kernel may take to start, and its set-up cell to run: nothing of a student's."""
IOPUB_SECONDS = 30
"""For the last outputs of a cell to arrive."""
GRACE_SECONDS = 10
"""After which a cell is given up whose sandbox should have been ended by then."""
NO_FILES: Mapping[str, bytes] = MappingProxyType({})


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


@dataclass(frozen=True)
class Execution:
    """What running a notebook gave.

    Args:
        evidence: By `grade_id` of the check cell.
        repeats: Whether another run would give the same: not if a cell was stopped or killed its kernel.
        seconds: CPU seconds; without a sandbox seconds by the clock.
        memory: Megabytes that its processes held at most; 0 without a sandbox.
    """

    evidence: Mapping[str, Evidence]
    repeats: bool
    seconds: float
    memory: float


def execute(
    notebook: NotebookNode, requests: Mapping[str, Request], kernels: Kernels, files: Mapping[str, bytes] = NO_FILES
) -> Execution:
    """Run a sanitised notebook's cells in order, in place.

    Args:
        notebook: Its outputs are replaced, without the evidence. Cells that only show something and are as released run
            only if a student's code needs a name from them, and so does the visible part of a check.
        requests: By `grade_id` of the check cell.
        kernels: Makes the kernels.
        files: What the kernel finds in its working directory, by path.

    Raises:
        ExecutionError: If the set-up cell fails, which runs before anything of a student's.
        SandboxError: If no sandbox can be made here.
    """
    with tempfile.TemporaryDirectory(prefix="grade-") as folder:
        execution = _Runner(notebook, requests, kernels, Path(folder), files).run()
    # What dead kernels left pending is logged when it is collected, with a traceback that is parsed: now, and not in the
    # middle of another `ast.parse`, which that would break.
    gc.collect()
    return execution


class _Client(NotebookClient):
    """Takes evidence out of the messages as they come: what is shown can be cleared by the cell, what was said cannot."""

    limits: Limits
    room: int
    """Characters of output that may still be kept of the notebook."""

    def begin(self, seconds: float) -> None:
        """Called before each cell."""
        self.published: list[Any] = []
        self._printed = 0
        if watch := self.watch:
            watch.begin_cell(seconds)

    @property
    def watch(self) -> Any:
        """What ends the sandbox when it is over a limit; None without a sandbox."""
        return getattr(getattr(self.km, "provisioner", None), "watch", None)

    def process_message(self, message: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """nbclient calls this on each message of the cell that runs."""
        kind, content = message["msg_type"], message["content"]
        if kind not in BOOKKEEPING:
            size = len(str(content))
            data = content.get("data")
            if isinstance(data, dict) and EVIDENCE_MIME in data:
                kept = data[EVIDENCE_MIME] if size <= self.limits.evidence else None
                self.published = [*self.published[:1], kept]  # a third tells no more than a second
                return None
            self._printed += size
            if self._printed > self.limits.flood and self.watch:
                self.watch.end(f"was stopped: it printed more than {self.limits.flood} characters.")
            if self._printed > self.limits.cell_output or size > self.room:
                return None
            self.room -= size
        message["content"] = output_content(kind, content)
        if message["content"] is None:
            return None
        shown: NotebookNode | None = super().process_message(message, cell, cell_index)
        return shown


class _Runner:
    def __init__(
        self,
        notebook: NotebookNode,
        requests: Mapping[str, Request],
        kernels: Kernels,
        folder: Path,
        files: Mapping[str, bytes],
    ) -> None:
        self.notebook, self.requests, self.kernels = notebook, requests, kernels
        self.limits = kernels.limits
        self.inputs = folder / "inputs"
        self.inputs.mkdir()
        self.inputs.chmod(0o755)  # in a sandbox that root has made, another user reads it
        self.files = folder / "files"
        self.files.mkdir()
        self.files.chmod(0o755)
        for name, content in files.items():
            _write_readable(self.files, name, content)
        self.seconds, self.room = self.limits.notebook_seconds, self.limits.notebook_output
        """What is left for the kernels to come."""
        self.end = time.monotonic() + self.seconds * self.limits.wall_factor
        """By the clock, for all kernels together."""
        self.memory, self.repeats = 0.0, True
        self.evidence: dict[str, Evidence] = {}
        self.trouble = ""
        """Why the last answer's cell did not define what it should."""

    def run(self) -> Execution:
        self.looks = looks_needed(self.notebook.cells)
        todo = [
            (index, cell)
            for index, cell in enumerate(self.notebook.cells)
            if cell.cell_type == "code" and (index in self.looks or not is_untouched_look(cell))
        ]
        completed: list[tuple[int, NotebookNode]] = []
        graded = sum(bool(checked_exercise(cell)) for _, cell in todo)
        kernels = 2 + 2 * graded  # each answer and each check may die once, and a replay or two
        while todo and kernels and self._has_time:
            self._run_in_one_kernel(todo, completed)
            kernels -= 1
        reason = "too many cells above killed the kernel." if self._has_time else "the notebook's time was up before it."
        for _, cell in todo:
            self._leave(cell, reason)
        return Execution(self.evidence, self.repeats, self.limits.notebook_seconds - self.seconds, self.memory)

    @property
    def _has_time(self) -> bool:
        return self.seconds > 0 and time.monotonic() < self.end

    def _run_in_one_kernel(self, todo: list[tuple[int, NotebookNode]], completed: list[tuple[int, NotebookNode]]) -> None:
        """Run what is to do, removing it from the list, until the kernel dies or all is done."""
        manager = self.kernels.manager(self.inputs, self.files)
        client = _Client(
            self.notebook,
            km=manager,
            allow_errors=True,
            record_timing=False,
            shutdown_kernel="immediate",
            timeout_func=lambda cell: int(self._seconds_for(cell) * self.limits.wall_factor) + GRACE_SECONDS,
            startup_timeout=SETUP_SECONDS,
            iopub_timeout=IOPUB_SECONDS,
            raise_on_iopub_timeout=True,  # outputs were lost, and evidence may be among them
        )
        client.limits, client.room = self.limits, self.room
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # what libraries log when they start
        started = time.monotonic()
        with client.setup_kernel(cleanup_kc=True, **self.kernels.start_arguments(self.inputs, self.files), **quiet):
            if client.watch:
                client.watch.notebook_seconds, client.watch.notebook_end = self.seconds, self.end
            self._run_cells(client, todo, completed)
            self.seconds -= client.watch.used if client.watch else time.monotonic() - started
            self.memory = max(self.memory, client.watch.memory / MEGABYTE if client.watch else 0)
            self.room = client.room

    def _run_cells(
        self, client: _Client, todo: list[tuple[int, NotebookNode]], completed: list[tuple[int, NotebookNode]]
    ) -> None:
        for index, cell in completed:
            client.begin(self._seconds_for(cell))
            try:
                client.execute_cell(NotebookNode(cell), index)
            except Exception:  # it ran before; what it does now, on its own, is lost with this kernel
                self.repeats = False
                return
        while todo:
            index, cell = todo.pop(0)
            if reason := self._run_cell(client, index, cell):
                self._leave(cell, reason)
                self.repeats = False
                return
            if grade_id(cell) not in self.requests:
                completed.append((index, cell))

    def _seconds_for(self, cell: NotebookNode) -> float:
        return SETUP_SECONDS if grade_id(cell) == SETUP else self.limits.cell_seconds

    def _run_cell(self, client: _Client, index: int, cell: NotebookNode) -> str:
        """Run one cell and keep its evidence; the reason if the kernel is no longer of use."""
        name = grade_id(cell)
        client.begin(self._seconds_for(cell))
        request_file, key = self.inputs / REQUEST, secrets.token_hex()
        if request := self.requests.get(name):
            write_request(request_file, request.runs, request.off_limits, key)
            request_file.chmod(0o644)
        reason, place = "", "check" if request else "set-up" if name == SETUP else "answer's cell"
        # A check must find the probe even if the student's code has given that name to something else.
        source = cell.source if index in self.looks else grading_part(cell.source)
        run = NotebookNode(cell, source=f"{IMPORT_PROBE}\n{source}") if request else cell
        try:
            client.execute_cell(run, index)
        except CellTimeoutError:
            reason = f"the {place} was stopped after {self.limits.cell_seconds:g} s: is there an endless loop?"
        except DeadKernelError:
            over = client.watch.reason if client.watch else ""
            reason = f"the {place} {over}" if over else f"the kernel died in the {place}: did it exit, or use too much memory?"
        except Exception as error:  # a message that no kernel sends, say: the rest of this cell is lost
            cell.outputs = []
            reason = f"the output of the {place} could not be read ({type(error).__name__})."
        finally:
            request_file.unlink(missing_ok=True)
        raised = _error(run, place)
        if name == SETUP and (reason or raised):
            raise ExecutionError(reason or raised)
        if request and client.published:
            self.evidence[name] = _only(client.published, key)
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
        if name not in self.requests and checked_exercise(cell):
            cell.outputs = [not_run(reason)]
        elif name not in self.requests:
            self.trouble = reason
        elif name not in self.evidence:
            self.evidence[name] = Evidence(None, self.trouble or reason)
            self.trouble = ""


def not_run(reason: str) -> NotebookNode:
    """The output of an ordinary test that did not run: to nbgrader, one that says nothing has passed."""
    output: NotebookNode = new_output("error", ename="NotRun", evalue=reason, traceback=[reason])
    return output


def _write_readable(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o644)
    for parent in path.relative_to(folder).parents:
        (folder / parent).chmod(0o755)


def _only(published: Sequence[Any], key: str) -> Evidence:
    if len(published) > 1:
        return Evidence(None, "there is evidence more than once.")
    if published[0] is None:
        return Evidence(None, "the evidence is too large.")
    if _is_deep(published[0], MAX_NESTING):
        return Evidence(None, "the evidence is nested too deeply.")
    evidence = json.loads(json.dumps(published[0]))
    if not _is_sealed(evidence, key):
        return Evidence(None, "what the check cell published is not what the probe gave.")
    return Evidence({"runs": evidence["runs"]})


def _is_sealed(evidence: Any, key: str) -> bool:
    """Whether the probe made the evidence of this very call, and nobody changed it on its way."""
    if not isinstance(evidence, dict) or not isinstance(evidence.get("seal"), str) or "runs" not in evidence:
        return False
    return hmac.compare_digest(evidence["seal"].encode("utf-8", "replace"), sealed(evidence, key)["seal"].encode())


def _is_deep(value: Any, room: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not room or any(_is_deep(item, room - 1) for item in inner)


def _error(cell: NotebookNode, place: str) -> str:
    error = next((output for output in cell.outputs if output.output_type == "error"), None)
    return f"the {place} raised {error.ename}: {error.evalue}" if error else ""
