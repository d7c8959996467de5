"""Tables that a text shows: made by a cell of the text, whole or not at all, and known to be stale."""

import shutil

import pytest
from rich.console import Console

from course import data
from course.data.tables import FOLDER
from grader.errors import BuildError, CheckError
from grader.handout.notebook import source_notebook
from grader.proving.notebooks import NOTEBOOK, run_of
from grader.proving.proofs import source_of
from grader.proving.tables import measure, stale, tables_of
from grader.units.shelf import find_unit
from harness import UNITS, call

CELLS = """
# %%
factor = 3

# %% measure="powers"
def powers():
    \"\"\"Powers.\"\"\"
    for exponent in range(4):
        yield {"exponent": exponent, "power": float(factor) ** exponent}
"""


@pytest.fixture
def unit(course):
    """A unit of one's own, whose text has a table."""
    return course(CELLS)


@pytest.fixture
def course(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    text = tmp_path / "units" / "tiny.py"
    before = text.read_text()

    def write(cells):
        text.write_text(before + cells)
        return find_unit(tmp_path, "tiny")

    return write


def test_a_table_is_measured_and_stands_beside_the_notebook_of_an_own_unit(unit, tmp_path):
    (table,) = tables_of(unit)
    assert stale(table) == "was never measured"
    measure([unit], "jax", Console(quiet=True))
    key, *rows = table.file.read_text().splitlines()
    assert table.file == tmp_path / "units" / "tiny" / "powers.csv" and key == table.key("jax")
    assert rows == ["exponent,power", "0,1.0", "1,3.0", "2,9.0", "3,27.0"]
    assert stale(table) == ""


def test_the_command_says_where_it_went(unit, tmp_path):
    assert "powers.csv: 4 rows" in call("measure", "tiny", "--course", tmp_path)


def test_what_a_table_reaches_stales_it_and_nothing_else(unit, course):
    measure([unit], "jax", Console(quiet=True))
    (same,) = tables_of(course(CELLS.replace("Powers.", "All powers.") + "\n# %%\nother = 4\n"))
    assert stale(same) == ""
    (other,) = tables_of(course(CELLS.replace("factor = 3", "factor = 4")))
    assert stale(other) == "something that it depends on has changed"


def test_a_generator_that_fails_leaves_the_old_table(unit, course):
    measure([unit], "jax", Console(quiet=True))
    (table,) = tables_of(unit)
    before = table.file.read_text()
    for bad, said in (("1 / 0", "division by zero"), ("return", "yields no row")):
        failing = course(CELLS.replace("for exponent in range(4):", f"{bad}\n    for exponent in range(4):"))
        with pytest.raises(CheckError, match=said):
            measure([failing], "jax", Console(quiet=True))
    assert table.file.read_text() == before


def test_the_cell_is_in_no_notebook_and_not_run_with_it(unit, course):
    assert not any("powers" in cell.source for cell in source_notebook(unit).cells)
    assert "powers" not in run_of(unit).answer
    with pytest.raises(BuildError, match="the cell defines no 'depth', a generator of the table's rows"):
        source_notebook(course(CELLS.replace('measure="powers"', 'measure="depth"')))
    with pytest.raises(BuildError, match="which no cell above defines"):
        source_notebook(course(CELLS + "\n# %%\npowers()\n"))


def test_columns_that_change_and_texts_that_need_quotes_are_refused(course):
    for row, said in (('{"other": 1}', "expected the columns"), ('{"exponent": "1, 2", "power": 1}', "without commas")):
        changed = CELLS.replace("for exponent", f"yield {{'exponent': 0, 'power': 1}}\n    yield {row}\n    for exponent")
        with pytest.raises(CheckError, match=said):
            measure([course(changed)], "jax", Console(quiet=True))


def test_two_tables_of_one_name_are_refused(course):
    with pytest.raises(BuildError, match="a table 'powers' is measured twice"):
        source_notebook(course(CELLS + CELLS[CELLS.index("# %% measure") :]))


def test_data_beside_the_notebook_stale_a_table_and_a_table_stales_the_notebooks_run(unit, tmp_path):
    measure([unit], "jax", Console(quiet=True))
    law = run_of(unit)
    before = source_of(find_unit(tmp_path, "tiny"), NOTEBOOK, law, "jax")
    (table,) = tables_of(unit)
    table.file.write_text(table.file.read_text().replace("27.0", "28.0"))
    assert source_of(find_unit(tmp_path, "tiny"), NOTEBOOK, law, "jax") != before
    (table.file.parent / "more.csv").write_text("1")
    (table,) = tables_of(find_unit(tmp_path, "tiny"))
    assert stale(table) == "something that it depends on has changed"


@pytest.mark.parametrize("unit", UNITS)
def test_every_table_that_is_shipped_holds_what_its_text_says(unit):
    late = [f"{table.name} {why}" for table in tables_of(UNITS[unit]) if (why := stale(table))]
    assert not late, f"run `make measure UNIT={unit}` and commit what it writes: {late}"


def test_no_table_is_shipped_that_no_text_measures():
    assert set(FOLDER.glob("*.csv")) == {table.file for unit in UNITS.values() for table in tables_of(unit)}


def test_a_table_that_is_shipped_is_read_and_one_that_is_not_is_named():
    table = data.measured("cnn-stacks")
    assert set(table.dtype.names) == {"kind", "depth", "seed", "loss", "accuracy"} and len(table) == 36
    with pytest.raises(FileNotFoundError, match=r"no table 'nothing' was measured; expected one of .*cnn-stacks"):
        data.measured("nothing")
