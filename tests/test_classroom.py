"""A class in parallel: what is run, what is kept, and what happens when a worker, a disk or a person stops it."""

import base64
import contextlib
import io
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, CancelledError, Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from jobs import die_of_three
from nbgrader.api import Gradebook
from rich.console import Console
from traitlets.config import Config

from course.probe import Call
from dask_cluster import cluster
from grader.classroom import autograde as classroom
from grader.classroom import room as room_module
from grader.classroom.plugin import configure
from grader.classroom.plugin import grade as grade_module
from grader.classroom.records import kept_outcome, read_record
from grader.classroom.room import Classroom
from grader.errors import CourseError, SandboxError
from grader.handout.init import SMALL
from grader.reports import terminal
from grader.reports.rows import judged_outcome, read_rows
from grader.reports.tables import pseudonym, read_tables
from grader.running import jobs, workers
from grader.running.execution import Request
from grader.running.jobs import Job, Outcome
from grader.running.kept import Kept
from grader.running.kernels import forked
from grader.running.workers import LOST_TWICE, Cluster, Processes, outcomes
from sandboxes import needs_sandbox

RESCALE = SMALL.text.exercises["rescale"].reference


# --- the order of things, without a kernel ---


def job(number):
    cell = {"source": str(number), "id": str(number), "grade_id": "", "grade": False}
    return Job([cell], {}, {}, "tensorflow", {}, sandboxed=True)


class Scripted:
    """Workers whose futures are ready at once; a job fails as often as its script says."""

    number, lost = 2, (BrokenExecutor,)

    def __init__(self, deaths, error=BrokenExecutor):
        self.deaths, self.error, self.ran = dict(deaths), error, []

    def submit(self, job):
        future, name = Future(), job.cells[0]["source"]
        self.ran.append(name)
        if self.deaths.get(name, 0) > 0:
            self.deaths[name] -= 1
            future.set_exception(self.error())
        else:
            future.set_result(Outcome(job.key, repeats=True))
        return future


def test_every_student_gets_one_outcome_and_nothing_is_run_for_none():
    jobs = [(f"s{n}", job(n) if n % 3 else None) for n in range(20)]
    crew = Scripted({})
    found = list(outcomes(jobs, crew))
    assert sorted(student for student, _ in found) == sorted(student for student, _ in jobs)
    assert {student for student, outcome in found if outcome is None} == {student for student, job in jobs if job is None}
    assert len(crew.ran) == len(set(crew.ran)) == sum(job is not None for _, job in jobs)


def test_jobs_are_drawn_as_workers_need_them():
    drawn = []

    def jobs():
        for number in range(50):
            drawn.append(number)
            yield f"s{number}", job(number)

    run = outcomes(jobs(), Scripted({}))
    next(run)
    assert len(drawn) <= 4  # two ahead of two workers: a job holds the inputs of a whole notebook


def test_a_lost_job_is_run_once_more_and_given_up_if_it_is_lost_again():
    crew = Scripted({"3": 1, "5": 2})
    found = dict(outcomes([(f"s{n}", job(n)) for n in range(9)], crew))
    assert {student for student, outcome in found.items() if outcome.failed} == {"s5"}
    assert found["s5"] == Outcome(job(5).key, failed=LOST_TWICE)
    assert crew.ran.count("3") == crew.ran.count("5") == 2
    assert all(crew.ran.count(str(n)) == 1 for n in range(9) if n not in (3, 5))


def test_a_sandbox_that_could_not_be_made_once_stops_no_class():
    crew = Scripted({"3": 1}, SandboxError)
    assert not any(outcome.failed for _, outcome in outcomes([(f"s{n}", job(n)) for n in range(9)], crew))
    assert crew.ran.count("3") == 2
    with pytest.raises(SandboxError):
        list(outcomes([(f"s{n}", job(n)) for n in range(9)], Scripted({"3": 2}, SandboxError)))


def test_a_key_changes_with_everything_that_matters_and_with_nothing_else():
    base = {
        "cells": [{"source": "1"}],
        "requests": {},
        "files": {},
        "backend": "jax",
        "limits": {"memory": 1},
        "sandboxed": True,
    }
    other = [
        {"cells": [{"source": "2"}]},
        {"files": {"a.csv": b"1"}},
        {"backend": "torch"},
        {"limits": {"memory": 2}},
        {"sandboxed": False},
        {"requests": {"f-check": Request([Call((1,))])}},
    ]
    keys = [Job(**base).key, *(Job(**base | change).key for change in other)]
    assert len(set(keys)) == len(keys)
    assert Job(**base, cache=Path("/somewhere")).key == keys[0]


def test_a_job_travels_with_the_key_of_the_machine_that_made_it(monkeypatch):
    here, travelling = job(1).key, pickle.dumps(job(1))
    monkeypatch.setattr(jobs, "versions", lambda: {"devices": "nvidia0"})
    assert pickle.loads(travelling).key == here != job(1).key


def test_a_machine_with_other_versions_refuses_a_job(monkeypatch):
    travelling = pickle.dumps(job(1))
    monkeypatch.setattr(jobs, "versions", lambda: {"keras": "2.0"})
    with pytest.raises(CourseError, match=r"has another .*\bkeras\b.* than the machine that grades"):
        jobs.run(pickle.loads(travelling))


def test_what_decides_the_outputs_is_part_of_the_key(monkeypatch):
    read = []
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path) or b"")
    jobs.sources.__wrapped__()
    assert {"execution.py", "jobs.py", "shown.py", "forked.py", "probe.py", "encoder.keras"} <= {path.name for path in read}
    assert "units" not in {path.parent.name for path in read}  # a text that was mended executes nothing but what it changed


@needs_sandbox
@pytest.mark.slow
def test_a_kernel_that_cannot_start_costs_its_submission_alone():
    limits, cell = {"disk": 16}, {"source": "1", "id": "a", "grade_id": "", "grade": False}
    for megabytes, fails in ((4, ""), (17, "no kernel could start")):
        outcome = jobs.run(Job([cell], {}, {"data.bin": bytes(megabytes * 2**20)}, "torch", limits, sandboxed=True))
        assert fails in outcome.failed and bool(outcome.failed) == bool(fails)


def test_a_relative_gradebook_is_each_course_directorys_own(tmp_path, monkeypatch):
    configure(Config())
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        with Gradebook("sqlite:///gradebook.db") as gradebook:
            gradebook.add_student(name)
            assert [student.id for student in gradebook.students] == [name]


@pytest.mark.parametrize("text", ["", "{", '{"key": 1, "no": 2}', '{"key": "k", "evidence": 3}'])
def test_a_damaged_outcome_is_none(tmp_path, text):
    path = tmp_path / "ada.json"
    path.write_text(text)
    assert Kept(path).read() is None


def test_an_outcome_survives_a_round_trip_and_counts_if_it_repeats_or_was_waited_for(tmp_path, monkeypatch):
    work, kept = job(1), Kept(tmp_path / "u" / "ada.json")
    for repeats in (True, False):
        outcome = Outcome(work.key, {"f-check": jobs.Evidence({"runs": []})}, [[{"text": "x"}]], repeats, 1.5, 100.0)
        kept.write(outcome, "origin")
        assert replace(kept.read(), waited="") == replace(outcome, origin="origin")
        assert kept.usable(work) == kept.read()
        assert kept.usable(job(2)) is None
        assert (kept.comes_from("origin"), kept.comes_from("elsewhere")) == (True, False)
        with monkeypatch.context() as another:
            another.setattr("grader.running.kept.THIS_PROCESS", "another")
            assert (kept.usable(work) is not None) == kept.comes_from("origin") == repeats


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path, monkeypatch):
    kept = Kept(tmp_path / "ada.json")
    kept.write(Outcome("old"))
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        kept.write(Outcome("new"))
    monkeypatch.undo()
    assert kept.read().key == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["ada.json"]


# --- addresses ---


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tcp://grid.example.org:8786"])
def test_what_is_not_encrypted_stays_on_this_machine(address):
    with pytest.raises(CourseError, match="not encrypted"):
        Cluster(address)


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "http://localhost:1", "tls://", "nonsense"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(CourseError, match="is no scheduler's address"):
        Cluster(address)


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 1)
    with pytest.raises(CourseError, match="no scheduler with a worker answers"):
        Cluster("tcp://127.0.0.1:9")


def test_a_scheduler_without_tls_of_ones_own_is_no_traceback(monkeypatch):
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 1)
    with pytest.raises(CourseError, match="ssl_context"):
        Cluster("tls://127.0.0.1:9")


def test_workers_are_counted_as_they_come_and_none_is_reached_in_the_clear():
    crew, found = object.__new__(Cluster), {}
    crew._client = SimpleNamespace(nthreads=lambda: found)
    assert crew.number == 1
    found |= {"tls://10.0.0.1:3000": 1, "tcp://127.0.0.1:3001": 2}
    assert crew.number == 3
    found["tcp://10.0.0.2:3000"] = 1
    with pytest.raises(CourseError, match="not encrypted"):
        assert crew.number
    crew._client = None
    with pytest.raises(CancelledError):
        assert crew.number


# --- processes of this machine ---


def test_a_worker_that_dies_costs_its_submission_alone(monkeypatch):
    monkeypatch.setattr(workers, "run", die_of_three)
    crew = Processes(2)
    try:
        found = dict(outcomes([(f"s{n}", replace(job(n), sandboxed=False)) for n in range(8)], crew))
    finally:
        crew.stop()
    assert {student: outcome.failed for student, outcome in found.items() if outcome.failed} == {"s3": LOST_TWICE}
    assert len(found) == 8


# --- a class, with kernels ---


@pytest.mark.slow
@needs_sandbox
def test_workers_import_once_for_all():
    this = psutil.Process()
    before = {process.pid for process in this.children(recursive=True)}
    crew = Processes(2)
    try:
        slow = [replace(job(n), cells=[job(n).cells[0] | {"source": "import time; time.sleep(2)"}]) for n in range(4)]
        failed = [outcome.failed for _, outcome in outcomes(enumerate(slow), crew)]
        new = [process for process in this.children(recursive=True) if process.pid not in before]
        servers = [process for process in new if forked.__file__ in process.cmdline() and process.ppid() != this.pid]
        assert failed == [""] * 4
        assert len(servers) == 2 and len({server.ppid() for server in servers}) == 1  # a fork of the zygote for each
        assert psutil.Process(servers[0].ppid()).ppid() == this.pid
    finally:
        crew.stop()


def grader(course, *arguments, code=0, **options):
    done = subprocess.run(command(*arguments), cwd=course, env=environment(), capture_output=True, text=True, **options)
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-5000:]
    return done.stdout + done.stderr


def command(*arguments):
    return [Path(sys.executable).parent / "grader", *arguments]


def environment():
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path}


def executed(said):
    return set(re.findall(r"^(\S+): executed", said, flags=re.MULTILINE))


def submit(course, student, answers):
    notebook = nbformat.read(course / "assignments" / "tiny" / "tiny.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
    path = course / "submitted" / student / "tiny" / "tiny.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


CLASS = {
    "ada": {"rescale": RESCALE},
    "ben": {"rescale": RESCALE.replace("ops.max(", "ops.min(")},
    "cai": {"rescale": RESCALE + "\n# by Cai"},
    "dot": {},
}


@pytest.fixture
def course(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "nbgrader_config.py").open("a") as config:
        config.write('\nget_config().Grade.backend = "jax"  # is imported soonest\n')
    for student, answers in CLASS.items():
        submit(tmp_path, student, answers)
    return tmp_path


def points(course):
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        return {submission.student.id: submission.score for submission in gradebook.assignment_submissions("tiny")}


FULL = float(SMALL.text.exercises["rescale"].points)
EARNED = {"ada": FULL, "ben": 0, "cai": FULL, "dot": 0}


@needs_sandbox
@pytest.mark.slow
def test_only_what_changed_is_executed_again(course):
    said = grader(course, "autograde", "tiny", "--verbose")
    assert executed(said) == set(CLASS)
    assert said.index(": graded") < said.rindex(": executed")  # nobody waits for the whole class
    assert points(course) == EARNED
    again = grader(course, "autograde", "tiny", "--verbose")
    assert executed(again) == set() and ": graded" not in again
    assert points(course) == EARNED
    with contextlib.chdir(course):
        room = Classroom.open(course, "tiny")
        origins = {student: kept_outcome(course, "tiny", student).read().origin for student in CLASS}
        assert origins == {student: room._origin(student) for student in CLASS}  # the same in every process
    submit(course, "ben", CLASS["ada"])
    submit(course, "eve", CLASS["ada"])
    assert executed(grader(course, "autograde", "tiny", "--verbose")) == {"ben", "eve"}
    assert points(course)["ben"] == points(course)["eve"] == points(course)["ada"]
    with (course / "nbgrader_config.py").open("a") as config:
        config.write("get_config().Limits.memory = 3000\n")
    assert executed(grader(course, "autograde", "tiny", "--verbose")) == {*CLASS, "eve"}
    started = time.time()
    subprocess.run(["nbgrader", "autograde", "tiny", "--force"], cwd=course, env=environment(), check=True, capture_output=True)
    outcomes_of = (course / "executions" / "tiny").glob("*/*.json")
    assert max(path.stat().st_mtime for path in outcomes_of) < started  # nbgrader's own command executes none either


def change(course, student, edit):
    """Edit the JSON of what a student handed in; its cells by id, and all of them."""
    path = course / "submitted" / student / "tiny" / "tiny.ipynb"
    notebook = json.loads(path.read_text())
    edit({cell["id"]: cell for cell in notebook["cells"]}, notebook["cells"])
    path.write_text(json.dumps(notebook))


def make_text(by_id, cells):
    by_id["rescale"]["cell_type"] = "markdown"
    del by_id["rescale"]["outputs"], by_id["rescale"]["execution_count"]


def make_timed(by_id, cells):
    by_id["rescale"]["source"] = ["%%timeit\n", *by_id["rescale"]["source"]]


def make_equal(by_id, cells):
    for cell in cells:
        cell["id"] = "same"


PICTURES = [base64.b64encode(begin + os.urandom(900)).decode() for begin in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0")]


def paste(by_id, cells):
    text = {"cell_type": "markdown", "id": "mine", "metadata": {}, "source": "![x](attachment:a.png) ![y](attachment:no)"}
    bundles = {
        "a.png": {"image/png": PICTURES[0], "text/html": "<b>"},
        "b": {"image/jpeg": PICTURES[1]},
        "c": {"image/svg+xml": "<svg>"},
    }
    cells.append(text | {"attachments": bundles})


SAID = {
    "ada": (make_text, "the cell of `rescale` is a Markdown cell, so its code does not run: change its type to Code."),
    "ben": (make_timed, "the cell of `rescale` begins with `%%timeit`, so nothing that it defines is kept: delete that line."),
    "cai": (make_equal, "Right: every part of this exercise passes."),
    "dot": (paste, "Right: every part of this exercise passes."),
}


@needs_sandbox
@pytest.mark.slow
def test_what_is_odd_about_cells_is_said_and_pictures_are_shown(course):
    for student, (damage, _) in SAID.items():
        submit(course, student, {"rescale": RESCALE})
        change(course, student, damage)
    said = grader(course, "autograde", "tiny")
    assert said.count("have the id of another one") == 1 and "cai: " in said
    sentences = {student: read_record(course, "tiny", student).verdicts["rescale"].sentence for student in SAID}
    assert sentences == {
        student: f"No points: {sentence}" if sentence.startswith("the") else sentence for student, (_, sentence) in SAID.items()
    }
    subprocess.run(["nbgrader", "generate_feedback", "tiny"], cwd=course, env=environment(), check=True, capture_output=True)
    pages = {student: (course / "feedback" / student / "tiny" / "tiny.html").read_text() for student in SAID}
    assert SAID["ada"][1] in pages["ada"]
    for kind, picture in zip(("png", "jpeg"), PICTURES, strict=True):
        assert f"data:image/{kind};base64,{picture}" in pages["dot"]
    assert "attachment:no" in pages["dot"]


BEGIN = [sys.executable, "-c", "import signal; signal.signal(2, signal.default_int_handler); from grader.cli import app; app()"]
"""Ctrl-C is heard even where these tests run in the background of a shell."""


def is_beginning(process):
    """Whether it is a worker that is importing."""
    with contextlib.suppress(psutil.Error):  # it has ended
        return "spawn_main" in " ".join(process.cmdline()) and process.cpu_times().user > 0.2
    return False


@needs_sandbox
@pytest.mark.slow
def test_ctrl_c_while_workers_begin_is_one_sentence(course):
    """A terminal sends it to all processes of a command."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    with subprocess.Popen([*BEGIN, "autograde", "tiny"], cwd=course, env=environment(), **pipes) as run:
        while not any(map(is_beginning, psutil.Process(run.pid).children())):
            time.sleep(0.02)
        os.killpg(run.pid, signal.SIGINT)
        said = run.stdout.read()
    assert (run.returncode, said.strip()) == (130, f"grader: stopped. {classroom.GO_ON}")


@needs_sandbox
@pytest.mark.slow
def test_a_class_goes_on_when_there_is_room_again(course, monkeypatch):
    def full(kept, outcome, origin):
        raise OSError(28, "No space left on device", str(kept.path))

    monkeypatch.chdir(course)
    monkeypatch.setattr(Kept, "write", full)
    room, crew = Classroom.open(course, "tiny"), Processes(1)
    with pytest.raises(CourseError, match=rf"No space left on device.*\. {re.escape(classroom.GO_ON)}"):
        classroom.autograde(room, room.students(), crew, force=False, show=Console(), verbose=False)
    monkeypatch.undo()
    grader(course, "autograde", "tiny")
    assert points(course) == EARNED


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_stopped_goes_on_where_it_was(course, sent):
    for number in range(6):
        submit(course, f"s{number}", {"rescale": f"{RESCALE}\n# {number}"})
    arguments = ["autograde", "tiny", "--workers", "2", "--verbose"]
    with subprocess.Popen([*BEGIN, *arguments], cwd=course, env=environment(), stdout=subprocess.PIPE, text=True) as run:
        first = {run.stdout.readline().split(":")[0] for _ in range(2)}
        family = psutil.Process(run.pid).children(recursive=True)
        stopped = time.monotonic()
        run.send_signal(sent)
        first |= executed(run.stdout.read())
    assert time.monotonic() - stopped < 5
    _, alive = psutil.wait_procs(family, timeout=10)
    assert family and [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert len(first) < 10
    kept = {path.parent.name for path in (course / "executions" / "tiny").glob("*/*.json")}
    assert first <= kept  # the pipe may have lost the last line
    second = executed(grader(course, *arguments))
    assert not second & kept
    assert second | kept == {*CLASS, *(f"s{number}" for number in range(6))}
    assert set(points(course)) == second | kept
    assert sum(value > 0 for value in points(course).values()) == 8


def autograding(course, address):
    arguments = command("autograde", "tiny", "--scheduler", address, "--verbose")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(arguments, cwd=course, env=environment(), **pipes)


@needs_sandbox
@pytest.mark.slow
def test_a_cluster_executes_what_its_workers_survive(course, tmp_path_factory, monkeypatch):
    """With TLS, as Dask's configuration of all sides says."""
    for number in range(8):
        submit(course, f"s{number}", {"rescale": f"{RESCALE}\n# {number}"})
    place = tmp_path_factory.mktemp("cluster")
    key, certificate = str(place / "key.pem"), str(place / "certificate.pem")
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=grader"]
    subprocess.run([*new, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    sides = {side: {"cert": certificate, "key": key} for side in ("scheduler", "worker", "client")}
    settings = {"distributed": {"comm": {"require-encryption": True, "tls": {"ca-file": certificate} | sides}}}
    (place / "dask.yaml").write_text(json.dumps(settings))
    monkeypatch.setenv("DASK_CONFIG", str(place / "dask.yaml"))
    with cluster(place, 18786, protocol="tls") as (address, processes), autograding(course, address) as run:
        first = run.stdout.readline()
        processes[1].kill()
        said = first + run.stdout.read()
        assert run.wait() == 0, said
    assert executed(said) == {*CLASS, *(f"s{number}" for number in range(8))}
    assert points(course) == EARNED | {f"s{number}": FULL for number in range(8)}


@pytest.mark.slow
def test_workers_are_stopped_that_have_noticed_that_their_scheduler_is_gone(tmp_path):
    with cluster(tmp_path, 18795, workers=1) as (address, _):
        crew = Cluster(address)
        held = crew._executor.submit(time.sleep, 60)  # an executor looks after what somebody holds
        crew._client.close()
        crew.stop()
        assert held and crew._client.status == "closed"


@needs_sandbox
@pytest.mark.slow
def test_when_the_scheduler_dies_the_next_run_goes_on(course, tmp_path_factory):
    for number in range(8):
        submit(course, f"s{number}", {"rescale": f"{RESCALE}\n# {number}"})
    place = tmp_path_factory.mktemp("cluster")
    with cluster(place, 18787) as (address, processes), autograding(course, address) as run:
        first = run.stdout.readline()
        processes[0].kill()
        said = first + run.stdout.read()
        assert run.wait() == 1, said
    assert "the scheduler has stopped. What was executed is kept" in said and "Traceback" not in said
    kept = {path.parent.name for path in (course / "executions" / "tiny").glob("*/*.json")}
    assert executed(said) == kept < {*CLASS, *(f"s{number}" for number in range(8))}
    with cluster(place, 18788) as (address, _), autograding(course, address) as run:
        said = run.stdout.read()
        assert run.wait() == 0, said
    assert executed(said) == {*CLASS, *(f"s{number}" for number in range(8))} - kept
    assert points(course) == EARNED | {f"s{number}": FULL for number in range(8)}


@needs_sandbox
def test_a_submission_is_read_again_only_if_something_has_changed(course, monkeypatch):
    read, sanitized = [], room_module._sanitized
    monkeypatch.setattr(room_module, "_sanitized", lambda converter, path: read.append(path) or sanitized(converter, path))
    with contextlib.chdir(course):

        def planned():
            read.clear()
            room = Classroom.open(course, "tiny")
            ((_, job),) = room.jobs(room.work(["ada"]))
            return len(read), job is not None

        room = Classroom.open(course, "tiny")
        assert [outcome.repeats for _, outcome in room.execute(room.work(["ada"]), Scripted({}))] == [True]
        assert planned() == (0, False)
        secret = (course / ".course-secret").read_text()
        (course / ".course-secret").write_text("another" * 8)
        assert planned() == (1, True)  # other inputs
        (course / ".course-secret").write_text(secret)
        (course / "submitted" / "ada" / "tiny" / "table.csv").write_text("1")
        assert planned() == (1, True)
        (course / "submitted" / "ada" / "tiny" / "table.csv").unlink()
        assert planned() == (0, False)
        submit(course, "ada", CLASS["cai"])
        assert planned() == (1, True)


@needs_sandbox
def test_a_submission_is_judged_again_only_if_something_has_changed(course):
    submission = course / "submitted" / "ada" / "tiny"
    with contextlib.chdir(course):

        def graded():
            return Classroom.open(course, "tiny").is_graded("ada")

        def grade():
            room = Classroom.open(course, "tiny")
            list(room.execute(room.work(["ada"]), Scripted({})))
            assert room.grade("ada") == ""
            assert graded()

        assert not graded()
        grade()
        with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
            gradebook.find_grade("rescale-check", "tiny", "tiny", "ada").manual_score = 1.0  # a person's, which stays
            gradebook.db.commit()
            assert graded()
            gradebook.find_grade("rescale-check", "tiny", "tiny", "ada").auto_score = 1.0
            gradebook.db.commit()
            assert not graded()
        grade()
        with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
            assert gradebook.find_grade("rescale-check", "tiny", "tiny", "ada").manual_score == 1.0
            gradebook.update_or_create_assignment("tiny", duedate="2024-01-01")
        assert not graded()
        grade()
        (submission / "timestamp.txt").write_text("2024-01-02 00:00:00 UTC")
        assert not graded()
        grade()
        with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
            gradebook.find_grade("rescale-check", "tiny", "tiny", "ada").manual_score = 2.0  # a penalty may be a share of it
            gradebook.db.commit()
        assert not graded()
        grade()
        with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
            gradebook.grant_extension("tiny", "ada", days=7)
        assert not graded()
        grade()
        (course / "autograded" / "ada" / "tiny" / "tiny.ipynb").unlink()
        assert not graded()
        grade()
        (course / "verdicts" / "tiny" / "ada.json").unlink()
        assert not graded()
        grade()
        before = (submission / "tiny.ipynb").stat()
        text = (submission / "tiny.ipynb").read_text()
        (submission / "tiny.ipynb").write_text(text.replace("ops.max(", "ops.min("))
        os.utime(submission / "tiny.ipynb", ns=(before.st_atime_ns, before.st_mtime_ns))  # as old and as long as before
        assert not graded()


@needs_sandbox
@pytest.mark.parametrize("what", ["look", "read_plain"])
def test_what_cannot_be_looked_at_or_read_stops_nobody_else(course, monkeypatch, what):
    (course / "submitted" / "ben" / "tiny" / "closed.csv").write_text("1")
    as_ever = getattr(grade_module, what)

    def refuse(path, *arguments):
        if "ben" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return as_ever(path, *arguments)

    monkeypatch.setattr(grade_module, what, refuse)
    with contextlib.chdir(course):
        room = Classroom.open(course, "tiny")
        planned = dict(room.jobs(room.work(list(CLASS))))
        assert {student for (student, _), job in planned.items() if job} == {*CLASS} - {"ben"}
        assert not room.is_graded("ben")
        assert "Permission denied" in room.grade("ben")


@needs_sandbox
def test_a_report_is_about_what_was_judged(course):
    (course / ".course-secret").write_text("a" * 64)  # which gives pseudonyms of another order than the names
    with contextlib.chdir(course):
        room = Classroom.open(course, "tiny")
        list(room.execute(room.work(list(CLASS)), Scripted({})))
        assert [room.grade(student) for student in CLASS] == [""] * len(CLASS)
        record = read_record(course, "tiny", "ada")
        assert judged_outcome(course, "tiny", "ada", record).key == record.key
        assert list(read_tables(course, "tiny").submissions["student"]) == list(CLASS)
        hidden = list(read_tables(course, "tiny", pseudonyms=True).submissions["student"])
        in_order = [pseudonym(room.secret, student) for student in CLASS]
        assert hidden == sorted(in_order) != in_order

        (course / "submitted" / "ada" / "tiny" / "tiny.ipynb").write_text("no notebook")  # of which nothing is executed
        assert room.grade("ada") == ""
        assert judged_outcome(course, "tiny", "ada", read_record(course, "tiny", "ada")) is None


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # nbgrader's own use of its database
def test_a_gradebook_may_lie_elsewhere(course, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "scores.db"
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(f'\nget_config().CourseDirectory.db_url = "sqlite:///{elsewhere}"\n')
    with pytest.raises(CourseError, match="nothing of 'tiny' has been graded"):
        read_rows(course, "tiny")
    (course / "gradebook.db").rename(elsewhere)
    with pytest.raises(CourseError, match="nothing of 'tiny' has been graded"):
        read_rows(course, "tiny")
    with Gradebook(f"sqlite:///{elsewhere}") as gradebook:
        gradebook.add_student("ada")
        gradebook.add_submission("tiny", "ada")
    assert list(read_rows(course, "tiny")[1]) == ["ada"]


@needs_sandbox
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
@pytest.mark.parametrize("told", ["by the command", "in Jupyter's own folder"])
def test_nbgrader_clears_scores_in_the_gradebook_that_it_was_told(course, tmp_path_factory, told):
    folder = tmp_path_factory.mktemp("elsewhere")
    url = f"sqlite:///{folder / 'scores.db'}"
    (course / "gradebook.db").rename(folder / "scores.db")
    if told != "by the command":
        (folder / "nbgrader_config.py").write_text(f"get_config().CourseDirectory.db_url = {url!r}")
    with Gradebook(url) as gradebook:
        gradebook.add_submission("tiny", gradebook.add_student("ada").id)
        gradebook.find_grade("rescale-check", "tiny", "tiny", "ada").auto_score = 1
        gradebook.db.commit()
    (course / "submitted" / "ada" / "tiny" / "tiny.ipynb").rename(course / "submitted" / "ada" / "tiny" / "other.ipynb")
    command = ["nbgrader", "autograde", "tiny", "--student", "ada", *(["--db", url] if told == "by the command" else [])]
    subprocess.run(command, cwd=course, env=environment() | {"JUPYTER_CONFIG_DIR": str(folder)}, capture_output=True)
    assert not (course / "gradebook.db").exists()
    with Gradebook(url) as gradebook:
        assert gradebook.find_grade("rescale-check", "tiny", "tiny", "ada").auto_score is None


def test_the_table_at_the_end_says_why_nobody_was_graded(course):
    console = Console(file=io.StringIO(), width=100)
    console.print(terminal.summary(course, "tiny", classroom.Summary({}, set(), {"Last, First": "the id is not plain"})))
    assert "the id is not plain" in console.file.getvalue()


@needs_sandbox
def test_neither_secret_nor_oracle_nor_classmate_travels(course):
    with contextlib.chdir(course):
        room = Classroom.open(course, "tiny")
        ((_, job),) = room.jobs(room.work(["ada"]))
    travels = pickle.dumps(job)
    assert b"def rescale" in travels
    for private in (room.secret, b"checks_", b"gradebook", b"by Cai", str(course).encode()):
        assert private not in travels


def test_who_has_handed_in_nothing_is_named(course):
    assert "nothing of 'zoe' lies in" in grader(course, "autograde", "tiny", "--student", "zoe", code=1)
    assert "'cnn' has not been released here" in grader(course, "autograde", "cnn", code=1)
