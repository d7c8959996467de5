"""Outcomes are kept, one file per submission, so that nothing is executed again for nothing."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from grader.files import write_whole
from grader.running.execution import Evidence
from grader.running.jobs import Job, Outcome, run

THIS_PROCESS = secrets.token_hex(8)
"""Marks the outcomes that this process has waited for: they count here even if they do not repeat."""


@dataclass(frozen=True)
class Kept:
    """What is kept of a submission's last execution.

    Args:
        path: The file.
    """

    path: Path

    def read(self) -> Outcome | None:
        """The outcome, or None if there is none that this version of the program can read."""
        try:
            known = json.loads(self.path.read_text())
            return Outcome(**known | {"evidence": {name: Evidence(**value) for name, value in known["evidence"].items()}})
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def write(self, outcome: Outcome, origin: str = "") -> None:
        """Keep an outcome in place of the older one, whole or not at all; `origin` as in `Outcome`."""
        write_whole(self.path, json.dumps(asdict(replace(outcome, origin=origin, waited=THIS_PROCESS))))

    def usable(self, job: Job) -> Outcome | None:
        """What is kept of a job, if it spares running it."""
        found = self.read()
        return found if found and found.key == job.key and _counts(found) else None

    def comes_from(self, origin: str) -> bool:
        """Whether what is kept spares making the job, since all that it would be made from is as it was."""
        found = self.read()
        return found is not None and found.origin == origin and _counts(found)

    def outcome(self, job: Job) -> Outcome:
        """A job's outcome: what is kept of it or else what it gives now, which is kept."""
        if (found := self.usable(job)) is None:
            found = run(job)
            self.write(found)
        return found


def _counts(outcome: Outcome) -> bool:
    """Whether an outcome may stand for another run of the same job."""
    return outcome.repeats or outcome.waited == THIS_PROCESS
