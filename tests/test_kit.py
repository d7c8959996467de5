"""The kit: what students get, and that it tells no answer. Whether it installs and runs is in test_docs.py."""

import ast
import re
import sys
import zipfile
from io import BytesIO
from types import ModuleType, SimpleNamespace

import pytest
from IPython.core.interactiveshell import InteractiveShell

from grader.errors import CourseError
from grader.handout.kit import make_kit
from grader.handout.notebook import COLAB
from harness import COURSE, UNITS


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    return make_kit(COURSE, tmp_path_factory.mktemp("kits") / "kit")


def texts(archive):
    """By name, every file in a zip, and in the wheels in it."""
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            content = opened.read(name)
            if name.endswith(".whl"):
                yield from texts(BytesIO(content))
            elif not name.endswith(".keras"):
                yield name, content.decode()


def test_the_kit_holds_what_students_need_and_nothing_of_the_instructors(kit):
    folder, archive = kit
    names = {path.name for path in folder.iterdir()}
    (wheel,) = (name for name in names if name.endswith("-py3-none-any.whl"))
    assert names == {"README.md", "requirements.txt", wheel, *(f"{unit}.ipynb" for unit in UNITS)}
    with zipfile.ZipFile(archive) as opened:
        assert {name.removeprefix("kit/") for name in opened.namelist()} - {""} == names
    inside = [name for name, _ in texts(archive)]
    assert {"course/check.py", "course/probe.py", "course/releases/mlp.ipynb"} <= set(inside)
    assert not [name for name in inside if re.match("(solutions|grader|tests|course/units)/", name)]
    assert (folder / "README.md").read_text() == (COURSE / "docs" / "student.md").read_text()
    assert f"./{wheel}\n" in (folder / "requirements.txt").read_text()


def test_all_that_notebooks_read_is_in_the_wheel(kit):
    folder, _ = kit
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        inside = {name for name in opened.namelist() if name.startswith("course/")}
    paths = [path.relative_to(COURSE) for path in (COURSE / "course").rglob("*") if path.suffix in (".py", ".csv", ".keras")]
    ours = {path.as_posix() for path in paths if path.parts[1] != "units"}
    assert inside == ours | {f"course/releases/{unit}.ipynb" for unit in UNITS}


def telling(source):
    """The lines of a piece of code that give something away, without their indentation."""
    return {line.strip() for line in source.splitlines() if len(line.strip()) >= 25}


def test_no_answer_and_no_oracle_is_in_the_kit(kit):
    _, archive = kit
    shipped = {line.strip(' \t",').removesuffix("\\n") for _, text in texts(archive) for line in text.splitlines()}
    for unit in UNITS:
        for exercise in UNITS[unit].text.exercises.values():
            found = telling("\n".join(exercise.answer)) & shipped
            assert found == set(), exercise.name
            module = ast.parse((COURSE / "grader" / "checks" / unit / f"{exercise.name}.py").read_text())
            for oracle in (node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "oracle"):
                found = telling("\n".join(map(ast.unparse, oracle.body))) & shipped
                assert found == set(), exercise.name


def test_some_units_only_and_nothing_is_overwritten(tmp_path):
    folder, archive = make_kit(COURSE, tmp_path / "small", ["rnn"])
    assert [path.name for path in folder.glob("*.ipynb")] == ["rnn.ipynb"]
    before = archive.read_bytes()
    with pytest.raises(CourseError, match="exists; name another folder"):
        make_kit(COURSE, tmp_path / "small")
    assert archive.read_bytes() == before
    with pytest.raises(CourseError, match="there is no unit 'rrn'; expected some of mlp"):
        make_kit(COURSE, tmp_path / "other", ["rrn"])
    with pytest.raises(CourseError, match="'mlp' is not released: run `nbgrader generate_assignment mlp`"):
        make_kit(tmp_path, tmp_path / "other", ["mlp"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small", "small.zip"]


def test_on_colab_one_cell_installs_the_wheel_and_elsewhere_it_does_nothing(monkeypatch):
    shell, installed = InteractiveShell(), []
    shell.register_magic_function(lambda line: installed.append(line), magic_name="pip")
    assert shell.run_cell(COLAB).success and installed == []
    colab = ModuleType("google.colab")
    colab.files = SimpleNamespace(upload=lambda: {"keras_course_student-0.1.0-py3-none-any.whl": b""})
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    assert shell.run_cell(COLAB).success and installed == []  # course is there already
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert shell.run_cell(COLAB).success
    assert installed == ["install --quiet keras_course_student-0.1.0-py3-none-any.whl"]
