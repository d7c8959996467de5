"""How long a class takes: with cold kernels and no sandbox, one by one as nbgrader does; with ours; and in parallel.

Prints a row per unit and way of grading, with the floor (the students' own compute over the cores), the ratio to plain
nbgrader and the efficiency of two workers, over one and over one on a single core; scores must be the same in every cell.
Then a cheap class of once, three and ten times the size. Run by `make bench`; `STUDENTS=6 UNITS=mlp` makes it shorter.
"""

import itertools
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
from joblib import cpu_count
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from rich.console import Console
from rich.table import Table

from grader.classroom.coursedir import make_secret
from grader.handout.build import build, write
from grader.handout.demo import submissions
from grader.running.kept import Kept
from grader.units.shelf import find_unit, find_units

COURSE = Path(__file__).parents[2]
STUDENTS = int(os.environ.get("STUDENTS", "30"))
UNITS = os.environ.get("UNITS", " ".join(unit.name for unit in find_units(COURSE))).split()
CORES = cpu_count()
UNFAIR = ("broken", "crash")
"""What plain kernels do not survive as ours do."""
PLAIN = "nbgrader, cold kernels, no sandbox"
ONE_CORE = "grader autograde, 1 worker on 1 core"
ONE, TWO = "grader autograde, 1 worker", "grader autograde, 2 workers"
AGAIN, JUDGED = "once more, nothing changed", "once more, all judged anew, nothing executed"
WAYS = {
    PLAIN: ("nbgrader", "autograde", "{unit}", "--Grade.sandbox=none"),
    "nbgrader, this configuration": ("nbgrader", "autograde", "{unit}"),
    ONE_CORE: ("taskset", "-c", "0", "grader", "autograde", "{unit}", "--workers", "1"),
    ONE: ("grader", "autograde", "{unit}", "--workers", "1"),
    TWO: ("grader", "autograde", "{unit}", "--workers", "2"),
    AGAIN: ("grader", "autograde", "{unit}", "--workers", "2"),
    JUDGED: ("grader", "autograde", "{unit}", "--workers", "2"),
}
"""With one worker and two cores the judge has a core of its own, which two workers have to share with it."""


def make_class(folder: Path, unit: str, texts: list[str]) -> None:
    """A course directory with one submission per text."""
    files = build(folder, [find_unit(COURSE, unit)])
    write({path: text for path, text in files.items() if path.is_relative_to(folder / "build")})
    shutil.copy(COURSE / "nbgrader_config.py", folder)
    make_secret(folder)
    for number, text in enumerate(texts):
        notebook = nbformat.reads(text, as_version=4)
        notebook.cells.append(nbformat.v4.new_code_cell(f"# student {number}"))  # nobody's is the same as another's
        path = folder / "submitted" / f"s{number:04}" / unit / f"{unit}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    subprocess.run(["nbgrader", "generate_assignment", unit], cwd=folder, check=True, capture_output=True)


def mixed(unit: str, number: int) -> list[str]:
    """Submissions of all kinds, in turn."""
    known = [text for student, text in submissions(find_unit(COURSE, unit), release(unit)) if student not in UNFAIR]
    return list(itertools.islice(itertools.cycle(known), number))


def release(unit: str) -> NotebookNode:
    """What students get."""
    return nbformat.read(COURSE / "assignments" / unit / f"{unit}.ipynb", as_version=4)


def timed(folder: Path, command: list[str]) -> tuple[float, float, float]:
    """Seconds by the clock, CPU seconds of the whole machine, and megabytes that the commanding process held at most."""
    before, start, most = busy(), time.perf_counter(), 0
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                most = max(most, watched.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed.")
    return time.perf_counter() - start, busy() - before, most / 1e6


def busy() -> float:
    """CPU seconds that this machine has worked: forked kernels are nobody's children here, so that theirs show nowhere else."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def scores(folder: Path, unit: str) -> dict[tuple[str, str], float]:
    """What the gradebook says."""
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as gradebook:
        submitted = [s for submission in gradebook.assignment_submissions(unit) for s in submission.notebooks]
        return {(notebook.student.id, grade.name): grade.auto_score for notebook in submitted for grade in notebook.grades}


def compare(unit: str, table: Table, place: Path) -> None:
    """All ways of grading one class."""
    original = place / unit
    original.mkdir()
    make_class(original, unit, mixed(unit, STUDENTS))
    right, walls, folder = {}, dict[str, float](), original
    for way, command in WAYS.items():
        if way == JUDGED:
            for seal in folder.glob("executions/*/*/graded"):
                seal.unlink()
        elif way != AGAIN:
            folder = place / f"{unit}-{way}"
            shutil.copytree(original, folder)
        seconds, cpu, _ = timed(folder, [part.format(unit=unit) for part in command])
        found = scores(folder, unit)
        right, walls[way] = right or found, seconds
        if found != right:
            raise SystemExit(f"{unit}, {way}: other scores than {PLAIN}: {set(found.items()) ^ set(right.items())}")
        outcomes = [Kept(path).read() for path in folder.glob("executions/*/*/*.json")]
        cores = 1 if way == ONE_CORE else CORES
        floor = 0.0 if way in (AGAIN, JUDGED) else sum(outcome.seconds for outcome in outcomes if outcome) / cores
        ratio = f"{seconds / walls[PLAIN]:.2f}"
        efficiency = [f"{walls[single] / seconds / 2:.2f}" if way == TWO else "" for single in (ONE, ONE_CORE)]
        table.add_row(unit, way, *(f"{value:.1f}" for value in (seconds, cpu, floor)), ratio, *efficiency)


def grow(table: Table, place: Path) -> None:
    """A cheap class, ever larger."""
    notebook, answer = release("mlp"), find_unit(COURSE, "mlp").text.exercises["relu"].reference
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "relu":
            cell.source = answer
    for factor in (1, 3, 10):
        folder = place / f"cheap-{factor}"
        folder.mkdir()
        make_class(folder, "mlp", [nbformat.writes(notebook)] * STUDENTS * factor)
        seconds, _, megabytes = timed(folder, ["grader", "autograde", "mlp", "--workers", "2"])
        again, _, still = timed(folder, ["grader", "autograde", "mlp"])
        number = STUDENTS * factor
        found = scores(folder, "mlp")
        earned = {student for (student, name), score in found.items() if score and name == "relu-check"}
        if len(earned) != number or len({student for student, _ in found}) != number:
            raise SystemExit(f"{number} submissions, but {len(earned)} right answers in the gradebook.")
        table.add_row(*(f"{value:.2f}" for value in (number, seconds / number, again / number, megabytes, still)))


def main() -> None:
    table = Table(title=f"A class of {STUDENTS} on {CORES} cores")
    efficiency = ("efficiency over 1 worker", "over 1 core")
    for column in ("unit", "way", "wall (s)", "CPU (s)", "floor (s)", "wall / plain", *efficiency):
        table.add_column(column, justify="left" if column in ("unit", "way") else "right")
    growth = Table(title="A class of cheap submissions")
    for column in ("submissions", "s each", "s each, once more", "MB of the writing process", "MB, once more"):
        growth.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as place:
        for unit in UNITS:
            compare(unit, table, Path(place))
            Console().print(table)
        grow(growth, Path(place))
    Console().print(growth)


if __name__ == "__main__":
    main()
