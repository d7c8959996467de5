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
STUDENTS = tuple(f"course/{path.name}" for path in sorted((COURSE / "course").glob("*.py")))
"""What runs in students' kernels, but for what belongs to units."""
UNITS = ("course/data/", "course/plots/", "course/units/", "grader/checks/", "solutions/")
EVERYTHING = (
    *(".ci/", "Makefile", "constraints.txt", "pyproject.toml"),
    *(f"grader/{name}.py" for name in ("__init__", "__main__", "errors", "files", "plugin", "shown")),
    *(f"tests/{name}.py" for name in ("conftest", "dask_cluster", "harness", "jobs", "sandboxes", "tiers")),
)
"""What every test depends on, or nothing else."""
RUNNING = (*STUDENTS, "grader/running/")
GRADING = (*RUNNING, "grader/classroom/", "grader/judging/", "grader/units/", "nbgrader_config.py")
HANDOUT = (*GRADING, "grader/cli.py", "grader/handout/", "grader/reports/")
PROVING = (*STUDENTS, "grader/judging/", "grader/proving/", "grader/units/")
ATTACKS = (*GRADING, "grader/handout/", "tests/attacks/")
SOLUTIONS = (*STUDENTS, "course/data/", "solutions/{file}.py", "tests/layer_test.py")
"""Of a unit whose tests have its name."""
TESTED = {
    "tests/attacks/test_attacks.py": ATTACKS,
    "tests/attacks/test_attacks_as_ordinary_user.py": ATTACKS,
    "tests/attacks/test_cache.py": (*RUNNING, "tests/attacks/"),
    "tests/attacks/test_collect.py": (*GRADING, "tests/attacks/"),
    "tests/attacks/test_display.py": (*HANDOUT, "tests/attacks/"),
    "tests/test_browser.py": HANDOUT,
    "tests/test_calibration.py": (*PROVING, *UNITS, "grader/handout/"),
    "tests/test_check.py": (*HANDOUT, "course/units/mlp.py", "solutions/mlp.py"),
    "tests/test_checks.py": ("grader/checks/{unit}/{exercise}.",),
    "tests/test_classroom.py": HANDOUT,
    "tests/test_contracts.py": (*PROVING, *UNITS, "tests/cheats.py"),
    "tests/test_diagnosis.py": PROVING,
    "tests/test_docs.py": (*HANDOUT, "README.md", "docs/", "grader/doctor.py", "grader/proving/"),
    "tests/test_doctor.py": ("grader/cli.py", "grader/doctor.py", "grader/running/"),
    "tests/test_execution.py": (*RUNNING, "grader/classroom/questions.py", "grader/judging/"),
    "tests/test_kernels.py": RUNNING,
    "tests/test_mutants.py": (*PROVING, "grader/checks/", "grader/handout/"),
    "tests/test_own_assignments.py": HANDOUT,
    "tests/test_own_units.py": (*HANDOUT, "grader/proving/"),
    "tests/test_probe.py": (*STUDENTS, "grader/proving/", "grader/judging/"),
    "tests/test_proofs.py": (*PROVING, "grader/handout/"),
    "tests/test_quiet.py": (*STUDENTS, "course/data/", "course/plots/"),
    "tests/test_reach.py": (*PROVING, *UNITS, "grader/reports/report.html"),
    "tests/test_training.py": STUDENTS,
}
"""By file of tests that cost much, the paths that they test; the others are of a unit's solutions."""


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
    values = getattr(getattr(item, "callspec", None), "params", {}) | {"file": Path(file).stem.removeprefix("test_")}
    return not has_changed(file, *EVERYTHING, *(path.format(**values) for path in TESTED.get(file, SOLUTIONS)))


def has_changed(*paths: str) -> bool:
    """Whether something whose path begins with one of these was changed in the day before the commit, or nobody can say so."""
    found = changed()
    return found is None or any(path.startswith(paths) for path in found)


@cache
def changed() -> frozenset[str] | None:
    """Paths in which the commit that is tested differs from the last one a day before it; `None` where nobody can say."""
    made = git("log", "-1", "--format=%cI")
    if not made:
        return None
    before = (datetime.fromisoformat(made) - timedelta(days=1)).isoformat()
    base = git("rev-list", "-1", "--first-parent", f"--before={before}", "HEAD")
    return frozenset(git("diff", "--name-only", "--no-renames", base, "HEAD").splitlines()) if base else None


def graded_whole(units: list[str]) -> list[str]:
    """Units whose whole classes are graded: `mlp`, and one of those whose checks or proofs have changed."""
    proven = [name for name in units if name != "mlp" and has_changed(f"grader/checks/{name}/")]
    return ["mlp", *(proven[int(commit() or "0", 16) % len(proven)] for _ in proven[:1])]


def commit() -> str:
    """The commit that is tested, or "" where there is none."""
    return git("rev-parse", "HEAD")


@cache
def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=COURSE, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""
