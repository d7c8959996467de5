"""Real kernels: what is lost with a cell that crashes, hangs or lies, and what is not."""

import json

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course.cells import BEGIN_HIDDEN, END_HIDDEN, LOOK, content_id
from course.probe import EVIDENCE_MIME, Call, encode
from grader.classroom.questions import digest_of
from grader.errors import ExecutionError
from grader.judging.judge import read
from grader.running.execution import Evidence, Request, execute
from grader.running.kernels.limits import Limits
from grader.running.kernels.settings import Kernels
from sandboxes import needs_sandbox

pytestmark = [pytest.mark.slow, needs_sandbox]

PUBLISH = f"""
from IPython.display import publish_display_data
def publish(x):
    publish_display_data({{{EVIDENCE_MIME!r}: {json.dumps({"runs": [{"arrays": {"result": encode(np.asarray(6.0))}}]})}}})
"""


HANGS = """
def hangs(x):
    while True:
        try:
            time.sleep(9)
        except BaseException:
            pass
"""


WRAPPED = """
import IPython.display
kept = IPython.display.publish_display_data
def better(data, *others, **more):
    for content in data.values():
        content["runs"] = [{"arrays": {"result": RIGHT}}]
    kept(data, *others, **more)
IPython.display.publish_display_data = better
def wrapped(x):
    return 0 * x
""".replace("RIGHT", repr(encode(np.asarray(6.0))))


def notebook(answers):
    setup = "import os, time\nfrom course.probe import probe"
    cells = [new_code_cell(setup, id="set-up", metadata={"nbgrader": {"grade_id": "set-up"}})]
    for name, source in answers.items():
        cells.append(new_code_cell(source, id=name, metadata={"nbgrader": {"grade_id": name}}))
        if source.startswith("# helper"):
            continue
        check = f"{BEGIN_HIDDEN}\nprobe({name})\n{END_HIDDEN}\nlast = {name}('again')"
        marks = {"nbgrader": {"grade_id": f"{name}-check", "grade": True}}
        cells.append(new_code_cell(check, id=f"{name}-check", metadata=marks))
    return new_notebook(cells=cells)


def run(answers, cell_seconds=60):
    requests = {f"{name}-check": Request([Call((3,))]) for name in answers}
    kernels = Kernels("tensorflow", Limits(cell_seconds=cell_seconds, wall_factor=1))
    return {
        name.removesuffix("-check"): found for name, found in execute(notebook(answers), requests, kernels).evidence.items()
    }


def result(found):
    from grader.judging import Case, Check

    check = Check(lambda rng: [], lambda n: 0.0, mistakes={}, alternatives=())
    return float(read(check, [Case("values", Call((3,)))], found.payload).received["values"]["result"])


def test_a_cell_that_dies_lies_or_fails_costs_that_cell_alone():
    found = run(
        {
            "good": "def good(x):\n    return 2 * x",
            "helper": "# helper\ntripled = lambda x: 3 * x",
            "dies": "def dies(x):\n    os._exit(1)",
            "after": "def after(x):\n    return tripled(x)",
            "dies_at_once": "os._exit(1)",
            "syntax": "def syntax(x:",
            "missing": "",
            "raises": "def raises(x):\n    raise ValueError('three')",
            "from_answer": f"{PUBLISH}\npublish(1)\n",
            "doubles": "def doubles(x):\n    publish(x)\n    return 2 * x",
            "noisy": "def noisy(x):\n    import sys\n    print('careful', file=sys.stderr)\n    return x",
            "clears": "from IPython.display import clear_output\ndef clears(x):\n    clear_output()\n    return 2 * x",
            "chatty": "def chatty(x):\n    for _ in range(300):\n        print('x' * 20_000)\n    return x",
            "takes_probe": "probe = print\ndef takes_probe(x):\n    return x",
            "raises_oddly": "class Odd(Exception):\n    __str__ = None\ndef raises_oddly(x):\n    raise Odd('\\ud800')",
            "half": "def half(x):\n    raise ValueError('\\ud800')",
            "speaks_first": f"{PUBLISH}\ndef speaks_first(x):\n    publish(x)\n    raise KeyboardInterrupt",
            "wrapped": WRAPPED,
            "says_nothing": "import course.probe\ncourse.probe.probe = print\ndef says_nothing(x):\n    return x",
        }
    )
    assert result(found["good"]) == 6
    assert (found["dies"].payload, "kernel died" in found["dies"].reason) == (None, True)
    assert result(found["after"]) == 9
    assert (found["dies_at_once"].payload, "kernel died" in found["dies_at_once"].reason) == (None, True)
    assert (found["syntax"].payload, "SyntaxError" in found["syntax"].reason) == (None, True)
    assert (found["missing"].payload, "NameError" in found["missing"].reason) == (None, True)
    assert found["raises"].payload == {"runs": [{"error": "ValueError: three"}]}
    assert found["from_answer"].payload is None
    assert (found["doubles"].payload, found["doubles"].reason) == (None, "there is evidence more than once.")
    assert result(found["noisy"]) == 3
    assert (result(found["clears"]), result(found["chatty"])) == (6, 3)
    assert result(found["takes_probe"]) == 3
    assert found["raises_oddly"].payload == {"runs": [{"error": "Odd"}]}
    assert found["half"].payload == {"runs": [{"error": "ValueError: ?"}]}
    for forger in ("speaks_first", "wrapped"):
        assert found[forger] == Evidence(None, "what the check cell published is not what the probe gave.")
    assert found["says_nothing"] == Evidence(None, "the check cell published nothing.")


def test_an_endless_loop_is_stopped_and_said_to_be_one():
    found = run(
        {
            "warm": "def warm(x):\n    return x",
            "hangs": HANGS,
            "after": "def after(x):\n    return x",
        },
        cell_seconds=30,
    )
    assert found["hangs"].reason == "the check was stopped after 30 s: is there an endless loop?"
    assert (result(found["warm"]), result(found["after"])) == (3, 3)


def test_a_kernel_that_always_dies_ends():
    found = run({f"dies_{i}": "os._exit(0)" for i in range(7)})
    assert len(found) == 7
    assert all(evidence.payload is None and "died" in evidence.reason for evidence in found.values())


def test_look_cells_as_released_do_not_run_and_do_not_count_in_the_digest():
    book = notebook({"good": "seen = []\ndef good(x):\n    return len(seen)"})
    look = "seen.append(1)"
    book.cells.insert(2, new_code_cell(look, id=content_id(LOOK, look)))
    found = execute(book, {"good-check": Request([Call((3,))])}, Kernels("tensorflow")).evidence
    assert result(found["good-check"]) == 0
    digest = digest_of(book, {})
    assert digest_of(book, {"table.csv": b"1"}) != digest_of(book, {"table.csv": b"2"}) != digest
    book.cells.insert(2, new_code_cell("seen.append(2)", id="student-1"))
    assert digest_of(book, {}) != digest
    book.cells.pop(2)
    book.cells[2].source, book.cells[2].id = "print(seen)", content_id(LOOK, "print(seen)")
    assert digest_of(book, {}) == digest
    assert found["good-check"].payload["runs"][0]["arrays"].keys() == {"result"}


def test_a_look_cell_runs_if_an_answer_needs_what_it_defines():
    book = notebook({"good": "def good(x):\n    return factor * x"})
    for source in ("base = 2", "factor = base + 2", "unused = 1 / 0"):
        book.cells.insert(1, new_code_cell(source, id=content_id(LOOK, source)))
    book.cells[1:4] = book.cells[3:0:-1]
    found = execute(book, {"good-check": Request([Call((3,))])}, Kernels("tensorflow")).evidence
    assert result(found["good-check"]) == 12
    assert [cell.execution_count is not None for cell in book.cells[1:4]] == [True, True, False]


def test_what_is_visible_of_a_check_runs_only_if_an_answer_needs_a_name_from_it():
    """Visible checks may train a model, and say nothing that grading does not know."""
    answers = {
        "good": "seen = []\ndef good(x):\n    seen.append(x)\n    return len(seen)",
        "counts": "def counts(x):\n    return len(seen)",
    }
    assert result(run(answers)["counts"]) == 1
    answers["counts"] = "def counts(x):\n    return 10 * last + len(seen)"
    assert result(run(answers)["counts"]) == 22


def test_a_set_up_that_fails_is_nobodys_zero():
    book = notebook({"good": "def good(x):\n    return x"})
    book.cells[0].source = "import no_such_module"
    with pytest.raises(ExecutionError, match=r"the set-up raised ModuleNotFoundError: No module named 'no_such_module'"):
        execute(book, {"good-check": Request([Call((3,))])}, Kernels("tensorflow"))


def test_outputs_keep_only_what_no_browser_runs_and_not_without_end():
    html = "from IPython.display import HTML, display\ndisplay(HTML('<script>alert(1)</script>'))\nprint('x' * 3_000_000)"
    book = notebook({"good": f"{html}\ndef good(x):\n    return x"})
    execute(book, {"good-check": Request([Call((3,))])}, Kernels("tensorflow"))
    text = json.dumps(book)
    assert "alert(1)" not in json.dumps([cell.outputs for cell in book.cells if cell.cell_type == "code"])
    assert "IPython.core.display.HTML object" in text
    assert len(text) < 1_200_000


def test_an_ordinary_test_that_does_not_run_has_failed():
    """nbgrader gives a test's points if nothing speaks against them."""
    marks = {"nbgrader": {"grade_id": "test", "grade": True}}
    cells = [new_code_cell("import os; x = 1"), new_code_cell("assert x == 1", metadata=marks)]
    cells += [new_code_cell(source, metadata=marks) for source in ("assert x == 2", "os._exit(0)", "assert x == 1")]
    book = new_notebook(cells=cells)
    assert not execute(book, {}, Kernels("tensorflow")).repeats
    said = [[output.ename for output in cell.outputs] for cell in book.cells[1:]]
    assert said == [[], ["AssertionError"], ["NotRun"], []]
