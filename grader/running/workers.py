"""Runs jobs in parallel: in processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from grader.errors import CourseError, SandboxError
from grader.running.jobs import Job, Outcome, run
from grader.running.kernels.forkserver import Key, Zygote, zygotes

LOST_TWICE = "the process that ran this submission was lost twice; did it use more memory than there is?"
CONNECT_SECONDS = 30

Name = TypeVar("Name")
"""What a job is called by whoever wants it run."""


class Workers(Protocol):
    """Where jobs are run."""

    @property
    def number(self) -> int:
        """How many run at once."""

    @property
    def lost(self) -> tuple[type[Exception], ...]:
        """What a job's future raises whose worker has died."""

    def submit(self, job: Job) -> Future[Outcome]:
        """Run a job, soon."""

    def stop(self) -> None:
        """End everything at once."""


def outcomes(jobs: Iterable[tuple[Name, Job | None]], workers: Workers) -> Iterator[tuple[Name, Outcome | None]]:
    """Run jobs, a few ahead of the workers, and yield each one's outcome as it comes; None where nothing is to be run.

    A job whose worker is lost, or could make no sandbox, is run once more, alone, so that it is known whose fault it was.

    Raises:
        SandboxError: If no sandbox could be made then, either.
    """
    todo = iter(jobs)
    running: dict[Future[Outcome], tuple[Name, Job]] = {}
    suspects: list[tuple[Name, Job]] = []
    failures: tuple[type[Exception], ...] = (*workers.lost, SandboxError)
    more = True
    while more or running or suspects:
        while more and not suspects and len(running) < 2 * workers.number:
            following = next(todo, None)
            more = following is not None
            if following and following[1]:
                running[workers.submit(following[1])] = (following[0], following[1])
            elif following:
                yield following[0], None
        if running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                name, suspect = running.pop(future)
                try:
                    yield name, future.result()
                except failures:
                    suspects.append((name, suspect))
        elif suspects:
            name, suspect = suspects.pop()
            try:
                yield name, workers.submit(suspect).result()
            except workers.lost:
                yield name, Outcome(suspect.key, failed=LOST_TWICE)


class Processes:
    """Worker processes of this machine, each with a fork server of its own, forked from a zygote that they share.

    The zygote ends with this process.
    """

    lost = (BrokenExecutor,)
    _pool: Executor | None = None

    def __init__(self, number: int) -> None:
        self.number = number
        self._folder = tempfile.TemporaryDirectory(prefix="grader-", ignore_cleanup_errors=True)

    def submit(self, job: Job) -> Future[Outcome]:
        """Run a job, soon."""
        if self._pool is not None:
            with suppress(BrokenExecutor), _interrupt_later():
                return self._pool.submit(run, job)
        self._pool = self._start(job)
        with _interrupt_later():
            return self._pool.submit(run, job)

    def stop(self) -> None:
        """End everything at once."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.kill()  # what it has started ends with it
            process.join()
        self._folder.cleanup()

    def _start(self, job: Job) -> Executor:
        job.kernels.prepare()
        # Not forked: this process may have threads and an open gradebook.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.number, context, initializer=_begin, initargs=(self._folder.name, zygotes))


@contextmanager
def _interrupt_later() -> Iterator[None]:
    """Keep Ctrl-C back until this is over, and for good from processes that are started meanwhile: it is not for them."""
    came: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number))  # whichever thread the system chooses
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # processes inherit this, not the handler
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


def _begin(folder: str, lent: Mapping[Key, Zygote]) -> None:
    """What a worker process does first."""
    zygotes.update(lent)
    tempfile.tempdir = folder
    gc.freeze()  # what was imported stays: `execute` need not look through it for what can be collected
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


class Cluster:
    """The workers of a Dask cluster.

    Args:
        address: The scheduler's, such as `tls://host:8786`; `tcp://` on loopback alone.

    Raises:
        CourseError: If Dask is not installed, the address is not safe, or nobody answers there.
    """

    def __init__(self, address: str) -> None:
        _demand_privacy(address)
        try:
            from distributed import Client
            from distributed.scheduler import KilledWorker
        except ImportError as error:
            raise CourseError("--scheduler needs Dask: pip install 'keras-course[cluster]'") from error
        self.lost = (KilledWorker,)
        for logger in ("distributed", "distributed.client", "tornado.application"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)  # their tracebacks tell what `outcomes` or an error says
        try:
            self._client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, TypeError) as error:  # TypeError: no TLS in Dask's configuration
            raise CourseError(f"no scheduler with a worker answers at {address} within {CONNECT_SECONDS} s: {error}") from error
        # A job whose worker dies is reported at once, not tried on one worker after the other: `outcomes` knows what to do.
        self._client.run_on_scheduler(_never_try_again)
        self._executor = self._client.get_executor(pure=False)

    @property
    def number(self) -> int:
        """How many run at once; a queue gives workers one by one.

        Raises:
            CancelledError: If the scheduler has stopped, as of each job's future then.
            CourseError: If the scheduler would send submissions to one of them in the clear.
        """
        try:
            threads: dict[str, int] = self._client.nthreads()
        except Exception as error:  # of many kinds, by how far the client has noticed
            raise CancelledError from error
        for address in threads:
            _demand_privacy(address)
        return max(1, sum(threads.values()))

    def submit(self, job: Job) -> Future[Outcome]:
        """Run a job, soon."""
        return self._executor.submit(run, job)  # type: ignore[no-any-return]

    def stop(self) -> None:
        """End everything at once."""
        self._client.close()  # the scheduler forgets what nobody waits for


def _never_try_again(dask_scheduler: Any) -> None:
    dask_scheduler.allowed_failures = 0


def _demand_privacy(address: str) -> None:
    """Refuse to send students' work through a network in the clear.

    Raises:
        CourseError: If the address is not on loopback and not `tls://`.
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        private = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        private = False
    if parts.scheme not in ("tls", "tcp") or not host:
        raise CourseError(f"{address!r} is no scheduler's address; expected tls://host:port, or tcp://127.0.0.1:port.")
    if parts.scheme != "tls" and not private:
        raise CourseError(
            f"{address} is reached through a network and not encrypted: students' work would be read and changed on its way. "
            "Start scheduler and workers with TLS, and name tls://host:port; README, section For a cluster."
        )
