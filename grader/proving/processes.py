"""Does things in processes whose Keras uses a backend, and outlives those that die."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from grader.running.kernels.settings import ONE_THREAD

QUIET = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", **ONE_THREAD}
"""A process per core, and one thread in each."""

Task = TypeVar("Task")
Result = TypeVar("Result")


def each(
    work: Callable[[Task], Result], tasks: Iterable[Task], backend: str, workers: int
) -> Iterator[tuple[Task, Result | None]]:
    """Do something for each task, in any order, and give None for one that its process died with.

    Args:
        work: What is done; it can be pickled, as the tasks and results can.
        tasks: For what.
        backend: The backend of Keras that the processes use.
        workers: Processes at once.
    """
    waiting = list(tasks)
    while waiting:
        with _pool(backend, workers) as pool:
            running: dict[Future[Result], Task] = {}
            while waiting or running:
                while waiting and len(running) < workers:
                    task = waiting.pop(0)
                    running[pool.submit(work, task)] = task
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                try:
                    for future in done:
                        yield running[future], future.result()
                        del running[future]
                except BrokenProcessPool:
                    suspects = list(running.values())
                    break
            else:
                return
        for suspect in suspects:  # each alone, so that it is known whose fault it was
            with _pool(backend, 1) as pool:
                try:
                    yield suspect, pool.submit(work, suspect).result()
                except BrokenProcessPool:
                    yield suspect, None


@contextmanager
def _pool(backend: str, workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes whose Keras uses a backend: it is chosen when Keras is imported, so they inherit nothing."""
    before = dict(os.environ)
    os.environ.update(QUIET, KERAS_BACKEND=backend)
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        os.environ.clear()
        os.environ.update(before)


def _begin() -> None:
    """Begin a process of the pool."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C goes to it, too, and ends it at once
    import keras  # noqa: F401

    gc.freeze()  # what has been imported stays: to look through it after each law would take longer than most laws
