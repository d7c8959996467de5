"""A look at a notebook before it is handed in: `python -m course.check mlp.ipynb`, or the last cell of each notebook.

The notebook runs from the top in a fresh kernel, as in grading. What is said of each exercise comes from the check below it in
the notebook; grading tries more cases, with other numbers.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import nbformat
from IPython.display import display
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from course.cells import CELL_SECONDS, METADATA, NOTEBOOK_SECONDS, SETUP, check_id, checked_exercise, grade_id
from course.off_limits import Search
from course.places import RELEASES, course_of
from course.source import defined, parse

RUNNING = "COURSE_CHECK_RUNNING"
"""Set in the kernel that runs a notebook, whose last cell would check it once more."""
STUB = "NotImplementedError"
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
        console.print(Text(f"Not checked: {error}", style="red"))
        return False
    console.print(_table(Path(path).name, findings))
    for mark, style, lines in (("✗", "red", findings.problems), ("·", "", findings.remarks)):
        for line in lines:
            console.print(Text(f"{mark} {line}", style=style))
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
            cell.metadata.pop("execution", None)
    for name, place in places.items():
        run.cells[place].source = checks[name].source  # what was handed out is what counts
    problems += _run(run, path.parent, console)
    problems += _failures(run, places.values(), {_plain(cell) for cell in given.cells})
    remarks.append(_time(run))
    exercises = [_finding(name, cell.metadata.nbgrader.points, run, places.get(name)) for name, cell in checks.items()]
    problems += _off_limits(given, path.parent, notebook, places)
    return Findings(exercises, problems, remarks)


# --- what is in the file ---


def _read(path: Path) -> NotebookNode:
    try:
        notebook: NotebookNode = nbformat.reads(path.read_text("utf-8-sig"), as_version=4)
        nbformat.validate(notebook, relax_add_props=True)
    except FileNotFoundError as error:
        raise NotebookError(f"there is no file {path}. Is it saved, and is this its folder ({Path.cwd()})?") from error
    except Exception as error:
        raise NotebookError(f"{path} is no notebook ({type(error).__name__}); save it in Jupyter again.") from error
    return notebook


def _handed_out(path: Path, notebook: NotebookNode) -> tuple[NotebookNode, str]:
    """The release of which a notebook has, or defines, the most exercises, and its unit."""
    found = {name for cell in notebook.cells if cell.cell_type == "code" for name in (*_names(cell), *defined(cell.source))}
    known = {place.stem: nbformat.read(place, as_version=4) for place in _releases(path)}
    units = {name: release for name, release in known.items() if any(grade_id(cell) == SETUP for cell in release.cells)}
    there = {unit: len({checked_exercise(cell) for cell in release.cells} & (found - {""})) for unit, release in units.items()}
    best = max(there, key=lambda unit: (there[unit], unit == path.stem), default="")
    if not best or not there[best]:
        raise NotebookError(f"{path} has none of the course's exercises in it.")
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


def _run(notebook: NotebookNode, folder: Path, console: Console) -> list[str]:
    """Run a notebook in a fresh kernel, and say what ended it early."""
    total = len(notebook.cells)
    line = display({"text/plain": ""}, raw=True, display_id=True) if console.is_jupyter else None
    with Progress(console=console, transient=True, disable=bool(line)) as progress:  # in a notebook it needs ipywidgets
        task = progress.add_task("running from the top", total=total)

        def begin(cell: NotebookNode, cell_index: int) -> None:
            progress.update(task, completed=cell_index)
            if line:
                line.update({"text/plain": f"running from the top: cell {cell_index + 1} of {total}"}, raw=True)

        client = NotebookClient(
            notebook,
            timeout=int(CELL_SECONDS),
            interrupt_on_timeout=True,
            kernel_name="python3",
            allow_errors=True,
            resources={"metadata": {"path": str(folder)}},
            on_cell_start=begin,
            extra_arguments=["--log-level=ERROR"],  # warnings of Jupyter's are nothing that a student can mend
        )
        try:
            client.execute(env=_environment())
        except DeadKernelError:
            return ["The kernel died. In grading it starts anew, but the cell that killed it gets no points."]
    return []


def _environment() -> dict[str, str]:
    """The kernel's: it finds this package, wherever the notebook lies."""
    path = [str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, RUNNING: "1", "PYTHONPATH": os.pathsep.join(path)}


def _failures(notebook: NotebookNode, checks: Collection[int], given: Collection[str]) -> Iterator[str]:
    """Cells of the student's own that fail. Those that were handed out fail only where an answer above is missing or wrong."""
    for number, cell in enumerate(notebook.cells):
        ours = number in checks or (_plain(cell) in given and grade_id(cell) != SETUP)
        if not ours and (error := _error(cell)) and error.ename != STUB:
            yield f"{_called(number + 1, cell)} fails: {_said(error)}"


def _finding(name: str, points: float, notebook: NotebookNode, place: int | None) -> Finding:
    if place is None:
        return Finding(name, points, "not checked", "Its check is missing here. Grading puts it back.")
    cell = notebook.cells[place]
    error = _error(cell)
    if error is None:
        ran = cell.get("execution_count") is not None
        return Finding(name, points, "passes") if ran else Finding(name, points, "not checked", "The notebook ended before it.")
    if error.ename == STUB:
        answers = [cell.source for cell in notebook.cells[:place] if cell.cell_type == "code" and name in defined(cell.source)]
        if answers and STUB not in answers[-1]:
            return Finding(name, points, "fails", "It calls something that is not answered yet.")
        return Finding(name, points, "not answered")
    return Finding(name, points, "fails", _said(error))


def _error(cell: NotebookNode) -> NotebookNode | None:
    return next((output for output in cell.get("outputs", []) if output.output_type == "error"), None)


def _said(error: NotebookNode) -> str:
    """An error in one line; of an assertion that fails, its message."""
    if error.ename == "KeyboardInterrupt":
        return f"it was stopped after {CELL_SECONDS:g} s."
    text = error.evalue if error.ename == "AssertionError" and error.evalue else f"{error.ename}: {error.evalue}"
    text = " ".join(text.split())
    return text if len(text) <= 300 else f"{text[:299]}…"


def _time(notebook: NotebookNode) -> str:
    """What a run took, beside what grading allows."""
    cells = list(enumerate(notebook.cells, 1))
    number, slowest = max(cells, key=lambda item: _seconds(item[1]))
    return (
        f"Running took {sum(_seconds(cell) for _, cell in cells):.0f} s. {_called(number, slowest)} took longest, "
        f"{_seconds(slowest):.0f} s. Grading runs only what grades of each check, and allows {CELL_SECONDS:g} s a "
        f"cell and {NOTEBOOK_SECONDS:g} s in all, of the processor's time."
    )


def _seconds(cell: NotebookNode) -> float:
    times = cell.metadata.get("execution", {})
    try:
        begun, ended = (datetime.fromisoformat(times[name]) for name in ("iopub.execute_input", "shell.execute_reply"))
    except (KeyError, ValueError):
        return 0.0
    return (ended - begun).total_seconds()


# --- what is shown ---

MARKS = {"passes": "✓ passes", "fails": "✗ fails", "not answered": "– not answered", "not checked": "? not checked"}


def _table(name: str, findings: Findings) -> Table:
    table = Table(title=f"{name}, run from the top")
    table.add_column("exercise", no_wrap=True)
    table.add_column("points", justify="right")
    table.add_column("its check", no_wrap=True)
    table.add_column("what it says", overflow="fold")
    for finding in findings.exercises:
        style = "green" if finding.verdict == "passes" else "red"
        mark = Text(MARKS[finding.verdict], style=style)
        table.add_row(finding.exercise, f"{finding.points:g}", mark, Text(finding.reason))
    return table


def main() -> None:
    """The command `python -m course.check`; its exit status is 0 for a notebook that is ready, else 1."""
    parser = argparse.ArgumentParser(prog="python -m course.check", description="Check a notebook before handing it in.")
    parser.add_argument("notebook", type=Path, help="for example mlp.ipynb")
    sys.exit(0 if check_notebook(parser.parse_args().notebook) else 1)


if __name__ == "__main__":
    main()
