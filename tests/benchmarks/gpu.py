"""What a GPU changes: every unit's checks on it, a training exercise of each beside the CPU, a class in sandboxes that see it.

Run by `make gpu`, on the backend that Keras uses; without a GPU it says so and ends. This process leaves the device alone:
a backend that has touched it keeps its memory.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from rich.console import Console
from rich.table import Table

from grader.handout.demo import submissions
from grader.handout.init import begin
from grader.proving.calibrate import trained_exercises
from grader.proving.laws import REFERENCE, laws_of
from grader.units.shelf import SHIPPED

COURSE = Path(__file__).parents[2]
WITHOUT = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
"""Hides every GPU from a process."""
TRIED = "reference or not train_"
"""All laws of what trains nothing; of what trains, the reference."""
UNIT = "mlp"
CLASS = ("reference", "alternatives-1", "mistakes-1", "untouched")


def python(*arguments: str | Path, **variables: str) -> str:
    """What a process of its own prints."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | variables
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=COURSE, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def train() -> None:
    """Print, for a training exercise of each unit that has one, its name, seconds and verdict."""
    for unit in SHIPPED.units():
        for exercise in trained_exercises(unit)[:1]:
            for _ in range(2):  # the first time, libraries are loaded
                begun = time.perf_counter()
                seen = laws_of(unit, exercise)[REFERENCE].seen(1)
                seconds = time.perf_counter() - begun
            print(f"{unit.name} · {exercise}", seconds, seen.verdict, sep="\t")


def ratios() -> Table:
    table = Table("exercise", "GPU (s)", "CPU (s)", "GPU : CPU", "with the GPU", title="Training")
    runs = [python(__file__, "train", **hidden).splitlines() for hidden in ({}, WITHOUT)]
    for name, *with_it, verdict in (line.split("\t") for line in runs[0]):
        ours, without = float(with_it[0]), next(float(line.split("\t")[1]) for line in runs[1] if line.startswith(f"{name}\t"))
        table.add_row(name, f"{ours:.1f}", f"{without:.1f}", f"{ours / without:.2f}", verdict)
    return table


def grade() -> str:
    """Grade known students, one after the other, each in a sandbox: where their cells ran, and what they got."""
    with tempfile.TemporaryDirectory(prefix="gpu-") as folder:
        course = Path(folder) / "course"
        begin(course, [UNIT])
        release = nbformat.read(course / "assignments" / UNIT / f"{UNIT}.ipynb", as_version=4)
        for student, text in submissions(SHIPPED.get(UNIT), release):
            if student in CLASS:
                path = course / "submitted" / student / UNIT / f"{UNIT}.ipynb"
                path.parent.mkdir(parents=True)
                path.write_text(text)
        python("-m", "grader", "autograde", UNIT, "--workers", "1", "--course", course)
        graded = nbformat.read(course / "autograded" / "reference" / UNIT / f"{UNIT}.ipynb", as_version=4)
        outputs = [output.get("text", "") for cell in graded.cells for output in cell.get("outputs", ())]
        said = next(text for text in outputs if text.startswith("Keras "))
        return f"In the sandbox: {said}{python('-m', 'grader', 'scores', UNIT, '--course', course)}"


def main() -> None:
    console = Console()
    device = python("-c", "from course.training import device; print(device())").strip()
    if device == "CPU":
        return console.print("There is no GPU here that Keras computes on: nothing was tried.")
    console.print(f"Checks of every unit on {device}")
    checks = ["-m", "pytest", "tests/test_checks.py", "-m", "not slow", "-k", TRIED]
    subprocess.run([sys.executable, *checks], cwd=COURSE, check=True)
    console.print(ratios())
    said = grade()
    console.print(said, markup=False)
    if "GPU" not in said.partition("\n")[0]:
        raise SystemExit("The sandbox does not see the GPU: `grader doctor` lists the devices that it is given.")
    return None


if __name__ == "__main__":
    train() if sys.argv[1:] == ["train"] else main()
