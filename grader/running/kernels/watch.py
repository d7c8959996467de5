"""Watches a sandbox from outside and ends it when it is over a limit that the system does not hold for us."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from contextlib import suppress
from typing import Any

import psutil
import zmq

from grader.running.kernels.limits import MEGABYTE, Limits

INTERVAL = 0.1


class Watch(threading.Thread):
    """Looks at all processes of a sandbox, several times a second.

    Args:
        init: Its first process, whose descendants are all others.
        handle: A descriptor of that process; with it everything ends.
        kernel: A descriptor of the kernel's process.
        limits: Time, by the processor and by the clock, and memory.
    """

    def __init__(self, init: int, handle: int, kernel: int, limits: Limits) -> None:
        super().__init__(daemon=True)
        self._init, self._handle, self._kernel, self._limits = psutil.Process(init), handle, kernel, limits
        self._listing = f"/proc/{init}/root/proc"
        self._names: set[str] = set()
        self._family: list[psutil.Process] = []
        self._seen: dict[psutil.Process, float] = {}
        """By process, also of those that are gone, its own CPU seconds when they were last looked at."""
        self._grader = psutil.Process()
        self._grader_memory = self._grader.memory_info().rss
        self._stopped = threading.Event()
        self._begun = time.monotonic()
        self._cell_seconds, self._cell_begun, self._cell_used, self.used = limits.cell_seconds, self._begun, 0.0, 0.0
        self.notebook_seconds = limits.notebook_seconds
        """What is left for this kernel of the notebook's time."""
        self.notebook_end = self._begun + limits.notebook_seconds * limits.wall_factor
        """When the notebook's time is up by the clock, whatever it has used."""
        self.memory = 0
        """Bytes that its processes held at most; what they share counts for each of them."""
        self.reason = ""
        """Why the sandbox was ended, "" if it was not."""
        self._outputs: zmq.Socket[bytes] | None = None
        self._lock = threading.Lock()

    def begin_cell(self, seconds: float) -> None:
        """From now on another cell runs, which may take so many seconds."""
        self._cell_seconds, self._cell_begun, self._cell_used = seconds, time.monotonic(), self.used

    def end(self, reason: str) -> None:
        """End everything in the sandbox."""
        self.reason = self.reason or reason
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def listen_to(self, socket: Any) -> None:
        """Notice when the connection breaks off through which the kernel's outputs come."""
        address = f"inproc://{id(self)}"
        socket.monitor(address, zmq.EVENT_DISCONNECTED)
        outputs: zmq.Socket[bytes] = zmq.Context.shadow(socket.context).socket(zmq.PAIR)
        outputs.connect(address)
        self._outputs = outputs

    def stop_listening(self) -> None:
        """Let go of the connection, so that it can be closed."""
        with self._lock:
            if self._outputs:
                self._outputs.close(linger=0)
                self._outputs = None

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        self.join()
        self.stop_listening()

    def run(self) -> None:
        """The thread."""
        while not self._stopped.wait(INTERVAL):
            try:
                if reason := self._over():
                    self.end(reason)
                    return
                if self._broken_off():
                    self.end(
                        f"was stopped: its output broke off. Did it print more than {self._limits.flood} characters at once?"
                    )
                    return
            except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
                return

    def _broken_off(self) -> bool:
        """Whether nobody can read the outputs any more of a kernel that has not died on its own."""
        with self._lock:
            if not self._outputs or not self._outputs.poll(0):
                return False
        return not self._stopped.wait(INTERVAL) and not select.select([self._kernel], [], [], 0)[0]

    def _processes(self) -> list[psutil.Process]:
        """The sandbox's. Who they are is only asked when others are there: the answer is sought among all of the machine's."""
        names = {name for name in os.listdir(self._listing) if name.isdigit()}
        if names != self._names:
            self._names, self._family = names, self._init.children(recursive=True)
        return self._family

    def _over(self) -> str:
        waited, memory, processes = 0.0, 0, 0
        family = self._processes()
        for process in family:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    self._seen[process] = times.user + times.system
                    waited += times.user + times.system + times.children_user + times.children_system
                    memory += process.memory_info().rss
                    processes += process.num_threads()
            except psutil.NoSuchProcess:
                self._names.clear()  # another may have got its number
        # Of children that somebody waited for the system tells, of others that were seen we know; both lack some.
        self.used, self.memory = max(self.used, waited, sum(self._seen.values())), max(self.memory, memory)
        waiting = self._grader.memory_info().rss - self._grader_memory
        now, limits = time.monotonic(), self._limits
        if self.used - self._cell_used > self._cell_seconds or now - self._cell_begun > self._cell_seconds * limits.wall_factor:
            return f"was stopped after {self._cell_seconds:g} s: is there an endless loop?"
        if self.used > self.notebook_seconds or now > self.notebook_end:
            return f"was stopped: the whole notebook took more than {limits.notebook_seconds:g} s."
        if processes >= limits.processes:
            return f"was stopped: it started {limits.processes} processes and threads."
        # What processes share is counted once, but that takes long: only if there is a doubt.
        if memory > limits.memory * MEGABYTE and _memory(family) > limits.memory * MEGABYTE:
            return f"was stopped: it used more than {limits.memory} MB of memory."
        if waiting > limits.waiting * MEGABYTE:
            return f"was stopped: more than {limits.waiting} MB of its output waited."
        return ""


def _memory(processes: list[psutil.Process]) -> int:
    """Bytes, of which those that processes share are divided among them."""
    total = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total
