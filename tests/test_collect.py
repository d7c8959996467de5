"""From an archive of a learning management system to submissions: who, which attempt, when; no file costs another."""

import io
import os
import shutil
import stat
import tarfile
import unicodedata
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from nbgrader.api import Gradebook
from rich.console import Console
from test_cli import call

from grader.classroom.archives import BYTES
from grader.classroom.collect import collect
from grader.classroom.dates import doubt
from grader.classroom.plugin.hooks import settle_timestamp
from grader.reports import terminal
from grader.shown import is_plain

DUE = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)
BEFORE, AFTER = DUE - timedelta(days=2), DUE + timedelta(days=2)


@pytest.fixture
def course(tmp_path, empty_gradebook):
    folder = tmp_path / "course"
    folder.mkdir()
    shutil.copyfile(empty_gradebook, folder / "gradebook.db")
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as gradebook:
        gradebook.add_assignment("mlp", duedate=DUE.replace(tzinfo=None))
        gradebook.add_notebook("mlp", "mlp")
    return folder


def pack(path, files, when=BEFORE, **flags):
    """A zip archive of files by name, with dates of this machine's time, as zip archives have them."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, when.astimezone().timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = flags.get(name, 0)
            archive.writestr(info, content)
    return path


def submitted(course):
    """All that lies in submitted/, by path."""
    root = course / "submitted"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def notebooks(course):
    return {path.split("/")[0]: content for path, content in submitted(course).items() if path.endswith("/mlp/mlp.ipynb")}


def faults(rows):
    return [row for row in rows if row.fault]


NAMES = {
    "lovelaceada_101_5001_mlp.ipynb": "lovelaceada",
    "lovelaceada_LATE_101_5001_mlp.ipynb": "lovelaceada",
    "müllerjörg_101_5001_mlp.ipynb": "müllerjörg",
    unicodedata.normalize("NFD", "müllerjörg_101_5001_mlp.ipynb"): "müllerjörg",
    "李明_101_5001_mlp.ipynb": "李明",
    "smithjohn2_101_5001_mlp.ipynb": "smithjohn2",
    "hopper-grace_101_5001_mlp.ipynb": "hopper-grace",
    "o_neilshaun_101_5001_mlp.ipynb": "o_neilshaun",
    "turingalan_102_5002_mlp-1.ipynb": "turingalan",
    "turingalan_102_5002_mlp-12.ipynb": "turingalan",
    "turingalan_102_5002_mlp (1).ipynb": "turingalan",
    "turingalan_102_5002_mlp(2).ipynb": "turingalan",
    "turingalan_102_5002_mlp (1)-1.ipynb": "turingalan",
    "turingalan_102_5002_mlp-Copy1.ipynb": "turingalan",
    "turingalan_102_5002_MLP.ipynb": "turingalan",
    "turingalan_102_5002_mlp.ipynb.txt": "turingalan",
    "anon_a1B2c_5002_mlp.ipynb": "anon_a1B2c",
    "LATE_anon_a1B2c_5002_mlp.ipynb": "anon_a1B2c",
    "submissions/turingalan_102_5002_mlp.ipynb": "turingalan",
    "Ada Lovelace_101_assignsubmission_file_/mlp.ipynb": "Ada Lovelace",
    "Ada Lovelace_101_assignsubmission_file/mlp.ipynb": "Ada Lovelace",
    "Ada Lovelace_101_assignsubmission_file_/work/mlp.ipynb": "Ada Lovelace",
    "Ada Lovelace_101_assignsubmission_file_mlp.ipynb": "Ada Lovelace",
    "Jörg Müller-Lüdenscheid_101_assignsubmission_file_/mlp (1).ipynb": "Jörg Müller-Lüdenscheid",
    "mlp-12345/Ada Lovelace_101_assignsubmission_file_/mlp.ipynb": "Ada Lovelace",
}


@pytest.mark.parametrize(("name", "student"), NAMES.items())
def test_a_name_tells_whose_notebook_it_is(course, tmp_path, name, student):
    rows = collect(course, "mlp", [pack(tmp_path / "all.zip", {name: b"work"})])
    assert notebooks(course) == {student: b"work"} and not faults(rows)


HOSTILE = [
    "notebook.ipynb",
    "lovelaceada_101_mlp.ipynb",
    "_101_5001_mlp.ipynb",
    ".._101_5001_mlp.ipynb",
    "<b>ada_101_5001_mlp.ipynb",
    "ada\x1b[31m_101_5001_mlp.ipynb",
    "../../evil_101_5001_mlp.ipynb",
    "/etc/evil_101_5001_mlp.ipynb",
    "C:evil_101_5001_mlp.ipynb",
    "..\\evil_101_5001_mlp.ipynb",
    "Ada_101_assignsubmission_file_/../../mlp.ipynb",
    "Ada_101_assignsubmission_file_//mlp.ipynb",
    "Ada_101_assignsubmission_onlinetext_/onlinetext.html",
    "ada_101_text.html",
    "a" * 300 + "_101_5001_mlp.ipynb",
    "a/" * 20 + "ada_101_5001_mlp.ipynb",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_tells_nothing_is_named_and_costs_nobody_else(course, tmp_path, name):
    rows = collect(course, "mlp", [pack(tmp_path / "all.zip", {name: b"x", "turingalan_102_5002_mlp.ipynb": b"work"})])
    assert set(submitted(course)) == {"turingalan/mlp/mlp.ipynb", "turingalan/mlp/timestamp.txt"}
    assert len(faults(rows)) == 1 and list(tmp_path.rglob("*evil*")) == []
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    console.print(terminal.collected("mlp", rows))
    assert "\x1b" not in console.file.getvalue()


def test_the_latest_attempt_of_a_student_counts(course, tmp_path):
    files = {"ada_1_5001_mlp.ipynb": b"1", "ada_1_5009_mlp-2.ipynb": b"3", "ada_1_5005_mlp-1.ipynb": b"2"}
    rows = collect(course, "mlp", [pack(tmp_path / "all.zip", files)])
    assert notebooks(course) == {"ada": b"3"} and not faults(rows)
    assert sorted(row.said for row in rows if "passed over" in row.said) == ["passed over: there is a later mlp.ipynb"] * 2


def test_a_round_replaces_the_one_before_whole_and_none_after_it(course, tmp_path):
    first = pack(tmp_path / "1.zip", {"ada_1_5001_mlp.ipynb": b"1", "ada_1_5002_old.csv": b"o", "ben_2_5003_mlp.ipynb": b"b"})
    second = pack(tmp_path / "2.zip", {"ada_1_6001_mlp-1.ipynb": b"2", "ada_1_6002_new.csv": b"n"})

    def said(*archives):
        rows = collect(course, "mlp", archives)
        assert not faults(rows)
        return {row.student: row.said for row in rows}

    assert said(first) == {"ada": "new", "ben": "new"}
    once = submitted(course)
    assert set(once) == {f"ada/mlp/{name}" for name in ("mlp.ipynb", "old.csv", "timestamp.txt")} | {
        "ben/mlp/mlp.ipynb",
        "ben/mlp/timestamp.txt",
    }
    times = {path: path.stat().st_mtime_ns for path in (course / "submitted").rglob("*")}
    assert said(first) == {"ada": "as it was", "ben": "as it was"}
    assert {path: path.stat().st_mtime_ns for path in (course / "submitted").rglob("*")} == times
    assert said(second) == {"ada": "replaces what was collected before"}
    assert notebooks(course) == {"ada": b"2", "ben": b"b"} and "ada/mlp/old.csv" not in submitted(course)
    twice = submitted(course)
    assert said(first)["ada"] == "passed over: a later attempt was collected before"
    assert said(second, first)["ada"] == "as it was" or submitted(course) == twice
    assert submitted(course) == twice
    assert [path.name for path in (course / "submitted" / "ada").iterdir()] == ["mlp"]  # nothing is left half-way


def test_without_numbers_the_later_archive_counts(course, tmp_path):
    name = "Ada Lovelace_101_assignsubmission_file_/mlp.ipynb"
    old, new = (pack(tmp_path / f"{n}.zip", {name: str(n).encode()}, BEFORE + timedelta(hours=n)) for n in (1, 2))
    for archives in ([new, old], [old], [new], [old, new]):
        collect(course, "mlp", archives)
        assert notebooks(course) == {"Ada Lovelace": b"2"}


def test_what_a_person_put_there_or_changed_is_not_lost(course, tmp_path):
    mine = course / "submitted" / "ada" / "mlp" / "mlp.ipynb"
    mine.parent.mkdir(parents=True)
    mine.write_text("by e-mail")
    first = pack(tmp_path / "1.zip", {"ada_1_5001_mlp.ipynb": b"1"})
    (row,) = faults(collect(course, "mlp", [first]))
    assert "not collected from an archive" in row.said and mine.read_text() == "by e-mail"
    mine.write_text("1")
    assert not faults(collect(course, "mlp", [first]))
    mine.write_text("mended")
    assert not faults(collect(course, "mlp", [first]))  # nothing newer is passed over
    (row,) = faults(collect(course, "mlp", [pack(tmp_path / "2.zip", {"ada_1_6001_mlp.ipynb": b"2"})]))
    assert "changed since it was collected" in row.said and mine.read_text() == "mended"


def damaged(path):
    """A zip archive whose first member's bytes are others than its checksum says."""
    content = bytearray(path.read_bytes())
    content[60:64] = b"\xff\x00\xff\x00"
    path.write_bytes(content)
    return path


def encrypted(path):
    content = path.read_bytes()
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.index(mark) + place
        content = content[:start] + bytes([content[start] | 1]) + content[start + 1 :]
    path.write_bytes(content)
    return path


BIG = b"0" * (BYTES + 1)
LINK = (stat.S_IFLNK | 0o777) << 16
BAD = {
    "a member that is damaged": lambda p: damaged(
        pack(p, {"bad_1_5001_mlp.ipynb": os.urandom(99), "good_2_5_mlp.ipynb": b"g"})
    ),
    "an encrypted member": lambda p: encrypted(pack(p, {"bad_1_5001_mlp.ipynb": b"x", "good_2_5_mlp.ipynb": b"g"})),
    "a link": lambda p: pack(
        p, {"bad_1_5_mlp.ipynb": b"/etc/passwd", "good_2_5_mlp.ipynb": b"g"}, **{"bad_1_5_mlp.ipynb": LINK}
    ),
    "a bomb": lambda p: pack(p, {"bad_1_5001_mlp.ipynb": BIG, "good_2_5_mlp.ipynb": b"g"}),
    "a damaged zip of a student's": lambda p: pack(p, {"bad_1_5001_mlp.zip": b"PK\x03\x04", "good_2_5_mlp.ipynb": b"g"}),
    "no notebook": lambda p: pack(p, {"bad_1_5001_mlp.pdf": b"%PDF", "good_2_5_mlp.ipynb": b"g"}),
    "files in one another": lambda p: pack(
        p, {"bad_1_5_mlp.zip": _inner({"mlp.ipynb": b"", "a": b"", "a/b": b""}), "good_2_5_mlp.ipynb": b"g"}
    ),
}


def _inner(files):
    content = io.BytesIO()
    pack(content, files)
    return content.getvalue()


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_what_is_wrong_with_one_costs_nobody_else(course, tmp_path, make):
    rows = collect(course, "mlp", [make(tmp_path / "all.zip")])
    assert notebooks(course) == {"good": b"g"}
    assert faults(rows) and all("bad" in row.student + row.file for row in faults(rows))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 damaged", b"PK\x05\x06" + bytes(18), None])
def test_an_archive_that_cannot_be_read_costs_no_other(course, tmp_path, content):
    if content is not None:
        (tmp_path / "1.zip").write_bytes(content)
    good = pack(tmp_path / "2.zip", {"ada_1_5001_mlp.ipynb": b"1"})
    rows = collect(course, "mlp", [tmp_path / "1.zip", good])
    assert notebooks(course) == {"ada": b"1"} and [row.file for row in faults(rows)] == [str(tmp_path / "1.zip")]


def test_a_damaged_latest_file_leaves_the_one_before_and_is_said(course, tmp_path):
    archive = damaged(pack(tmp_path / "1.zip", {"ada_1_5009_mlp-1.ipynb": os.urandom(99), "ada_1_5001_mlp.ipynb": b"1"}))
    rows = collect(course, "mlp", [archive])
    assert notebooks(course) == {"ada": b"1"} and "5009" in faults(rows)[0].file
    collect(course, "mlp", [pack(tmp_path / "2.zip", {"ada_1_5009_mlp-1.ipynb": b"2", "ada_1_5001_mlp.ipynb": b"1"})])
    assert notebooks(course) == {"ada": b"2"}


def test_files_beside_the_notebook_come_along_but_no_date_of_the_students(course, tmp_path):
    inner = _inner({"mlp/mlp.ipynb": b"n", "mlp/data.csv": b"d", "timestamp.txt": b"1999-01-01", "__MACOSX/._mlp.ipynb": b""})
    files = {"ada_1_1_mlp.zip": inner, "ben_2_2_mlp.ipynb": b"b", "ben_2_3_help.py": b"h", "ben_2_4_timestamp.txt": b"1999"}
    rows = collect(course, "mlp", [pack(tmp_path / "all.zip", files)])
    found = submitted(course)
    assert found.pop("ada/mlp/timestamp.txt") == found.pop("ben/mlp/timestamp.txt") and not faults(rows)
    assert found == {
        "ada/mlp/mlp.ipynb": b"n",
        "ada/mlp/data.csv": b"d",
        "ben/mlp/mlp.ipynb": b"b",
        "ben/mlp/help.py": b"h",
    }
    assert sum("timestamp.txt" in row.said for row in rows) == 2


def test_other_notebooks_keep_their_names_and_are_said(course, tmp_path):
    (row,) = collect(course, "mlp", [pack(tmp_path / "all.zip", {"ada_1_1_homework.ipynb": b"h"})])
    assert "ada/mlp/homework.ipynb" in submitted(course) and "no file of it is called mlp.ipynb" in row.said


@pytest.mark.parametrize(
    ("name", "when", "date"),
    [
        ("ada_1_1_mlp.ipynb", BEFORE, BEFORE),
        ("ada_1_1_mlp.ipynb", AFTER, None),  # by its name not late: the archive was made later
        ("ada_LATE_1_1_mlp.ipynb", AFTER, AFTER),
        ("ada_LATE_1_1_mlp.ipynb", BEFORE, "LATE"),
        ("Ada_1_assignsubmission_file_/mlp.ipynb", BEFORE, BEFORE),
        ("Ada_1_assignsubmission_file_/mlp.ipynb", AFTER, None),
    ],
)
def test_a_date_is_written_where_the_archive_knows_it(course, tmp_path, name, when, date):
    (row,) = collect(course, "mlp", [pack(tmp_path / "all.zip", {name: b"1"}, when)])
    (folder,) = (course / "submitted").glob("*/mlp")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    settle_timestamp(folder)
    if date == "LATE":  # which nbgrader could not count: a person is asked
        assert "LATE" in doubt(folder) and "LATE" in row.date
    else:
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before and doubt(folder) == ""
        expected = f"{date:%Y-%m-%d %H:%M:%S}.000000 UTC" if date else None
        assert before.get("timestamp.txt", b"").decode() == (expected or "")
    assert bool(date) == ("timestamp.txt" in before)


def test_without_a_due_date_only_what_is_late_has_a_date(course, tmp_path):
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        gradebook.update_or_create_assignment("mlp", duedate=None)
    collect(course, "mlp", [pack(tmp_path / "all.zip", {"ada_1_1_mlp.ipynb": b"1", "ben_LATE_2_2_mlp.ipynb": b"2"})])
    assert [path for path in submitted(course) if path.endswith("timestamp.txt")] == ["ben/mlp/timestamp.txt"]


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # nbgrader's own use of its database
def test_an_extension_counts(course, tmp_path):
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        gradebook.add_student("Ada")
        gradebook.add_submission("mlp", "Ada")
        gradebook.grant_extension("mlp", "Ada", days=7)
    files = {f"{name}_{n}_assignsubmission_file_/mlp.ipynb": b"1" for n, name in enumerate(("Ada", "Ben"))}
    collect(course, "mlp", [pack(tmp_path / "all.zip", files, AFTER)])
    assert [path for path in submitted(course) if path.endswith("timestamp.txt")] == ["Ada/mlp/timestamp.txt"]


def test_people_of_the_same_name_are_not_one(course, tmp_path):
    files = {"leeann_7_1_mlp.ipynb": b"7", "leeann_8_2_mlp.ipynb": b"8", "ben_9_3_mlp.ipynb": b"9"}
    archive = pack(tmp_path / "all.zip", files)
    (row,) = faults(collect(course, "mlp", [archive]))
    assert notebooks(course) == {"ben": b"9"} and "(7, 8)" in row.said
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        gradebook.add_student("ann1", lms_user_id="7")
        gradebook.add_student("ann2", lms_user_id="8")
        gradebook.add_student("x99", first_name="Ada", last_name="Lovelace")
    moodle = pack(tmp_path / "moodle.zip", {"Ada Lovelace_3_assignsubmission_file_/mlp.ipynb": b"a"})
    assert not faults(collect(course, "mlp", [archive, moodle]))
    assert notebooks(course) == {"ben": b"9", "ann1": b"7", "ann2": b"8", "x99": b"a"}


def test_an_expression_of_the_instructors_reads_other_names(course, tmp_path):
    config = r'c.FileNameCollectorPlugin.named_regexp = r".*/(?P<file_id>\w+)@(?P<timestamp>[^@]+)@(?P<student_id>\w+)\.ipynb"'
    (course / "nbgrader_config.py").write_text(f"c = get_config()\n{config}\n")
    files = {"mlp@2024-06-03T02:00+02:00@ada.ipynb": b"1", "ben_2_2_mlp.ipynb": b"2", "mlp@soon@cai.ipynb": b"3"}
    assert not faults(collect(course, "mlp", [pack(tmp_path / "all.zip", files)]))
    assert notebooks(course) == {"ada": b"1", "ben": b"2", "cai": b"3"}
    assert submitted(course)["ada/mlp/timestamp.txt"] == b"2024-06-03 00:00:00.000000 UTC"
    assert submitted(course)["cai/mlp/timestamp.txt"] == b"soon"  # of which grading asks a person


def test_folders_files_and_other_archives_are_read_alike(course, tmp_path):
    folder = tmp_path / "downloaded"
    folder.mkdir()
    (folder / "ada_1_1_mlp.ipynb").write_bytes(b"1")
    (folder / "link_9_9_mlp.ipynb").symlink_to("/etc/passwd")
    pack(folder / "more.zip", {"ben_2_2_mlp.ipynb": b"2"})
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("cai_3_3_mlp.ipynb")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"3"))
        link = tarfile.TarInfo("eve_4_4_mlp.ipynb")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    single = tmp_path / "dot_5_5_mlp.ipynb"
    single.write_bytes(b"5")
    rows = collect(course, "mlp", [folder, tmp_path / "all.tar.gz", single, tmp_path / "nothing.zip"])
    assert notebooks(course) == {"ada": b"1", "ben": b"2", "cai": b"3", "dot": b"5"}
    assert sorted(row.said for row in faults(rows)) == ["is a link, or no file"] * 2 + ["is not there"]


def test_the_command_fails_if_anybody_was_left_out(course, tmp_path):
    good, bad = pack(tmp_path / "1.zip", {"ada_1_1_mlp.ipynb": b"1"}), pack(tmp_path / "2.zip", {"mlp.ipynb": b"?"})
    assert "ada" in call("collect", "mlp", good, "--course", course)
    assert "does not tell who" in " ".join(call("collect", "mlp", good, bad, "--course", course, code=1).split())
    assert "'cnn' has not been released" in call("collect", "cnn", good, "--course", course, code=1)


@pytest.mark.parametrize(("student", "plain"), [("ada", True), ("müller jörg", True), (".", False), ("..", False), ("", False)])
def test_a_path_is_no_id(student, plain):
    assert is_plain(student) is plain
