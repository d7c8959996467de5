"""Ends what takes too long in the grader's own process."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class OverTime(BaseException):
    """A computation took longer than it may. No `Exception`: whatever the computation catches, this ends it."""


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Give the block so many CPU seconds of this process.

    A signal rather than a process of its own, which would take longer to start than to judge, or a thread, which nothing can
    end. It ends Python's loops, not a single call into C, so sources are limited before Python parses them. In any other
    thread than the main one no signal can be waited for, and there is no limit.

    Raises:
        OverTime: When they are over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    running = True

    def end(number: int, frame: FrameType | None) -> None:
        if running:
            raise OverTime

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1)  # again, should something have caught it
    try:
        try:
            yield
        finally:
            running = False  # a signal that comes while the timer is stopped would else leave it going, for whoever comes next
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before or signal.SIG_DFL)  # None: it was not Python's
