"""The builder: what it splices, what it refuses, and that it repeats itself byte for byte."""

import ast

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course.cells import CELL_SECONDS, NOTEBOOK_SECONDS, is_untouched_look
from grader.classroom.coursedir import release_file
from grader.errors import BuildError, CheckError
from grader.handout import build as builder
from grader.handout.notebook import LIMITS, demand_clean_release, source_notebook
from grader.proving import calibrate
from grader.proving.notebooks import run_of
from grader.units.shelf import find_unit
from harness import COURSE, UNITS

TEXT = """# %% [markdown] title="Tiny" minutes=5
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


CHECK = """from grader.judging import Call, Case, Check
CHECK = Check(lambda rng: [Case("value", Call((3,)))], lambda n: 2 * n, mistakes={}, alternatives=(), off_limits=("x.double",))
"""


@pytest.fixture
def tiny(tmp_path):
    """Makes a course directory with a unit of its own, and gives the unit."""

    def write(text=TEXT, solution=SOLUTION):
        checks = {f"checks/tiny/{name}.py": CHECK for name in ("double", "Scale")}
        for path, content in {"units/tiny.py": text, "solutions/tiny.py": solution, **checks}.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(content)
        return find_unit(tmp_path, "tiny")

    return write


def cells_of(notebook):
    return {cell.id: cell for cell in notebook.cells}


CLAIMS = """
# %% claims=true
assert Scale(2).call(2) == 4, "the text says 4"
"""


def test_what_a_text_claims_is_asserted_of_its_cells_and_stands_in_no_notebook(tiny):
    assert cells_of(source_notebook(tiny(TEXT + CLAIMS))).keys() == cells_of(source_notebook(tiny())).keys()
    assert run_of(tiny(TEXT + CLAIMS)).seen(1).holds
    seen = run_of(tiny(TEXT + CLAIMS.replace("== 4", "== 5"))).seen(1)
    assert not seen.holds and seen.verdict == "cell 9 fails: AssertionError: the text says 4"


def test_nothing_else_uses_what_claims_define(tiny):
    with pytest.raises(BuildError, match="the cell uses 'once', which no cell above defines"):
        source_notebook(tiny(TEXT + "\n# %% claims=true\nonce = 1\n\n# %%\nprint(once)\n"))
    with pytest.raises(BuildError, match="the cell defines 'np' anew"):
        source_notebook(tiny(TEXT + "\n# %% claims=true\nnp = 1\n"))
    with pytest.raises(BuildError, match="what is marked claims= stands in a cell of code of its own"):
        source_notebook(tiny(TEXT.replace('check="double" points=2', 'check="double" points=2 claims=true')))


def test_answers_stand_between_marks_and_the_rest_is_given(tiny):
    cells = cells_of(source_notebook(tiny()))
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


def test_the_release_shows_stubs_and_keeps_ids(tiny, tmp_path):
    files = builder.build(tmp_path, [tiny()])
    source, release = (nbformat.reads(text, as_version=4) for text in files.values())
    assert [cell.id for cell in source.cells] == [cell.id for cell in release.cells]
    cells = cells_of(release)
    assert cells["double"].source.endswith('"""Twice x."""\n    # Your code here.\n    raise NotImplementedError()')
    assert cells["double-check"].source == 'assert double(2) == 4, "is it twice?"'
    ast.parse(cells["Scale"].source)
    assert files == builder.build(tmp_path, [tiny()])


def test_stale_releases_are_found(tiny, tmp_path):
    files = builder.build(tmp_path, [tiny()])
    release = tmp_path / "assignments" / "tiny" / "tiny.ipynb"
    assert builder.stale(tmp_path, files) == [release]
    builder.write(files)
    assert builder.stale(tmp_path, files) == []
    release.write_text(release.read_text() + " ")
    assert builder.stale(tmp_path, files) == [release]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('exercise="double"', 'exercise="treble"', r"tiny\.py:\d+: .*no exercise|stands before|there is none"),
        ('check="double"', 'check="treble"', r"tiny\.py:13: check 'treble'"),
        (" points=2", "", r"tiny\.py:13: check 'double' needs points"),
        (" points=2", " points=two", r"tiny\.py:13: the marker cannot be read: .*; texts stand in quotes"),
        (" points=2", ' points="2"', r"tiny\.py:13: check 'double' needs points=<a multiple of 0\.25>, found '2'"),
        ('title="Tiny"', 'title="Tiny" points=2', r"tiny\.py:1: points= stands in a cell that is no check"),
        (" points=2", " points=-1", r"tiny\.py:13: check 'double' needs points"),
        (" points=2", " points=0.126", r"tiny\.py:13: check 'double' needs points=<a multiple of 0\.25>"),
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
def test_a_wrong_text_is_refused_with_its_place(tiny, old, new, message):
    assert old in TEXT
    with pytest.raises(BuildError, match=message):
        source_notebook(tiny(text=TEXT.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def double", "def duble", r"tiny\.py:11: .*solutions/tiny\.py defines no function or class 'double'"),
        ("np.add(x, x)", "helper(x)", r"tiny\.py:11: the reference of 'double' uses 'helper'"),
        ("return twice", "return twice)", r"solutions/tiny\.py:10: unmatched '\)'"),
        ("x * self.factor", "double(x) * self.factor", r"tiny\.py:19: the reference of 'Scale' uses 'double'"),
    ],
)
def test_a_wrong_solution_is_refused_with_its_place(tiny, old, new, message):
    with pytest.raises(BuildError, match=message):
        source_notebook(tiny(solution=SOLUTION.replace(old, new, 1)))


def test_each_exercise_needs_its_heading(tiny):
    with pytest.raises(BuildError, match=r"no heading .* introduces exercise 'Scale'"):
        source_notebook(tiny(text=TEXT.replace("# ### `Scale`", "# Scale")))


def test_comments_of_an_answer_without_a_docstring_go_with_it(tiny):
    notebook = source_notebook(tiny(solution=SOLUTION.replace('    """Twice x."""\n', "")))
    assert cells_of(notebook)["double"].source.startswith("def double(x):\n    ### BEGIN SOLUTION\n    # Adding is enough.")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (new_code_cell("twice = np.add(x, x) * 1.0"), "a line of the answer to 'double'"),
        (new_markdown_cell("Hint:\n\n    scaled_by_factor = x * self.factor"), "a line of the answer to 'Scale'"),
        (new_code_cell("probe(double)"), r"shows 'probe\('"),
        (new_code_cell("### BEGIN HIDDEN TESTS\n"), "BEGIN HIDDEN TESTS"),
    ],
)
def test_a_release_that_tells_is_refused(tiny, cell, message):
    unit = tiny().text
    demand_clean_release(unit, new_notebook(cells=[new_code_cell("print(1)")]))
    with pytest.raises(BuildError, match=message):
        demand_clean_release(unit, new_notebook(cells=[cell]))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("double.py", None, r"exercise 'double' of 'tiny' has no check: write .*checks/tiny/double\.py"),
        ("double.py", "", r"checks/tiny/double\.py: expected CHECK = Check\(…\), found none"),
        ("double.py", "CHECK = 3", r"checks/tiny/double\.py: expected CHECK = Check\(…\), found int"),
        (
            "double.py",
            CHECK.replace('("x.double",)', '("x.double")'),
            r"double\.py:2: TypeError: off_limits is a tuple, found str",
        ),
        ("double.py", CHECK.replace("alternatives=()", 'alternatives=((("zz", "b"),),)'), r"an edit's text occurs 0 times"),
        ("double.py", CHECK.replace("alternatives=()", 'alternatives=(("a", "b"),)'), r"edits are pairs, \(\(old, new\), …\)"),
        ("double.py", CHECK.replace("Call((3,))", "Call(3)"), r"TypeError: args of a call are a tuple"),
        (
            "double.py",
            CHECK.replace("2 * n", "1 / 0"),
            r"double\.py:2: ZeroDivisionError: division by zero",
        ),
        ("double.py", "\nCHECK = (", r"checks/tiny/double\.py:2: SyntaxError: '\(' was never closed"),
        ("double.py", "\nimport no_such", r"checks/tiny/double\.py:2: ModuleNotFoundError: No module named 'no_such'"),
        ("double.py", "from ._shared import CHECK", r"checks/tiny/_shared\.py:1: ZeroDivisionError: division by zero"),
        ("treble.py", CHECK, r"checks/tiny/treble\.py: .*units/tiny\.py has no exercise of that name"),
    ],
)
def test_exercises_and_checks_must_be_the_same_and_whole(tiny, tmp_path, file, text, message):
    unit = tiny()
    (unit.checks_folder / "_shared.py").write_text("1 / 0")
    path = unit.checks_folder / file
    path.unlink(missing_ok=True)
    if text is not None:
        path.write_text(text)
    with pytest.raises((BuildError, CheckError), match=message):
        builder.build(tmp_path, [unit])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (' title="Tiny"', "", "title is missing, expected a text"),
        ("minutes=5", 'minutes="5"', "minutes is '5', expected a positive number"),
        ("minutes=5", "minutes=0", "minutes is 0, expected a positive number"),
        ("minutes=5", 'minutes=5 order="first"', "order is a number"),
    ],
)
def test_a_unit_says_first_what_it_is(tiny, old, new, message):
    with pytest.raises(BuildError, match=rf"tiny\.py:1: the first cell must begin .*; {message}"):
        source_notebook(tiny(text=TEXT.replace(old, new, 1)))


def test_the_release_tells_what_is_off_limits_and_what_lies_beside_it(tiny, tmp_path):
    unit = tiny()
    (tmp_path / "units" / "tiny" / "data").mkdir(parents=True)
    (tmp_path / "units" / "tiny" / "data" / "words.txt").write_bytes(b"a\xff")
    (tmp_path / "units" / "tiny" / "__pycache__").mkdir()
    (tmp_path / "units" / "tiny" / "__pycache__" / "x.pyc").write_bytes(b"")
    files = builder.build(tmp_path, [unit])
    for folder in ("build/source", "assignments"):
        assert files[tmp_path / folder / "tiny" / "data" / "words.txt"] == b"a\xff"
    release = nbformat.reads(files[tmp_path / "assignments" / "tiny" / "tiny.ipynb"], as_version=4)
    banned = {"double": ["x.double"], "Scale": ["x.double"]}
    assert release.metadata.keras_course == {"off_limits": banned, "files": ["data/words.txt"]}
    (tmp_path / "units" / "tiny" / "other.ipynb").write_text("{}")
    with pytest.raises(BuildError, match=r"other\.ipynb: a unit has one notebook"):
        builder.build(tmp_path, [find_unit(tmp_path, "tiny")])


def test_a_look_cell_is_known_by_its_content(tiny):
    look = source_notebook(tiny()).cells[-1]
    assert is_untouched_look(look)
    look.source += "\nprint(1)"
    assert not is_untouched_look(look)


@pytest.mark.parametrize("unit", UNITS)
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
    exercises = list(UNITS[unit].text.exercises)
    assert UNITS[unit].exercises == sorted(exercises)
    release = nbformat.read(COURSE / "assignments" / unit / f"{unit}.ipynb", as_version=4)
    ids = [cell.metadata.nbgrader.grade_id for cell in release.cells if "nbgrader" in cell.metadata]
    assert ids == ["set-up", *(id for name in exercises for id in (name, f"{name}-check"))]


@pytest.mark.parametrize("unit", UNITS)
def test_what_ships_to_students_holds_no_answer(unit):
    """Neither the package nor the releases; a bare return or a closing bracket is no answer."""
    shipped = [*(COURSE / "course").rglob("*.py"), *(COURSE / "assignments").rglob("*.ipynb")]
    lines = {line.strip(' \t",').removesuffix("\\n") for path in shipped for line in path.read_text().splitlines()}
    for exercise in UNITS[unit].text.exercises.values():
        told = {line.strip() for line in exercise.answer if len(line.strip()) >= 16} & lines
        assert told == set(), exercise.name


def test_the_committed_releases_are_what_the_sources_make():
    assert builder.stale(COURSE, builder.build(COURSE, builder.chosen(COURSE))) == []


@pytest.mark.parametrize("unit", UNITS)
def test_wherever_training_is_asked_for_the_limits_are_said(unit):
    release = nbformat.read(release_file(COURSE, unit), as_version=4)
    texts = {cell.source for cell in release.cells if cell.cell_type == "markdown"}
    for exercise in calibrate.trained_exercises(UNITS[unit]):
        (text,) = (text for text in texts if f"### `{exercise}`" in text)
        assert LIMITS in text and f"{CELL_SECONDS:g} s" in LIMITS and f"{NOTEBOOK_SECONDS:g} s" in LIMITS
