"""Submissions as they come back: whatever was done to the cells, the answer that a student would run is the one judged."""

import base64
import json
from dataclasses import replace
from types import SimpleNamespace

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import InvalidNotebook
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell
from nbgrader.nbgraderformat import MetadataValidator

from course.cells import LOOK, WHY, content_id, grade_id, is_untouched_look
from grader.classroom.plugin.attachments import MissingPictures
from grader.classroom.plugin.restore import Release, read_release, restore
from grader.classroom.plugin.submission import UNREADABLE, SubmissionExporter
from grader.errors import CourseError

CHECK = "### BEGIN HIDDEN TESTS\nprobe({0})\n### END HIDDEN TESTS\nassert {0}(1)"
RELEASE = Release(
    "import numpy as np", {"f": CHECK.format("f"), "g": CHECK.format("g")}, {"f": 2.0, "g": 3.0}, frozenset({"# Title"})
)
F, G = "def f(x):\n    return x", "def g(x):\n    return 2 * x"


def cell(source, grade_id=None, id=None, tags=(), **marks):
    metadata = {"nbgrader": {"grade_id": grade_id, "schema_version": 3} | marks} if grade_id else {}
    return new_code_cell(source, metadata=metadata | {"tags": list(tags)}, **({"id": id} if id else {}))


def released(f=F, g=G):
    return [
        new_markdown_cell("# Title"),
        cell(RELEASE.setup, "set-up", "set-up", locked=True),
        cell(f, "f", "f", solution=True),
        cell("assert f(1)", "f-check", "f-check", grade=True, points=2),
        cell(g, "g", "g", solution=True),
        cell("assert g(1)", "g-check", "g-check", grade=True, points=3),
    ]


def submitted(cells, tmp_path):
    """What `Restore` sees of these cells, after a round through a file."""
    path = tmp_path / "unit.ipynb"
    path.write_text(nbformat.writes(new_notebook(cells=cells)))
    return read(path).cells


def read(path):
    seen = {}
    exporter = SubmissionExporter()
    exporter.from_notebook_node = lambda notebook, **kwargs: seen.update(notebook=notebook)
    exporter.from_filename(str(path))
    return SimpleNamespace(**seen).notebook


def form(cells):
    """The grade ids, or the first line of what has none."""
    return [c.metadata.get("nbgrader", {}).get("grade_id") or c.source.splitlines()[0] for c in cells]


WHOLE = ["# Title", "set-up", "f", "f-check", "g", "g-check"]


def test_an_intact_submission_gets_its_hidden_lines_back(tmp_path):
    cells = restore(submitted(released(), tmp_path), RELEASE)
    assert form(cells) == WHOLE
    assert [c.source for c in cells if c.metadata.get("nbgrader", {}).get("grade")] == list(RELEASE.checks.values())
    nbformat.validate(new_notebook(cells=cells))


def no_metadata(cells):
    return [new_code_cell(c.source) if c.cell_type == "code" else c for c in cells]


def odd_ids(cells):
    for c in cells[1:]:
        c.metadata.nbgrader.grade_id = "../../etc"
    return cells


def no_checks(cells):
    return [c for c in cells if "check" not in c.id]


def tagged(cells):
    for c in cells:
        c.metadata.tags = ["skip-execution", "raises-exception"]
    return cells


def grade_false(cells):
    for c in cells[1:]:
        c.metadata.nbgrader |= {"grade": False, "locked": False, "solution": True, "points": 100, "schema_version": 1}
    return cells


def markdown_check(cells):
    cells[3].cell_type = "markdown"
    del cells[3]["outputs"], cells[3]["execution_count"]
    return cells


def ids_like_checks(cells):
    for c in cells:
        c.metadata = {}
    return cells


def test_code_typed_into_a_check_stays_as_code(tmp_path):
    whole = released()
    whole[3].source += "\nhelper = 3"
    assert form(restore(submitted(whole, tmp_path), RELEASE)) == [*WHOLE[:4], "assert f(1)", *WHOLE[4:]]


def test_a_set_up_stays_where_it_was(tmp_path):
    cells = restore(submitted([cell("%reset -f"), *released()], tmp_path), RELEASE)
    assert form(cells)[:3] == ["%reset -f", "# Title", "set-up"]


@pytest.mark.parametrize(
    "play", ["f = f(3)", "f = 7", "if True:\n    f = np.exp", "def f(x):\n    raise NotImplementedError()"]
)
def test_play_below_an_answer_is_no_answer(play, tmp_path):
    cells = restore(submitted([*released(), cell(play)], tmp_path), RELEASE)
    assert form(cells)[:-1] == WHOLE
    assert cells[2].source == F


def test_an_answer_beside_an_untouched_stub_counts(tmp_path):
    whole = released(f="def f(x):\n    raise NotImplementedError()")
    cells = restore(submitted([whole[0], cell("f = lambda x: x"), *whole[1:]], tmp_path), RELEASE)
    assert [c.source for c in cells if c.id == "f"] == ["f = lambda x: x"]


@pytest.mark.parametrize(
    "damage", [no_metadata, odd_ids, no_checks, tagged, grade_false, ids_like_checks], ids=lambda f: f.__name__
)
def test_damage_to_metadata_and_checks_is_undone(damage, tmp_path):
    cells = restore(submitted(damage(released()), tmp_path), RELEASE)
    assert form(cells) == WHOLE
    assert [c.source for c in cells[2:]] == [F, RELEASE.checks["f"], G, RELEASE.checks["g"]]
    assert all("tags" not in c.metadata for c in cells)


def test_a_check_made_markdown_is_only_text(tmp_path):
    cells = restore(submitted(markdown_check(released()), tmp_path), RELEASE)
    assert [entry for entry in form(cells) if entry != "```text"] == WHOLE


def test_of_a_cell_pasted_twice_the_last_counts_and_both_run(tmp_path):
    first = released()
    pasted = cell("def f(x):\n    return -x", "f", solution=True)
    cells = restore(submitted([*first[:3], pasted, *first[3:]], tmp_path), RELEASE)
    assert form(cells) == ["# Title", "set-up", "def f(x):", "f", "f-check", "g", "g-check"]
    assert cells[3].source == pasted.source


def test_a_missing_answer_still_has_a_check(tmp_path):
    cells = restore(submitted(released()[:4], tmp_path), RELEASE)
    assert form(cells) == WHOLE
    assert cells[4].source == ""


def test_an_answer_in_another_cell_is_found_by_what_it_defines(tmp_path):
    cells = restore(submitted([new_code_cell(G), *released()[:4]], tmp_path), RELEASE)
    assert form(cells) == ["set-up", "g", "g-check", "# Title", "f", "f-check"]


@pytest.mark.parametrize(
    "source", ["f = lambda x: x", "@staticmethod\ndef f(x):\n    return x", "class f:\n    pass", "def f(x:\n"]
)
def test_definitions_of_any_kind_are_found(source, tmp_path):
    assert form(restore(submitted([new_code_cell(source)], tmp_path), RELEASE))[1:3] == ["f", "f-check"]


def test_two_answers_in_one_cell_each_get_their_check(tmp_path):
    cells = restore(submitted([new_code_cell(f"{F}\n\n{G}")], tmp_path), RELEASE)
    assert form(cells) == ["set-up", "f", "f-check", "g", "g-check"]
    assert cells[1].source == f"{F}\n\n{G}"


def test_helper_cells_stay_where_they_are(tmp_path):
    whole = released()
    helper = cell("def helper(x):\n    return x")
    assert form(restore(submitted([*whole[:2], helper, *whole[2:]], tmp_path), RELEASE))[2] == "def helper(x):"


def test_an_edited_setup_runs_below_the_original(tmp_path):
    whole = released()
    whole[1].source += "\nimport math"
    assert form(restore(submitted(whole, tmp_path), RELEASE)) == ["# Title", "set-up", "import numpy as np", *WHOLE[2:]]


def test_only_a_look_cell_as_released_keeps_its_id(tmp_path):
    plot = "print(f(1))"
    look = content_id(LOOK, plot)
    release = replace(RELEASE, looks=frozenset([plot]))
    for id in (look, "lost-by-an-editor"):
        cells = restore(submitted([cell(plot, id=id), *released()], tmp_path), release)
        assert look in [c.id for c in cells]
    changed = plot + "\nprint(2)"
    for id in (look, content_id(LOOK, changed)):  # a student can make such an id as well
        cells = restore(submitted([cell(changed, id=id), *released()], tmp_path), release)
        assert not any(is_untouched_look(c) for c in cells)


def test_restoring_twice_changes_nothing(tmp_path):
    once = restore(submitted(released(), tmp_path), RELEASE)
    again = restore(submitted(once, tmp_path), RELEASE)
    assert [(c.id, c.source) for c in again] == [(c.id, c.source) for c in once]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no notebook",
        b"[1, 2]",
        b"null",
        b'{"cells": 3}',
        b'{"nbformat": 4, "nbformat_minor": 5, "cells": {"a": 1}}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"nbformat": 99, "cells": []}',
        b'{"worksheets": [], "nbformat": 3}',
    ],
    ids=["empty", "text", "list", "null", "cells 3", "cells dict", "binary", "deep", "nbformat 99", "v3"],
)
def test_any_file_is_read_as_some_notebook(content, tmp_path):
    path = tmp_path / "unit.ipynb"
    path.write_bytes(content)
    notebook = read(path)
    if b"worksheets" not in content:
        assert "unit.ipynb is no notebook" in notebook.metadata[UNREADABLE]
    assert form(restore(notebook.cells, RELEASE)) == ["set-up", "f", "f-check", "g", "g-check"]


def test_cells_that_are_none_are_dropped(tmp_path):
    path = tmp_path / "unit.ipynb"
    path.write_text(
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {"unreadable": "no"}, "cells":'
        ' [1, null, {"source": 3}, {"cell_type": "code", "source": "def f(x): return x", "metadata": 3}]}'
    )
    notebook = read(path)
    assert [c.source for c in notebook.cells] in (["def f(x): return x"], [])


def test_restored_marks_are_valid(tmp_path):
    notebook = new_notebook(cells=restore(submitted(released(), tmp_path), RELEASE))
    MetadataValidator().validate_nb(notebook)
    nbformat.validate(notebook)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_any_unicode_is_read(encoding, tmp_path):
    path = tmp_path / "unit.ipynb"
    path.write_bytes(nbformat.writes(new_notebook(cells=released(f=f"{F}  # żółw"))).encode(encoding))
    assert form(restore(read(path).cells, RELEASE)) == WHOLE
    assert "żółw" in read(path).cells[2].source


@pytest.mark.parametrize("metadata", [None, [], "x", {"nbgrader": None}, {"nbgrader": "x"}, {"nbgrader": {"grade_id": [1]}}])
def test_cells_with_odd_metadata_or_none_are_read(metadata, tmp_path):
    notebook = json.loads(nbformat.writes(new_notebook(cells=released())))
    for c in notebook["cells"]:
        c["metadata"] = metadata
        if metadata is None:
            del c["metadata"]
    path = tmp_path / "unit.ipynb"
    path.write_text(json.dumps(notebook))
    assert form(restore(read(path).cells, RELEASE)) == WHOLE


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (new_markdown_cell, "the cell of `f` is a Markdown cell, so its code does not run: change its type to Code."),
        (new_raw_cell, "the cell of `f` is a raw cell, so its code does not run: change its type to Code."),
        (lambda source: new_code_cell(f"%%timeit -n 3\n{source}"), "the cell of `f` begins with `%%timeit -n 3`, so nothing"),
        (lambda source: new_code_cell(f"%%capture\n{source}"), ""),
        (new_code_cell, ""),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_why_an_answer_defines_nothing_is_known(make, why, named, tmp_path):
    whole = released()
    whole[2] = make(F)
    whole[2].id = "f" if named else "other"
    cells = restore(submitted(whole, tmp_path), RELEASE)
    known = {grade_id(c): c.metadata.get(WHY, "") for c in cells if grade_id(c)}
    assert known["f"].startswith(why) and bool(known["f"]) == bool(why)
    assert known["g"] == ""


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n a picture").decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0 a picture").decode()


@pytest.mark.parametrize(
    ("attachments", "kept"),
    [
        ({"a b.png": {"image/png": PNG}}, {"a b.png": {"image/png": PNG}}),
        ({"a.png": {"image/png": [PNG[:8], PNG[8:]]}}, {"a.png": {"image/png": PNG}}),
        ({"a": {"image/jpeg": f"{JPEG[:8]}\n{JPEG[8:]}", "image/svg+xml": "<svg/>"}}, {"a": {"image/jpeg": JPEG}}),
        ({"a.png": {"image/png": JPEG}}, {}),
        ({"a.png": {"image/png": PNG + '"'}}, {}),
        ({"<img>": {"image/png": PNG}, "a\x1b": {"image/png": PNG}, "x" * 256: {"image/png": PNG}}, {}),
        ({"a.svg": {"image/svg+xml": "<svg onload=alert(1)/>"}, "b": {"text/html": PNG}}, {}),
        ({"a.png": {"image/png": PNG + "AAAA" * 2_000_000}, "b.png": {"image/png": PNG}}, {"b.png": {"image/png": PNG}}),
        ({"a.png": None, "b.png": {"image/png": 3}, "c": []}, {}),
        ([1], {}),
        ("x", {}),
    ],
)
def test_of_attachments_pictures_are_kept(attachments, kept, tmp_path):
    path = tmp_path / "unit.ipynb"
    notebook = json.loads(nbformat.writes(new_notebook(cells=[new_markdown_cell("# Title")])))
    notebook["cells"][0]["attachments"] = attachments
    path.write_text(json.dumps(notebook))
    assert read(path).cells[0].get("attachments", {}) == kept


@pytest.mark.parametrize(
    "source",
    [
        "see ![x](attachment:no.png) there",
        "![x](<attachment:no such.png>)",
        "![x][1]\n\n[1]: attachment:no.png",
        "![x](&#97;ttachment:no.png)",
        '![x](attachment:no.png "title")',
        "![x]( attachment:no.png ) ![y](attachment:a.png)",
    ],
)
def test_what_refers_to_no_picture_is_shown_as_text(source):
    pictures = {"a.png": {"image/png": PNG}}
    notebook = new_notebook(cells=[new_markdown_cell(source, attachments=pictures)])
    with pytest.raises(InvalidNotebook):
        HTMLExporter().from_notebook_node(notebook)
    MissingPictures().preprocess(notebook, {})
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    assert "ttachment:no" in page
    assert (PNG in page) == ("attachment:a.png" in source)


@pytest.mark.parametrize(
    ("cells", "tests", "missing"),
    [
        (("set-up", "f-check", "g", "g-check"), ("f-check", "g-check"), "f"),
        (("set-up", "g", "g-check", "of my own"), ("g-check", "of my own"), "of my own-check"),
    ],
)
def test_a_release_with_a_test_of_no_answer_is_refused_before_anything_is_judged(cells, tests, missing, tmp_path):
    source_cells = [SimpleNamespace(name=name, source="") for name in cells]
    grade_cells = [SimpleNamespace(name=name, max_score=1) for name in tests]
    released = SimpleNamespace(source_cells=source_cells, grade_cells=grade_cells)
    with pytest.raises(CourseError, match=f"'mlp' was released without the cells {missing};"):
        read_release(SimpleNamespace(find_notebook=lambda *names: released), "mlp", "mlp", tmp_path)
