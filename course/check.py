"""A look at a notebook before it is handed in: `python -m course.check mlp.ipynb`, or the last cell of each notebook.

The notebook runs from the top in a fresh kernel, as in grading, with the rights of whoever calls this: there is no sandbox.
What is said of each exercise comes from the check below it in the notebook; grading tries more cases, with other numbers.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
from IPython.display import display
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from course.cells import (
    CELL_SECONDS,
    METADATA,
    NOTEBOOK_SECONDS,
    SETUP,
    WALL_FACTOR,
    check_id,
    checked_exercise,
    grade_id,
    read_notebook,
    why_nothing_runs,
)
from course.off_limits import Search
from course.places import RELEASES, course_of
from course.source import defined, parse

RUNNING = "COURSE_CHECK_RUNNING"
"""Set in the kernel that runs a notebook, whose last cell would check it once more."""
STUB = "NotImplementedError"
INTERVAL = 0.5
"""Seconds between two looks at what a cell has used."""
WIDTH = 100
"""Characters in a line of a notebook's output, which cannot tell how wide it is."""


class NotebookError(Exception):
    """A file that cannot be checked, and why."""


@dataclass(frozen=True)
class Finding:
    """What is known of one exercise.

    Args:
        exercise: Its name.
        points: What it is worth.
        verdict: "passes", "fails", "not answered" or "not checked".
        reason: What the student should read.
    """

    exercise: str
    points: float
    verdict: str
    reason: str = ""


@dataclass(frozen=True)
class Findings:
    """What is known of a notebook.

    Args:
        exercises: In the notebook's order.
        problems: What else will cost points, or time of a person.
        remarks: What is good to know.
    """

    exercises: Sequence[Finding]
    problems: Sequence[str]
    remarks: Sequence[str]

    @property
    def ready(self) -> bool:
        """Whether every check passes and nothing else is wrong."""
        return not self.problems and all(finding.verdict == "passes" for finding in self.exercises)


def check_notebook(path: str | Path, console: Console | None = None) -> bool:
    """Run a saved notebook from the top, and show what its checks say and what grading would stumble on.

    Args:
        path: The notebook, named as it was handed out.
        console: Where to show it.

    Returns:
        Whether it is ready to be handed in.
    """
    if os.environ.get(RUNNING):
        return True
    console = console or Console(width=WIDTH if "ipykernel" in sys.modules else None)
    try:
        findings = examine(Path(path), console)
    except NotebookError as error:
        console.print(_text(f"Not checked: {error}", "red"))
        return False
    console.print(_table(Path(path).name, findings))
    for mark, style, lines in (("✗", "red", findings.problems), ("·", "", findings.remarks)):
        for line in lines:
            console.print(_text(f"{mark} {line}", style))
    passed = [finding for finding in findings.exercises if finding.verdict == "passes"]
    points = f"{sum(f.points for f in passed):g} of {sum(f.points for f in findings.exercises):g} points"
    worth = "" if findings.problems else f", of exercises worth {points}"
    verdict = "Ready to be handed in" if findings.ready else "Not ready yet"
    if findings.problems:
        verdict += ", see ✗ above"
    console.print(
        f"{verdict}: {len(passed)} of {len(findings.exercises)} checks pass{worth}. "
        "Grading looks at more cases, with other numbers.",
        style="bold",
        highlight=False,
    )
    return findings.ready


def examine(path: Path, console: Console) -> Findings:
    """Run a notebook and gather what is known of it.

    Raises:
        NotebookError: If the file is missing, is no notebook, or is none of the course's.
    """
    notebook = _read(path)
    given, unit = _handed_out(path, notebook)
    checks = {checked_exercise(cell): cell for cell in given.cells if checked_exercise(cell)}
    places = _checks(notebook, checks)
    problems, remarks = list(_problems(path, unit, notebook, given)), list(_remarks(notebook, given, checks, places))
    needed = [name for name in given.metadata.get(METADATA, {}).get("files", ()) if not (path.parent / name).is_file()]
    if needed:
        problems.append(f"Missing beside the notebook: {', '.join(needed)}. They came with it, in the same folder.")
    run = copy.deepcopy(notebook)
    for cell in run.cells:
        if cell.cell_type == "code":  # nothing that was saved may pass for what happens now
            cell.outputs, cell.execution_count = [], None
    for name, place in places.items():
        run.cells[place].source = checks[name].source  # what was handed out is what counts
    seconds, ended = run_all(run, path.parent, console)
    problems += [*ended, *_failures(run, places.values(), {_plain(cell) for cell in given.cells})]
    remarks.append(_time(run, seconds))
    exercises = [_finding(name, cell.metadata.nbgrader.points, run, places.get(name)) for name, cell in checks.items()]
    problems += _off_limits(given, path.parent, notebook, places)
    return Findings(exercises, problems, remarks)


# --- what is in the file ---


def _read(path: Path) -> NotebookNode:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of nbformat's, one for each cell
            notebook = read_notebook(json.loads(path.read_bytes()))
            for cell in notebook.cells:  # nothing else of metadata counts, and editors put all kinds of things there
                cell.metadata = NotebookNode({key: value for key, value in cell.metadata.items() if key == "nbgrader"})
            nbformat.validate(notebook, relax_add_props=True)
    except FileNotFoundError as error:
        raise NotebookError(f"there is no file {path}. Is it saved, and is this its folder ({Path.cwd()})?") from error
    except Exception as error:
        raise NotebookError(f"{path} is no notebook ({type(error).__name__}); save it in Jupyter again.") from error
    return notebook


def _handed_out(path: Path, notebook: NotebookNode) -> tuple[NotebookNode, str]:
    """The release of which a notebook has, or defines, the most exercises, and its unit."""
    found = {name for cell in notebook.cells if cell.cell_type == "code" for name in (*_names(cell), *defined(cell.source))}
    known, broken = {}, []
    for place in _releases(path):
        try:
            known[place.stem] = _read(place)
        except NotebookError:  # of another unit's, it does not matter
            broken.append(str(place))
    units = {name: release for name, release in known.items() if any(grade_id(cell) == SETUP for cell in release.cells)}
    there = {unit: len({checked_exercise(cell) for cell in release.cells} & (found - {""})) for unit, release in units.items()}
    best = max(there, key=lambda unit: (there[unit], unit == path.stem), default="")
    if not best or not there[best]:
        unread = f" What was handed out in {', '.join(broken)} is no notebook any more." if broken else ""
        raise NotebookError(f"{path} has none of the course's exercises in it.{unread}")
    return units[best], best


def _releases(path: Path) -> Iterator[Path]:
    """The notebooks as they were handed out: in a student's package, or else in the course directory that a file lies in.

    Whoever has no such package is an instructor; what comes last wins over others of its name.
    """
    package = Path(__file__).parent
    if handed_out := sorted(package.glob("releases/*.ipynb")):
        yield from handed_out
        return
    for course in (package.parent, course_of(path) or package.parent):
        yield from course.glob(f"{RELEASES}/*/*.ipynb")


def _names(cell: NotebookNode) -> tuple[str, str]:
    return grade_id(cell), str(cell.get("id", ""))


def _checks(notebook: NotebookNode, checks: Mapping[str, NotebookNode]) -> dict[str, int]:
    """By exercise, the number of its check's cell: known by its name, or, where an editor has lost that, by its source."""
    found: dict[str, int] = {}
    for number, cell in enumerate(notebook.cells):
        for name, check in checks.items():
            if cell.cell_type == "code" and (check_id(name) in _names(cell) or _plain(cell) == _plain(check)):
                found[name] = number
    return found


def _plain(cell: NotebookNode) -> str:
    """A cell's source, whatever an editor has done to the ends of its lines."""
    return "\n".join(line.rstrip() for line in cell.source.strip().splitlines())


def _problems(path: Path, unit: str, notebook: NotebookNode, given: NotebookNode) -> Iterator[str]:
    if path.name != f"{unit}.ipynb":
        yield f"The file must be named {unit}.ipynb to be graded; it is named {path.name}."
    sources = {_plain(cell) for cell in notebook.cells if cell.cell_type == "code"}
    if not any(_plain(cell) in sources for cell in given.cells if grade_id(cell) == SETUP):
        yield "The set-up cell is missing or changed. Grading puts the original one there; do your answers work with it?"
    for name in filter(None, map(checked_exercise, given.cells)):
        cells = [cell for cell in notebook.cells if name in _names(cell) or name in defined(cell.source)]
        whys = [why_nothing_runs(name, cell.cell_type, cell.source) for cell in cells]
        if whys and all(whys):
            yield f"{whys[-1][0].upper()}{whys[-1][1:]}"
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code" and parse(cell.source) is None:
            yield f"{_called(number, cell)} is no valid Python, so nothing in it counts."


def _called(number: int, cell: NotebookNode) -> str:
    """How people find a cell: Jupyter shows no numbers from the top."""
    lines = cell.source.strip().splitlines()
    return f"Cell {number}, which begins with “{lines[0][:40]}”," if lines else f"Cell {number}"


def _remarks(
    notebook: NotebookNode, given: NotebookNode, checks: Mapping[str, NotebookNode], places: Mapping[str, int]
) -> Iterator[str]:
    if changed := [name for name, place in places.items() if _plain(notebook.cells[place]) != _plain(checks[name])]:
        yield f"The checks of {', '.join(changed)} were changed; here and in grading the original ones run."
    last = _plain(given.cells[-1])  # calls this check, so it has not ended when the notebook is saved
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and _plain(cell) not in ("", last)]
    counts = [cell.get("execution_count") for cell in code]
    ran = [count for count in counts if count is not None]
    if ran != sorted(ran):
        yield "You ran the cells in another order than they stand in. What counts is a run from the top, as here."
    elif 0 < len(ran) < len(counts):
        unrun = len(counts) - len(ran)
        yield f"Not run when you saved: {unrun} of {len(counts)} cells. What counts is a run from the top, as here."


def _off_limits(given: NotebookNode, folder: Path, notebook: NotebookNode, places: Mapping[str, int]) -> Iterator[str]:
    """What grading will find in the source of answers."""
    known = given.metadata.get(METADATA, {})  # an older release has none
    own = {path.stem for path in folder.glob("*.py") if path.name not in known.get("files", ())}
    banned = known.get("off_limits", {})
    told = set()
    code = [cell.source if cell.cell_type == "code" else "" for cell in notebook.cells]
    locked = {n for n, cell in enumerate(notebook.cells) if grade_id(cell) == SETUP or n in places.values()}
    search = Search(code, locked, own)
    for name, place in places.items():
        if api := search.find(name, banned.get(name, ()), place):
            yield f"{name} uses {api}, which is off-limits in this exercise: it would get no points."
        elif any(name in defined(source) and STUB not in source for n, source in enumerate(code[:place]) if n not in locked):
            doubt = search.doubts(name, banned.get(name, ()), place)
            if doubt and doubt not in told:
                told.add(doubt)
                yield f"{name}: a person will look at it, because {doubt}"


# --- what happens when it runs ---


def run_all(notebook: NotebookNode, folder: Path, console: Console) -> tuple[dict[int, float], list[str]]:
    """Run a notebook's cells in a fresh kernel; one that fails does not end it.

    Returns:
        The processor's seconds of each cell, by its number, and what ended the run early.
    """
    total, seconds = len(notebook.cells), dict[int, float]()
    line = display({"text/plain": ""}, raw=True, display_id=True) if console.is_jupyter else None
    with Progress(console=console, transient=True, disable=bool(line)) as progress:  # in a notebook it needs ipywidgets
        task = progress.add_task("running from the top", total=total)

        def show(cell: NotebookNode, cell_index: int) -> None:
            progress.update(task, completed=cell_index)
            if line:
                line.update({"text/plain": f"running from the top: cell {cell_index + 1} of {total}"}, raw=True)

        watch = _Watch()
        client: Any = NotebookClient(
            notebook,
            timeout=int(CELL_SECONDS * WALL_FACTOR),
            interrupt_on_timeout=True,
            kernel_name="python3",
            allow_errors=True,
            resources={"metadata": {"path": str(folder)}},
            record_timing=False,
            on_cell_start=show,
            on_cell_execute=lambda cell, cell_index: watch.begin(client.km.provisioner),
            on_cell_executed=lambda cell, cell_index, execute_reply: seconds.update({cell_index: watch.end()}),
            extra_arguments=["--log-level=ERROR"],  # warnings of Jupyter's are nothing that a student can mend
        )
        try:
            with watch:
                client.execute(env=_environment())
        except DeadKernelError:
            return seconds, ["The kernel died. In grading it starts anew, but the cell that killed it gets no points."]
    return seconds, []


class _Watch:
    """Interrupts a cell that has used up the processor's seconds that grading allows; a busy machine takes nobody's."""

    def __init__(self) -> None:
        self._provisioner: Any = None
        """Of the kernel, while a cell runs that may be interrupted."""
        self._process, self._begun = 0, 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def begin(self, provisioner: Any) -> None:
        """A cell begins to run."""
        self._process = provisioner.pid
        self._begun = _used(self._process)
        self._provisioner = provisioner

    def end(self) -> float:
        """The cell has ended: the seconds that it has used."""
        self._provisioner = None
        return _used(self._process) - self._begun

    def _look(self) -> None:
        while not self._ended.wait(INTERVAL):
            provisioner = self._provisioner
            if provisioner and _used(self._process) - self._begun > CELL_SECONDS:
                self._provisioner = None  # once for each cell
                with suppress(OSError):  # it has died
                    asyncio.run(provisioner.send_signal(signal.SIGINT))  # as Jupyter interrupts, on Windows, too


def _used(process: int) -> float:
    """The processor's seconds that a process and its children have used; 0 if it is gone."""
    seconds = 0.0
    with suppress(psutil.NoSuchProcess):
        kernel = psutil.Process(process)
        for member in (kernel, *kernel.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = member.cpu_times()
                seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def _environment() -> dict[str, str]:
    """The kernel's: it finds this package, wherever the notebook lies."""
    path = [str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, RUNNING: "1", "PYTHONPATH": os.pathsep.join(path)}


def _failures(notebook: NotebookNode, checks: Collection[int], given: Collection[str]) -> Iterator[str]:
    """Cells of the student's own that fail. Those that were handed out fail only where an answer above is missing or wrong."""
    for number, cell in enumerate(notebook.cells):
        ours = number in checks or (_plain(cell) in given and grade_id(cell) != SETUP)
        if not ours and (error := error_of(cell)) and error.ename != STUB:
            yield f"{_called(number + 1, cell)} fails: {_said(error)}"


def _finding(name: str, points: float, notebook: NotebookNode, place: int | None) -> Finding:
    if place is None:
        return Finding(name, points, "not checked", "Its check is missing here. Grading puts it back.")
    cell = notebook.cells[place]
    error = error_of(cell)
    if error is None:
        ran = cell.get("execution_count") is not None
        return Finding(name, points, "passes") if ran else Finding(name, points, "not checked", "The notebook ended before it.")
    if error.ename == STUB:
        answers = [cell.source for cell in notebook.cells[:place] if cell.cell_type == "code" and name in defined(cell.source)]
        if answers and STUB not in answers[-1]:
            return Finding(name, points, "fails", "It calls something that is not answered yet.")
        return Finding(name, points, "not answered")
    return Finding(name, points, "fails", _said(error))


def error_of(cell: NotebookNode) -> NotebookNode | None:
    """What a cell has raised, as Jupyter keeps it."""
    return next((output for output in cell.get("outputs", []) if output.output_type == "error"), None)


def _said(error: NotebookNode) -> str:
    """An error in one line; of an assertion that fails, its message."""
    if error.ename == "KeyboardInterrupt":
        clock = CELL_SECONDS * WALL_FACTOR
        return f"it was stopped after {CELL_SECONDS:g} s of the processor's time, or {clock:g} s by the clock."
    text = error.evalue if error.ename == "AssertionError" and error.evalue else f"{error.ename}: {error.evalue}"
    text = " ".join(text.split())
    return text if len(text) <= 300 else f"{text[:299]}…"


def _time(notebook: NotebookNode, seconds: Mapping[int, float]) -> str:
    """What a run took, beside what grading allows."""
    slowest = max(seconds, key=lambda number: seconds[number], default=0)
    return (
        f"Running took {sum(seconds.values()):.0f} s of the processor's time. {_called(slowest + 1, notebook.cells[slowest])} "
        f"took longest, {seconds.get(slowest, 0):.0f} s. Grading skips the checks that you see, and allows "
        f"{CELL_SECONDS:g} s a cell and {NOTEBOOK_SECONDS:g} s in all."
    )


# --- what is shown ---

MARKS = {"passes": "✓ passes", "fails": "✗ fails", "not answered": "– not answered", "not checked": "? not checked"}


def _table(name: str, findings: Findings) -> Table:
    table = Table(title=_text(f"{name}, run from the top"))
    table.add_column("exercise", no_wrap=True)
    table.add_column("points", justify="right")
    table.add_column("its check", no_wrap=True)
    table.add_column("what it says", overflow="fold")
    for finding in findings.exercises:
        style = "green" if finding.verdict == "passes" else "red"
        mark = Text(MARKS[finding.verdict], style=style)
        table.add_row(finding.exercise, f"{finding.points:g}", mark, _text(finding.reason))
    return table


def _text(words: str, style: str = "") -> Text:
    """What a terminal shows and does not obey, whoever wrote the notebook."""
    return Text("".join(c if c.isprintable() or c == "\n" else " " for c in words), style)


def main() -> None:
    """The command `python -m course.check`; its exit status is 0 for a notebook that is ready, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m course.check",
        description="Check a notebook before handing it in.",
        epilog="This runs whatever stands in the notebook, with all of your rights. It is for your own: what others wrote is "
        "for `grader autograde`, which runs it in a sandbox.",
    )
    parser.add_argument("notebook", type=Path, help="for example mlp.ipynb")
    sys.exit(0 if check_notebook(parser.parse_args().notebook) else 1)


if __name__ == "__main__":
    main()
