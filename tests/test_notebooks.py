"""The builder: what it splices, what it refuses, and that it repeats itself byte for byte."""

import ast

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course import syllabus
from course.cells import is_untouched_look
from grader.errors import BuildError
from grader.handout import build as builder
from grader.units import checks
from grader.units.text import demand_clean_release, read_unit, source_notebook
from harness import COURSE

TEXT = """# %% [markdown]
# # A unit
# {points} points in {minutes} minutes.
#
# ### `double`

# %% setup=true
import numpy as np
from course.probe import probe

# %% exercise="double"

# %% check="double" points=2
assert double(2) == 4, "is it twice?"

# %% [markdown]
# ### `Scale`

# %% exercise="Scale" write=["call"]

# %% check="Scale" points=1.5
assert Scale(3).call(2) == 6

# %%
print(double(21))
"""

SOLUTION = '''"""Solutions."""

import numpy as np


def double(x):
    """Twice x."""
    # Adding is enough.
    twice = np.add(x, x) * 1.0
    return twice


class Scale:
    """Multiplies."""

    def __init__(self, factor):
        self.factor = factor

    def call(self, x):
        """Scale x."""
        scaled_by_factor = x * self.factor
        return scaled_by_factor

    def name(self):
        return "scale"
'''


@pytest.fixture
def course(tmp_path, monkeypatch):
    unit = syllabus.Unit("tiny", "Tiny", minutes=5, points=3.5)
    monkeypatch.setattr(syllabus, "UNITS", (unit,))

    def write(text=TEXT, solution=SOLUTION):
        for path, content in (("course/units/tiny.py", text), ("solutions/tiny.py", solution)):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(content)
        return tmp_path

    return write


def cells_of(notebook):
    return {cell.id: cell for cell in notebook.cells}


def test_answers_stand_between_marks_and_the_rest_is_given(course):
    cells = cells_of(source_notebook(read_unit(course(), "tiny")))
    assert cells["double"].source == (
        'def double(x):\n    """Twice x."""\n    ### BEGIN SOLUTION\n    # Adding is enough.\n'
        "    twice = np.add(x, x) * 1.0\n    return twice\n    ### END SOLUTION"
    )
    scale = cells["Scale"].source
    assert scale.count("### BEGIN SOLUTION") == 1
    assert scale.index("### END SOLUTION") < scale.index("def name")
    assert "self.factor = factor\n" in scale
    assert cells["double-check"].source.startswith("### BEGIN HIDDEN TESTS\nprobe(double)\n### END HIDDEN TESTS\nassert")
    assert cells["double-check"].metadata.nbgrader.points == 2
    assert next(iter(cells.values())).source == "# A unit\n3.5 points in 5 minutes.\n\n### `double` · 2 points"


def test_the_release_shows_stubs_and_keeps_ids(course, monkeypatch):
    monkeypatch.setattr(builder, "_demand_checks", lambda text: None)
    files = builder.build(course())
    source, release = (nbformat.reads(text, as_version=4) for text in files.values())
    assert [cell.id for cell in source.cells] == [cell.id for cell in release.cells]
    cells = cells_of(release)
    assert cells["double"].source.endswith('"""Twice x."""\n    # Your code here.\n    raise NotImplementedError()')
    assert cells["double-check"].source == 'assert double(2) == 4, "is it twice?"'
    ast.parse(cells["Scale"].source)
    assert files == builder.build(course())


def test_stale_releases_are_found(course, monkeypatch):
    monkeypatch.setattr(builder, "_demand_checks", lambda text: None)
    folder = course()
    files = builder.build(folder)
    release = folder / "assignments" / "tiny" / "tiny.ipynb"
    assert builder.stale(folder, files) == [release]
    builder.write(files)
    assert builder.stale(folder, files) == []
    release.write_text(release.read_text() + " ")
    assert builder.stale(folder, files) == [release]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('exercise="double"', 'exercise="treble"', r"tiny\.py:\d+: .*no exercise|stands before|there is none"),
        ('check="double"', 'check="treble"', r"tiny\.py:13: check 'treble'"),
        (" points=2", "", r"tiny\.py:13: check 'double' needs points"),
        (" points=2", " points=-1", r"tiny\.py:13: check 'double' needs points"),
        (" points=2", " points=0.126", r"tiny\.py:13: check 'double' needs points=<a positive multiple of 0\.25>"),
        ("from course.probe import probe", "", r"tiny\.py: the set-up cell does not import probe"),
        ("print(double(21))", "print(double(21)", r"tiny\.py:25: '\(' was never closed"),
        ("print(double(21))", 'print("""\n# %% no cell\n""")', r"tiny\.py: 9 lines start with '# %%', but they make"),
        ('exercise="Scale" write=["call"]', 'exercise="Scale"', r"tiny\.py:19: write=\[\] must name methods"),
        ('write=["call"]', 'write=["cell"]', r"tiny\.py:19: write=\['cell'\] must name methods"),
        ('exercise="Scale" write=["call"]', 'exercise="double"', r"tiny\.py:19: exercise 'double' is there twice"),
        ('check="Scale"', 'check="double"', r"tiny\.py:21: the check of 'double' is there twice"),
        ("print(double(21))", "print(undefined_name)", r"tiny\.py:24: the cell uses 'undefined_name'"),
        ("# %% setup=true", "# %%", r"expected one cell marked setup=true, found 0"),
        ("# %% setup=true", "# %% set_up=true", r"tiny\.py:7: unknown marker \['set_up'\]"),
        (
            '# %% exercise="double"\n',
            '# %% exercise="double"\nx = 1\n',
            r"tiny\.py:11: the cell of exercise 'double' must be empty",
        ),
    ],
)
def test_a_wrong_text_is_refused_with_its_place(course, old, new, message):
    assert old in TEXT
    with pytest.raises(BuildError, match=message):
        read_unit(course(text=TEXT.replace(old, new, 1)), "tiny")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def double", "def duble", r"tiny\.py:11: .*solutions/tiny\.py defines no function or class 'double'"),
        ("np.add(x, x)", "helper(x)", r"tiny\.py:11: the reference of 'double' uses 'helper'"),
        ("return twice", "return twice)", r"solutions/tiny\.py:10: unmatched '\)'"),
        ("x * self.factor", "double(x) * self.factor", r"tiny\.py:19: the reference of 'Scale' uses 'double'"),
    ],
)
def test_a_wrong_solution_is_refused_with_its_place(course, old, new, message):
    with pytest.raises(BuildError, match=message):
        read_unit(course(solution=SOLUTION.replace(old, new, 1)), "tiny")


def test_points_must_sum_to_the_syllabus(course, monkeypatch):
    monkeypatch.setattr(syllabus, "UNITS", (syllabus.Unit("tiny", "Tiny", minutes=5, points=4),))
    with pytest.raises(BuildError, match=r"points sum to 3\.5, the syllabus says 4"):
        source_notebook(read_unit(course(), "tiny"))


def test_each_exercise_needs_its_heading(course):
    with pytest.raises(BuildError, match=r"no heading .* introduces exercise 'Scale'"):
        source_notebook(read_unit(course(text=TEXT.replace("# ### `Scale`", "# Scale")), "tiny"))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (new_code_cell("twice = np.add(x, x) * 1.0"), "a line of the answer to 'double'"),
        (new_markdown_cell("Hint:\n\n    scaled_by_factor = x * self.factor"), "a line of the answer to 'Scale'"),
        (new_code_cell("probe(double)"), r"shows 'probe\('"),
        (new_code_cell("### BEGIN HIDDEN TESTS\n"), "BEGIN HIDDEN TESTS"),
    ],
)
def test_a_release_that_tells_is_refused(course, cell, message):
    unit = read_unit(course(), "tiny")
    demand_clean_release(unit, new_notebook(cells=[new_code_cell("print(1)")]))
    with pytest.raises(BuildError, match=message):
        demand_clean_release(unit, new_notebook(cells=[cell]))


def test_exercises_and_check_modules_must_be_the_same(course, monkeypatch):
    monkeypatch.setattr(checks, "names", lambda unit: ["Scale"])
    with pytest.raises(BuildError, match=r"exercise 'double' has no check grader/checks/tiny/double\.py"):
        builder.build(course())


def test_a_look_cell_is_known_by_its_content(course):
    look = source_notebook(read_unit(course(), "tiny")).cells[-1]
    assert is_untouched_look(look)
    look.source += "\nprint(1)"
    assert not is_untouched_look(look)


@pytest.mark.parametrize("unit", [unit.id for unit in syllabus.UNITS])
def test_one_name_everywhere(unit):
    """Unit, notebook, solution, checks and test file share one name; so do function, grade_id and check."""
    for path in (
        "course/units/{}.py",
        "solutions/{}.py",
        "grader/checks/{}",
        "tests/test_{}.py",
        "assignments/{0}/{0}.ipynb",
    ):
        assert (COURSE / path.format(unit)).exists(), path.format(unit)
    exercises = list(read_unit(COURSE, unit).exercises)
    assert checks.names(unit) == sorted(exercises)
    release = nbformat.read(COURSE / "assignments" / unit / f"{unit}.ipynb", as_version=4)
    ids = [cell.metadata.nbgrader.grade_id for cell in release.cells if "nbgrader" in cell.metadata]
    assert ids == ["set-up", *(id for name in exercises for id in (name, f"{name}-check"))]
    assert syllabus.unit(unit).off_limits.keys() <= set(exercises)


@pytest.mark.parametrize("unit", [unit.id for unit in syllabus.UNITS])
def test_what_ships_to_students_holds_no_answer(unit):
    """Neither the package nor the releases; a bare return or a closing bracket is no answer."""
    shipped = [*(COURSE / "course").rglob("*.py"), *(COURSE / "assignments").rglob("*.ipynb")]
    lines = {line.strip(' \t",').removesuffix("\\n") for path in shipped for line in path.read_text().splitlines()}
    for exercise in read_unit(COURSE, unit).exercises.values():
        told = {line.strip() for line in exercise.answer if len(line.strip()) >= 16} & lines
        assert told == set(), exercise.name


@pytest.mark.parametrize(
    ("room", "may_import"), [("course", {"course"}), ("solutions", {"course"}), ("grader", {"course", "grader"})]
)
def test_rooms_import_only_what_they_may(room, may_import):
    for path in (COURSE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [item.name for item in node.names] if isinstance(node, ast.Import) else []
            ours = {module.split(".")[0] for module in modules} & {"course", "solutions", "grader"}
            assert ours <= may_import, f"{path}:{node.lineno}"


def test_the_committed_releases_are_what_the_sources_make():
    assert builder.stale(COURSE, builder.build(COURSE)) == []
