"""Notebooks as people really save them grade like the original: the grader sees the same cells, so it draws the same inputs."""

import nbformat
import pytest
from saved import PROGRAMS

from course import check
from course.cells import SETUP, check_id, checked_exercise, grade_id, is_untouched_look
from grader.classroom.coursedir import release_file, source_file
from grader.classroom.plugin.restore import Release, restore
from grader.classroom.plugin.submission import SubmissionExporter
from grader.classroom.questions import digest_of
from grader.handout.build import build
from grader.handout.demo import submissions
from harness import COURSE, UNITS


@pytest.fixture(scope="module", params=UNITS)
def unit(request):
    """A unit's id, what the grader knows of its notebook, and the file of a student who answered everything."""
    files = build(COURSE, [UNITS[request.param]])
    source, release = (
        nbformat.reads(files[place(COURSE, request.param)], as_version=4) for place in (source_file, release_file)
    )
    cells = {grade_id(cell): cell.source for cell in source.cells}
    points = {name: cell.metadata.nbgrader.points for cell in source.cells if (name := checked_exercise(cell))}
    known = Release(
        cells[SETUP],
        {name: cells[check_id(name)] for name in points},
        points,
        frozenset(cell.source for cell in source.cells if cell.cell_type == "markdown"),
        frozenset(cell.source for cell in source.cells if is_untouched_look(cell)),
    )
    student, text = next(submissions(UNITS[request.param], release))
    assert student == "reference"
    return request.param, known, text


def restored(path, known):
    seen = []
    exporter = SubmissionExporter()
    exporter.from_notebook_node = lambda notebook, **kwargs: seen.append(notebook)
    exporter.from_filename(str(path))
    (notebook,) = seen
    notebook.cells = restore(notebook.cells, known)
    return notebook


def form(notebook):
    return [(cell.cell_type, grade_id(cell), cell.source, cell.metadata) for cell in notebook.cells]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_what_is_graded_is_the_same(unit, program, tmp_path):
    name, known, text = unit
    path = tmp_path / f"{name}.ipynb"
    path.write_text(text)
    original = restored(path, known)
    path.write_bytes(program(text))
    found = restored(path, known)
    assert form(found) == form(original)
    assert digest_of(found, {}) == digest_of(original, {})
    assert [is_untouched_look(cell) for cell in found.cells] == [is_untouched_look(cell) for cell in original.cells]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_the_check_before_handing_in_finds_every_check(unit, program, tmp_path):
    name, known, text = unit
    path = tmp_path / f"{name}.ipynb"
    path.write_bytes(program(text))
    notebook = check._read(path)
    release, unit = check._handed_out(path, notebook)
    assert unit == name
    given = {checked_exercise(cell): cell for cell in release.cells if checked_exercise(cell)}
    places = check._checks(notebook, given)
    assert list(places) == list(known.checks)
    assert all(check._plain(notebook.cells[place]) == check._plain(given[exercise]) for exercise, place in places.items())
    assert not list(check._problems(path, name, notebook, release))
