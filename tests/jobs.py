"""What worker processes of tests run; a file of its own, since they import it with all that it imports."""

import os
import signal

from grader.running.jobs import Outcome


def die_of_three(job):
    """Run nothing; at the job "3" the process is lost."""
    if job.cells[0]["source"] == "3":
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(job.key, repeats=True)
