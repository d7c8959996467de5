"""Which tests the gate runs: those of what has changed, and of the others that cost much a part."""

import os
import subprocess
import zlib
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

COURSE = Path(__file__).parent.parent
TOGETHER = (
    "tests/test_end_to_end.py",
    "tests/test_browser.py",
    "tests/attacks/test_attacks.py",
    "tests/attacks/test_display.py",
)
"""Files whose tests look at one class that was graded for all of them."""
ALWAYS = ("tests/test_end_to_end.py", "tests/test_proven.py")
"""Files that choose by the commit themselves."""
EVERYTHING = ("constraints.txt", "pyproject.toml", "tests/conftest.py", "tests/harness.py", "tests/tiers.py")
"""What every test depends on."""
STUDENTS = tuple(f"course/{path.name}" for path in sorted((COURSE / "course").glob("*.py")))
RUNNING = (*STUDENTS, "grader/running/")
GRADING = (*RUNNING, "grader/classroom/", "grader/judging/judge.py", "grader/units/", "nbgrader_config.py")
TESTED = {
    "tests/attacks/test_attacks.py": (*GRADING, "tests/attacks/"),
    "tests/attacks/test_attacks_as_ordinary_user.py": (*GRADING, "tests/attacks/"),
    "tests/attacks/test_cache.py": RUNNING,
    "tests/attacks/test_collect.py": ("grader/classroom/collect.py", "grader/classroom/archives.py"),
    "tests/attacks/test_display.py": ("grader/classroom/", "grader/reports/"),
    "tests/test_browser.py": (*STUDENTS, "grader/classroom/", "grader/handout/", "grader/reports/"),
    "tests/test_calibration.py": ("grader/judging/", "grader/proving/"),
    "tests/test_check.py": (*STUDENTS, "grader/handout/"),
    "tests/test_checks.py": ("grader/checks/{unit}/{exercise}.",),
    "tests/test_classroom.py": GRADING,
    "tests/test_contracts.py": (*STUDENTS, "grader/judging/"),
    "tests/test_diagnosis.py": ("grader/judging/",),
    "tests/test_docs.py": ("Makefile", "README.md", "docs/", "grader/cli.py", "grader/handout/", "grader/reports/"),
    "tests/test_doctor.py": ("grader/doctor.py", "grader/running/"),
    "tests/test_execution.py": RUNNING,
    "tests/test_kernels.py": RUNNING,
    "tests/test_mutants.py": ("grader/proving/",),
    "tests/test_own_assignments.py": GRADING,
    "tests/test_own_units.py": (*GRADING, "grader/handout/", "grader/proving/"),
    "tests/test_probe.py": STUDENTS,
    "tests/test_proofs.py": ("grader/proving/",),
    "tests/test_quiet.py": STUDENTS,
    "tests/test_reach.py": ("grader/proving/",),
    "tests/test_training.py": STUDENTS,
}
"""By file of tests that cost much, the paths that they test; the tests of a unit's solutions are `tests/test_<unit>.py`."""


def scope(nodeid: str) -> str:
    """What runs in one process: a test, or a file that belongs together."""
    file = nodeid.partition("::")[0]
    return file if file in TOGETHER else nodeid


def waits(item) -> bool:
    """Whether a test is left to another commit's gate: it costs much, nothing that it tests has changed, and chance says so."""
    file = item.nodeid.partition("::")[0]
    costs = item.get_closest_marker("slow") or (
        item.get_closest_marker("all_backends") and os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow"
    )
    if not costs or file in ALWAYS or zlib.crc32(f"{commit()} {scope(item.nodeid)}".encode()) % 3 == 0:
        return False
    unit = file.removeprefix("tests/test_").removesuffix(".py")
    paths = TESTED.get(file, (f"solutions/{unit}.py",))
    values = getattr(getattr(item, "callspec", None), "params", {})
    return not has_changed(file, *EVERYTHING, *(path.format(**values) for path in paths))


def has_changed(*paths: str) -> bool:
    """Whether something whose path begins with one of these was changed in the day before the commit, or nobody can say so."""
    found = changed()
    return found is None or any(path.startswith(paths) for path in found)


@cache
def changed() -> frozenset[str] | None:
    """Paths of what was changed in the day before the commit that is tested; `None` where there is none."""
    made = git("log", "-1", "--format=%cI")
    if not made:
        return None
    since = datetime.fromisoformat(made) - timedelta(days=1)
    return frozenset(git("log", f"--since={since.isoformat()}", "--format=", "--name-only").splitlines())


def graded_whole(units: list[str]) -> list[str]:
    """Units whose whole classes are graded: `mlp`, and one of those of which something was proven anew."""
    proven = [name for name in units if name != "mlp" and has_changed(f"grader/checks/{name}/")]
    return ["mlp", *(proven[int(commit() or "0", 16) % len(proven)] for _ in proven[:1])]


def commit() -> str:
    """The commit that is tested, or "" where there is none."""
    return git("rev-parse", "HEAD")


@cache
def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=COURSE, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""
