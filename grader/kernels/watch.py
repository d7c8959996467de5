"""Watches a sandbox from outside and ends it when it is over a limit that the system does not hold for us."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress

import psutil

from grader.kernels.limits import MEGABYTE, Limits

INTERVAL = 0.1


class Watch(threading.Thread):
    """Looks at all processes of a sandbox, several times a second.

    Args:
        init: Its first process, whose descendants are all others.
        handle: A descriptor of that process; with it everything ends.
        limits: Time, by the processor and by the clock, and memory.
    """

    def __init__(self, init: int, handle: int, limits: Limits) -> None:
        super().__init__(daemon=True)
        self._init, self._handle, self._limits = psutil.Process(init), handle, limits
        self._stopped = threading.Event()
        self._begun = time.monotonic()
        self._cell_seconds, self._cell_begun, self._cell_used, self.used = limits.cell_seconds, self._begun, 0.0, 0.0
        self.notebook_seconds = limits.notebook_seconds
        """What is left for this kernel of the notebook's time."""
        self.reason = ""
        """Why the sandbox was ended, "" if it was not."""

    def begin_cell(self, seconds: float) -> None:
        """From now on another cell runs, which may take so many seconds."""
        self._cell_seconds, self._cell_begun, self._cell_used = seconds, time.monotonic(), self.used

    def end(self, reason: str) -> None:
        """End everything in the sandbox."""
        self.reason = self.reason or reason
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """The thread."""
        while not self._stopped.wait(INTERVAL):
            try:
                if reason := self._over():
                    self.end(reason)
                    return
            except psutil.NoSuchProcess:
                return

    def _over(self) -> str:
        seconds, memory, processes = 0.0, 0, 0
        for process in self._init.children(recursive=True):
            with suppress(psutil.NoSuchProcess), process.oneshot():
                times, sizes = process.cpu_times(), process.memory_info()
                seconds += times.user + times.system + times.children_user + times.children_system
                memory += sizes.rss - sizes.shared
                processes += process.num_threads()
        self.used = max(self.used, seconds)
        now, limits = time.monotonic(), self._limits
        if self.used - self._cell_used > self._cell_seconds or now - self._cell_begun > self._cell_seconds * limits.wall_factor:
            return f"was stopped after {self._cell_seconds:g} s: is there an endless loop?"
        if self.used > self.notebook_seconds or now - self._begun > self.notebook_seconds * limits.wall_factor:
            return f"was stopped: the whole notebook took more than {limits.notebook_seconds:g} s."
        if memory > limits.memory * MEGABYTE:
            return f"was stopped: it used more than {limits.memory} MB of memory."
        if processes > limits.processes:
            return f"was stopped: it started more than {limits.processes} processes and threads."
        return ""
