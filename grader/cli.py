"""The `grader` command."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from joblib import cpu_count
from rich.console import Console
from traitlets import TraitError

from grader import doctor
from grader.classroom import autograde as grading
from grader.classroom import collect as collecting
from grader.classroom import coursedir
from grader.classroom import extensions as extending
from grader.classroom.plugin.grade import NO_SANDBOX, Grade
from grader.classroom.records import record_path
from grader.classroom.room import Classroom
from grader.errors import CourseError, GraderError
from grader.handout import build as builder
from grader.handout import demo, init
from grader.handout import kit as kits
from grader.proving.laws import DRAWS
from grader.reports import terminal
from grader.reports.rows import graded_units
from grader.running.workers import Cluster, Processes
from grader.units.shelf import find_unit, find_units, having, replaced
from grader.units.unit import Unit

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(width=None if sys.stdout.isatty() else 160)

Course = Annotated[Path, typer.Option(help="The course directory.", file_okay=False, exists=True)]
HERE = Path()


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Show what is wrong, not where in our code it was noticed."""
    try:
        yield
    except (GraderError, TraitError, SyntaxError) as error:  # the last two are of a configuration
        typer.secho(f"grader: {error}", fg="red", err=True)
        raise typer.Exit(1) from error


@app.command()
def build(
    units: Annotated[list[str] | None, typer.Argument(help="Units; if none is named, those of your own.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a committed release is stale.")] = False,
    course: Course = HERE,
) -> None:
    """Make the source notebooks and the releases of the units, and enter them into the course's gradebook if it has one."""
    with _clear_errors():
        chosen = builder.chosen(course, units or ())
        for line in [*replaced(chosen), *builder.still_counted(course, chosen)]:
            typer.echo(line)
        files, gone = builder.build(course, chosen), builder.leftovers(course, chosen)
        if not check:
            builder.write(files)
            for path in gone:
                path.unlink()
            builder.release(course, builder.released_with(course, chosen))
            for path in files:
                typer.echo(path)
        elif old := [*builder.stale(course, files), *gone]:
            raise CourseError(f"stale: {', '.join(map(str, old))}; run `grader build` and commit the result.")
        else:
            typer.echo("the committed releases are up to date.")


@app.command()
def secret(course: Course = HERE) -> None:
    """Make the secret that a new course's inputs are drawn from."""
    with _clear_errors():
        typer.echo(coursedir.make_secret(course))


@app.command("init")
def begin(
    destination: Annotated[Path, typer.Argument(help="A new or empty directory, or a course directory to add to.")],
    units: Annotated[list[str] | None, typer.Argument(help="Units; all that there are if nothing is named.")] = None,
    due: Annotated[list[str] | None, typer.Option(help="When a unit is due: mlp=2027-01-31T23:59. May be repeated.")] = None,
    unit: Annotated[list[str] | None, typer.Option(help="Name of a small unit of your own to start from.")] = None,
    copy: Annotated[list[str] | None, typer.Option(help="Make an own copy of this unit, to adapt. May be repeated.")] = None,
) -> None:
    """Start a course directory of your own: configuration, secret, gradebook, and units, released."""
    with _clear_errors():
        for path in init.begin(destination, units or (), due or (), unit or (), copy or ()):
            typer.echo(path)


@app.command()
def kit(
    destination: Annotated[Path, typer.Argument(help="A new folder; the zip beside it gets its name.")],
    units: Annotated[list[str] | None, typer.Argument(help="Units; all that are released if none is named.")] = None,
    course: Course = HERE,
) -> None:
    """Make what students get: notebooks, the `course` package and how to begin, as a folder and a zip."""
    with _clear_errors():
        for path in kits.make_kit(course, destination, units or ()):
            typer.echo(path)


@app.command("demo")
def demo_class(
    destination: Annotated[Path, typer.Argument(help="A new directory.")],
    course: Course = HERE,
) -> None:
    """Make a course directory whose students' ids say what they are."""
    with _clear_errors():
        demo.make_course(course, destination)
        typer.echo(destination)


@app.command()
def collect(
    unit: str,
    archives: Annotated[
        list[Path], typer.Argument(help="What Canvas or Moodle gave: archives, folders, notebooks.", exists=True)
    ],
    course: Course = HERE,
) -> None:
    """Put the latest attempt of each student into submitted/<student>/<unit>/. Fails if anybody's work was left out."""
    with _clear_errors():
        rows = collecting.collect(course, unit, archives)
        console.print(terminal.collected(unit, rows))
        if any(row.fault for row in rows):
            raise typer.Exit(1)


@app.command()
def extend(
    unit: str,
    student: Annotated[list[str] | None, typer.Option(help="Who gets more time. May be repeated.")] = None,
    until: Annotated[str, typer.Option(help="A date such as 2027-02-07T23:59, or none.")] = "",
    table: Annotated[Path | None, typer.Option("--csv", help="In place of both, a file with these two columns.")] = None,
    course: Course = HERE,
) -> None:
    """Give students more time: until then, what they hand in is not late. Grade again afterwards."""
    with _clear_errors():
        if bool(student) != bool(until) or bool(table) == bool(student):
            raise CourseError("expected --student and --until, or --csv.")
        wanted = extending.read_table(table) if table else [("", name, until) for name in student or ()]
        console.print(terminal.extensions(extending.extend(course, unit, wanted)))


@app.command()
def autograde(
    unit: str,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes; as many as there are cores by default.")] = None,
    student: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    scheduler: Annotated[str, typer.Option(help="Execute on the Dask cluster of this scheduler, tls://host:port.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Execute again what has not changed, too.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="One line per submission.")] = False,
    course: Course = HERE,
) -> None:
    """Grade a class in parallel: the same scores, comments and files as `nbgrader autograde`."""
    with _clear_errors(), chdir(course):  # nbgrader works in the course directory
        room = Classroom.open(Path.cwd(), unit)
        for line in room.changed_since_release():
            typer.secho(f"grader: {line}", fg="yellow", err=True)
        students = room.students(student or ())
        pool = Cluster(scheduler) if scheduler else Processes(workers or cpu_count())
        try:
            summary = grading.autograde(room, students, pool, force, console, verbose)
        except KeyboardInterrupt:
            typer.secho(f"grader: stopped. {grading.GO_ON}", fg="yellow", err=True)
            raise typer.Exit(130) from None
        console.print(terminal.summary(room.course, unit, summary))
        if summary.failed:
            raise typer.Exit(1)


@app.command()
def scores(
    units: Annotated[list[str] | None, typer.Argument(help="Units; all that have been graded if none is named.")] = None,
    course: Course = HERE,
) -> None:
    """Show who got how many points, and the sentences that they read."""
    with _clear_errors():
        for unit in units or graded_units(course):
            console.print(terminal.sentences(course, unit))
            console.print(terminal.scores(course, unit))


@app.command()
def explain(
    student: str,
    exercise: str,
    unit: Annotated[str | None, typer.Option(help="The unit, if its exercise's name does not tell.")] = None,
    course: Course = HERE,
) -> None:
    """Show what a student's answer got, should have given, and gave."""
    with _clear_errors():
        console.print(terminal.explain(course, _unit_of(course, student, exercise, unit), student, exercise))


def _unit_of(course: Path, student: str, exercise: str, name: str | None) -> Unit:
    """The unit that is meant by an exercise: the one that is named, or the only one that has it, or that the student did."""
    if name:
        return find_unit(course, name)
    found = having(find_units(course), exercise)
    done = [unit for unit in found if record_path(course, unit.name, student).is_file()]
    if not found:
        raise CourseError(f"no unit has an exercise {exercise!r}.")
    if len(chosen := done if len(done) == 1 else found) != 1:
        raise CourseError(
            f"exercise {exercise!r} is in {len(found)} units{''.join(f' {unit.name}' for unit in found)}; name one with --unit."
        )
    return chosen[0]


@app.command("report")
def write_report(
    unit: str,
    pseudonyms: Annotated[bool, typer.Option("--pseudonyms", help="Hide who is who, the same way in every report.")] = False,
    to: Annotated[Path, typer.Option(help="A folder; each unit gets one in it.")] = Path("reports"),
    course: Course = HERE,
) -> None:
    """Write a page and tables of a graded unit: scores, exercises, misconceptions, who needs a person, possible copying."""
    with _clear_errors():
        try:
            from grader.reports import page, tables
        except ImportError as error:
            raise CourseError(f"reports need more packages: pip install 'keras-course[report]' ({error})") from error
        found = tables.read_tables(course.resolve(), unit, pseudonyms)
        for path in page.write_report(to / unit, find_unit(course, unit), found):
            typer.echo(path)


@app.command("doctor")
def examine(course: Course = HERE) -> None:
    """Show whether grading works here: sandbox, backends, devices, versions, limits. Fails where it does not."""
    with _clear_errors():
        config = coursedir.read_config(course)
        grade = Grade(config=config)  # type: ignore[no-untyped-call]
        with console.status("looking"):
            findings = doctor.examine(grade.backend, sandboxed=grade.sandbox != NO_SANDBOX)
        console.print(doctor.report([*findings, *doctor.own_units(course)]))
        console.print(doctor.limits(config))
        if any(finding.good is False for finding in findings):
            raise typer.Exit(1)


@app.command()
def prove(
    unit: Annotated[str, typer.Argument(help="A unit; if none is named, those of your own.")] = "",
    exercise: Annotated[str, typer.Argument(help="One of its exercises; all, and its notebook, by default.")] = "",
    backend: Annotated[list[str] | None, typer.Option(help="May be repeated; the one that Keras uses by default.")] = None,
    draws: Annotated[int, typer.Option(min=1, help="How often inputs are drawn where distances are measured.")] = DRAWS,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; as many as there are cores by default.")] = None,
    mutants: Annotated[bool, typer.Option("--mutants", help="Instead, judge wrong answers made from the reference.")] = False,
    train: Annotated[bool, typer.Option("--train", help="With --mutants: those that train, too.")] = False,
    course: Course = HERE,
) -> None:
    """See that right answers earn all and wrong ones are named, and write it beside the checks, going on where it stopped."""
    import keras

    from grader.proving import prove

    with _clear_errors():
        units, backends = builder.chosen(course, [unit] if unit else ()), backend or [keras.backend.backend()]
        prove.demand_exercise(units, exercise)
        if unknown := set(backends) - set(prove.installed()):
            raise CourseError(f"{sorted(unknown)[0]!r} is not installed; expected some of {', '.join(prove.installed())}.")
        if mutants:
            _judge_mutants(course, units, exercise, backends[0], draws, workers or cpu_count(), train)
            return
        try:
            prove.prove(course, units, exercise, backends, draws, workers or cpu_count(), console)
        except KeyboardInterrupt:
            typer.secho("grader: stopped. What was seen is kept: the same command goes on from here.", fg="yellow", err=True)
            raise typer.Exit(130) from None
        shown, missing = prove.table(units, exercise, backends, draws)
        console.print(shown)
        for line in missing:
            console.print(line, style="red", markup=False)
        if missing:
            raise typer.Exit(1)


def _judge_mutants(
    course: Path, units: Sequence[Unit], exercise: str, backend: str, draws: int, workers: int, train: bool
) -> None:
    """Show what becomes of the mutants; fails if one survives that nobody has explained."""
    from grader.proving import mutants, survivors

    judged = survivors.judge_mutants(course, units, exercise, backend, draws, workers, train, console)
    wrong = []
    for unit in units:
        for part, fates in [(part, fates) for (name, part), fates in judged.items() if name == unit.name]:
            for line in survivors.described(fates, mutants.UNSTEADY, mutants.STRICT):
                console.print(f"{unit.name} · {part} · {line}", style="yellow", markup=False)
            wrong += [f"{unit.name} · {part} · {line}" for line in survivors.unexplained(unit, part, fates)]
    for line in wrong:
        console.print(line, style="red", markup=False)
    console.print(survivors.table(judged))
    if wrong:
        raise typer.Exit(1)


@app.command()
def calibrate(
    units: Annotated[list[str] | None, typer.Argument(help="Units; if none is named, those of your own.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs of each reference; as many as the table needs by default.")] = None,
    course: Course = HERE,
) -> None:
    """Measure what reference and weak answers reach on this backend, for the bars of trained accuracy."""
    import keras

    from grader.proving import calibrate, measurements

    with _clear_errors():
        for unit in builder.chosen(course, units or ()):
            calibrate.calibrate(unit, seeds or measurements.SEEDS[keras.backend.backend()], console=console)


@app.command()
def measure(
    units: Annotated[list[str] | None, typer.Argument(help="Units; if none is named, those of your own.")] = None,
    course: Course = HERE,
) -> None:
    """Make the tables that texts show, and that take longer than a notebook may, on this backend."""
    import keras

    from grader.proving import tables

    with _clear_errors():
        tables.measure(builder.chosen(course, units or ()), keras.backend.backend(), console)


@app.command()
def pretrain(course: Course = HERE) -> None:
    """Train the encoder that the course ships anew, after a change of the grammar or of `train_mini_bert`."""
    from grader.handout import pretrain

    with _clear_errors(), console.status("training, some minutes"):
        file = pretrain.pretrain(find_unit(course, "bert"))
    console.print(f"{file}: {file.stat().st_size / 1024:.0f} KiB")
