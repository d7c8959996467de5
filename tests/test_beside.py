"""What lies beside a notebook that was handed in: looked at within limits, used as far as it is harmless, never passed over
without a word."""

import contextlib
import os
import socket
import subprocess

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from test_classroom import CLASS, Scripted, course, points, submit  # noqa: F401  the fixture

from grader.classroom import beside
from grader.classroom.beside import SPARE_MEGABYTES, harmless_name, look
from grader.classroom.room import Classroom
from sandboxes import needs_sandbox

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture(autouse=True)
def _remove_what_python_cannot(tmp_path):
    yield
    subprocess.run(["rm", "-rf", tmp_path], check=True)


def nested(folder, depth):
    with contextlib.chdir(folder):
        for _ in range(depth):
            os.mkdir("d")
            os.chdir("d")
        open("deepest.txt", "w").close()


def odd_things(folder):
    """By what it is, what might lie beside a notebook."""

    def sock():
        with contextlib.chdir(folder), socket.socket(socket.AF_UNIX) as made:
            made.bind("socket")

    return {
        "deep": lambda: nested(folder, 1200),
        "many": lambda: [(folder / f"{number}.txt").touch() for number in range(10_000)],
        "huge": lambda: os.truncate(os.open(folder / "huge.bin", os.O_CREAT | os.O_WRONLY), 5 * 10**9),
        "pipe": lambda: os.mkfifo(folder / "pipe"),
        "pipe for a date": lambda: os.mkfifo(folder / "timestamp.txt"),
        "socket": sock,
        "link": lambda: (folder / "link.txt").symlink_to("/etc/passwd"),
        "link in a closed folder": lambda: [
            (folder / "in").mkdir(),
            (folder / "in" / "link.txt").symlink_to("/etc/passwd"),
            (folder / "in").chmod(0o555),
        ],
        "loop": lambda: (folder / "loop").symlink_to(folder),
        "hard link": lambda: os.link(folder / "tiny.ipynb", folder / "same.txt"),
        "long name": lambda: (folder / ("x" * 251 + ".csv")).touch(),
        "no text for a name": lambda: open(os.fsencode(folder) + b"/\xff\x1b[2J.csv", "w").close(),
    }


def test_what_is_used_and_what_is_passed_over(tmp_path):
    (tmp_path / "in" / "__pycache__").mkdir(parents=True)
    (tmp_path / "in" / "__pycache__" / "x.pyc").touch()
    for name in ("tiny.ipynb", "in/tiny.ipynb", "TINY (1).IPYNB", "in/table.csv", "timestamp.txt"):
        (tmp_path / name).touch()
    (tmp_path / "link.csv").symlink_to(tmp_path / "in" / "table.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    found = look(tmp_path, 100)
    assert found.notebooks == ("TINY (1).IPYNB", "in/tiny.ipynb", "tiny.ipynb")
    assert found.files == ("in/table.csv", "timestamp.txt")
    assert set(found.passed_over) == {"link.csv", "pipe.csv"} and "link" in found.passed_over["link.csv"]
    assert look(tmp_path / "nothing", 100).files == ()


def test_limits_on_depth_number_and_size(tmp_path, monkeypatch):
    nested(tmp_path, 1200)
    (tmp_path / "tiny.ipynb").touch()
    found = look(tmp_path, 100)
    assert found.files == () and list(found.passed_over.values()) == ["it lies more than 20 folders deep"]
    for number in range(300):
        (tmp_path / f"{number}.txt").write_text("1")
    found = look(tmp_path, SPARE_MEGABYTES + 1)
    assert 200 < len(found.files) < 256  # of the 256 pages of a megabyte
    assert len(found.files) + len(found.passed_over) == 301
    assert found.files == look(tmp_path, SPARE_MEGABYTES + 1).files
    monkeypatch.setattr(beside, "MOST_ENTRIES", 299)
    found = look(tmp_path, 100)
    assert found.files == () and found.notebooks == ("tiny.ipynb",) and "299" in str(found.passed_over)


def test_what_the_system_does_not_tell_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "link.csv").symlink_to("tiny.ipynb")
    (tmp_path / "tiny.ipynb").touch()

    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(beside.os, "readlink", refuse)
    found = look(tmp_path, 100)
    assert found.notebooks == ("tiny.ipynb",) and "Permission denied" in found.passed_over["link.csv"]


def test_whatever_changes_is_seen_in_the_digests(tmp_path):
    def digests():
        return list(look(tmp_path, SPARE_MEGABYTES + 2).digests())

    (tmp_path / "tiny.ipynb").write_bytes(bytes(3_000_000))  # more than there is room for files
    (tmp_path / "a.csv").write_text("1")
    before = digests()
    assert digests() == before
    (tmp_path / "tiny.ipynb").write_bytes(bytes(2_999_999) + b"1")
    again = digests()
    (tmp_path / "a.csv").write_text("2")
    assert before != again != digests()
    assert not look(tmp_path, SPARE_MEGABYTES + 2).passed_over


@pytest.mark.parametrize(
    ("names", "passed_over"),
    [
        (["people.csv", "people.csv/x", "lib", "lib/other.csv", "lib.py", "helper.py", "helper/__init__.py"], True),
        (["helper.pyc", "helper.cpython-311-x86_64-linux-gnu.so", "lib.so"], True),
        (["helper.csv", "helper.txt", "people", "people/more.csv", "people.txt", "mine.py"], False),
    ],
)
def test_nothing_stands_in_for_an_instructors_file(tmp_path, names, passed_over):
    for number, name in enumerate(names):
        folder = tmp_path / str(number)
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
        found = look(folder, 100).without(["people.csv", "lib/extra.csv", "helper.py"])
        assert (name in found.passed_over, name in found.files) == (passed_over, not passed_over), name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("data/table.csv", "data/table.csv"),
        ("Figure.PNG", "Figure.PNG"),
        ("index.html", "index.html.txt"),
        ("a/drawing.svg", "a/drawing.svg.txt"),
        ("index.html.", "index.html..txt"),
        ("README", "README.txt"),
        ("x\x1b[2J\n\u202e.csv", "x_[2J__.csv"),
    ],
)
def test_names_under_which_people_look_at_files(name, shown):
    assert harmless_name(name) == shown
    assert len(harmless_name("x" * 251 + ".csv").encode()) < 250


@needs_sandbox
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
def test_whatever_lies_beside_a_notebook_costs_that_submission_at_most(course):  # noqa: F811
    students = []
    for what in odd_things(course):
        student = what.replace(" ", "-")
        submit(course, student, CLASS["ada"])
        odd_things(course / "submitted" / student / "tiny")[what]()
        students.append(student)
    submit(course, "zoe", CLASS["ada"])
    (course / "submitted" / "zoe" / "tiny" / "tiny.ipynb").unlink()
    os.mkfifo(course / "submitted" / "zoe" / "tiny" / "tiny.ipynb")
    before = sorted(os.listdir(course / "submitted" / "link" / "tiny"))
    with contextlib.chdir(course):
        room = Classroom.open(course, "tiny")
        work = room.work([*CLASS, *students, "zoe"])
        assert {student for student, _ in work} == {*CLASS, *students, "zoe"}
        list(room.execute(work, Scripted({})))
        assert {student: room.grade(student) for student in room.students()} == dict.fromkeys(room.students(), "")
        passed_over = {student for student in students if room.passed_over(student)}
    used = {"hard-link", "long-name", "no-text-for-a-name"}
    assert passed_over == {*students} - used
    assert sorted(os.listdir(course / "submitted" / "link" / "tiny")) == before
    assert all(student in points(course) for student in students)
    everything = subprocess.run(["grep", "-rl", "root:", "autograded"], cwd=course, capture_output=True, check=False)
    assert everything.stdout == b""
    assert not [path for path in (course / "autograded").rglob("*") if path.is_symlink()]


@needs_sandbox
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
def test_nothing_that_a_browser_would_run_lies_where_people_look(course):  # noqa: F811
    folder = course / "submitted" / "ada" / "tiny"
    page, drawing = b"<script>alert(1)</script>", b'<svg onload="alert(1)" xmlns="http://www.w3.org/2000/svg"/>'
    for name, content in {
        "index.html": page,
        "a.svg": drawing,
        "index.html.txt": b"",
        "a.png": PNG,
        "b.png": page,
        "t.csv": b"1",
    }.items():
        (folder / name).write_bytes(content)
    (folder / "timestamp.txt").write_text("2026-01-01 10:00:00 UTC")
    with contextlib.chdir(course):
        room = Classroom.open(course, "tiny")
        list(room.execute(room.work(["ada"]), Scripted({})))
        assert room.grade("ada") == ""
        names = {path.name for path in (course / "autograded" / "ada" / "tiny").iterdir()}
        assert names == {
            "tiny.ipynb",
            "index.html.txt",
            "index.html-2.txt",
            "a.svg.txt",
            "a.png",
            "b.png",
            "t.csv",
            "timestamp.txt",
        }
        coursedir = CourseDirectory(config=room.config, assignment_id="tiny", student_id="ada")
        GenerateFeedback(coursedir=coursedir, config=room.config).start()
    assert {path.name for path in (course / "feedback" / "ada" / "tiny").iterdir()} == {"tiny.html", "a.png", "timestamp.txt"}


def waiting(course, student):  # noqa: F811
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        notebook = gradebook.find_submission_notebook("tiny", "tiny", student)
        comments = {comment.auto_comment for comment in notebook.comments}
        return all(grade.needs_manual_grade for grade in notebook.grades), " ".join(filter(None, comments))


@needs_sandbox
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
def test_answers_in_another_notebook_are_for_a_person(course):  # noqa: F811
    solved = (course / "submitted" / "ada" / "tiny" / "tiny.ipynb").read_text()
    untouched = nbformat.writes(nbformat.read(course / "assignments" / "tiny" / "tiny.ipynb", as_version=4))
    handed_in = {
        "copy": {"tiny.ipynb": untouched, "tiny (1).ipynb": solved},
        "within": {"tiny/tiny.ipynb": solved},
        "capitals": {"TINY.ipynb": solved},
        "latin": {"L\udcf6sung.ipynb": solved},
        "both": {"tiny.ipynb": solved, "tiny (1).ipynb": solved},
        "neither": {"tiny.ipynb": untouched, "notes.ipynb": untouched},
    }
    for student, notebooks in handed_in.items():
        for name, text in notebooks.items():
            path = course / "submitted" / student / "tiny" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    with contextlib.chdir(course):
        room = Classroom.open(course, "tiny")
        assert {*handed_in} <= {*room.students()}
        list(room.execute(room.work(list(handed_in)), Scripted({})))
        failed = {student: room.grade(student) for student in handed_in}
        named = {student: room.passed_over(student) for student in handed_in}
    assert [student for student, why in failed.items() if why] == ["within", "capitals", "latin"]
    assert "Traceback" not in "".join(failed.values())
    assert waiting(course, "latin")[0]
    for student, name in {"copy": "tiny (1).ipynb", "within": "tiny/tiny.ipynb", "capitals": "TINY.ipynb"}.items():
        asked, comment = waiting(course, student)
        assert asked and name.replace("`", "") in comment and name in named[student]
    assert not waiting(course, "both")[0] and "tiny (1).ipynb" in named["both"]
    assert not waiting(course, "neither")[0] and "notes.ipynb" in named["neither"]
