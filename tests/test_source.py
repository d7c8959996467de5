"""Sources that nobody vouches for: whatever a cell holds is read, or said to be unread, in time in proportion to its length."""

import ast
import random
import symtable
import sys
import sysconfig
import warnings
from pathlib import Path

import pytest

from course.off_limits import Search
from course.source import MAX_CELL, defined, names_given, names_of, parse, read, top_level, used, written
from grader.classroom.plugin.restore import _names
from grader.reports.similarity import MAX_TOKENS, normalized, similarity

LIBRARY = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
OTHERWISE = ("from __future__ import annotations", "__class__", "class error_proto", "class Class(")
"""Where Python's own table says less, or takes two classes of one name for one."""


@pytest.mark.parametrize(
    "source",
    [pytest.param(text, id=path.stem) for path in LIBRARY if not any(word in (text := path.read_text()) for word in OTHERWISE)],
)
def test_names_are_those_that_pythons_own_table_has(source):
    pending, tables = [symtable.symtable(source, "cell", "exec")], []
    while pending:
        tables.append(pending.pop())
        pending += tables[-1].get_children()
    names = names_of([ast.parse(source)])
    looked_up = {
        symbol.get_name()
        for table in tables
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module")
    }
    assert names.used == looked_up
    bound = (
        symbol for symbol in tables[0].get_symbols() if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    )
    assert names.bound == {symbol.get_name() for symbol in bound}


ODD = {
    "a long number": "x = 0x" + "f" * 5000,
    "a longer number": "x = " + "9" * 5000,
    "a null byte": "x = 1\0\nsoftmax = 2",
    "half a character": "x = '\ud800'\nsoftmax = 2",
    "form feeds": "\x0cx = 1\x0c\nsoftmax = 2",
    "carriage returns": "x = 1\rsoftmax = 2\r\ndef f():\r    return 3",
    "other ends of lines": "x = '\x1c \u2028 \x85'\nsoftmax = 2",
    "a mark at the start": "\ufeffx = 1",
    "a mark within": "x = \ufeff1",
    "another encoding": "# -*- coding: latin-1 -*-\nx = 'ü'",
    "no encoding": "# -*- coding: nonsense -*-\nx = 1",
    "tabs and blanks": "if x:\n\ty = 1\n        z = 2",
    "continued lines": "x = 1 + \\\n" * 3000 + "1",
    "a line continued into nothing": "x = 1\\",
    "brackets": "x = " + "(" * 150 + "1" + ")" * 150,
    "many brackets": "x = " + "(" * 5000 + "1" + ")" * 5000,
    "functions in one another": "".join(f"{' ' * n}def f():\n" for n in range(99)) + " " * 99 + "pass",
    "lambdas": "x = " + "lambda: " * 2000 + "1",
    "a long sum": "x = " + "a + " * 10_000 + "a",
    "signs": "x = " + "-" * 50_000 + "1",
    "attributes": "x = a" + ".b" * 20_000,
    "calls": "x = a" + "()" * 20_000,
    "a long import": "import a" + ".a" * 40_000,
    "conditions": "if a:\n    b\n" + "elif a:\n    b\n" * 5000,
    "formatted": "x = f'{f\"{f'''{1}'''}\"}'",
    "magics": "%time " * 10_000,
    "question marks": "a" + "?" * 50_000,
    "a cell of one line": "run " + "a" * 50_000,
    "too long": "x = 1\n" * MAX_CELL,
    "warned of": "x = '\\d' is 1",
}


@pytest.mark.parametrize("source", ODD.values(), ids=ODD)
def test_no_source_raises(source):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_everywhere(source)


def test_no_damage_to_a_source_raises():
    rng = random.Random(0)
    base = Path(__file__).read_text()[:3000]
    bits = [*"([{'\\\n\t\0\r%!?`=é", "\ud800", '"""', "%%", "0x", "lambda:", "f'{"]
    for _ in range(300):
        source = list(base[rng.randrange(2000) :][: rng.randrange(1000)])
        for _ in range(rng.randrange(1, 6)):
            source.insert(rng.randrange(len(source) + 1), rng.choice(bits) * rng.choice((1, 1, 300)))
        read_everywhere("".join(source))


def read_everywhere(source):
    """All that grading and reports do with a student's source."""
    answer = f"def softmax(x):\n    return x\n{source}"
    for text in (source, answer):
        used(text), defined(text), _names(text), parse(text)
        for statement in top_level(text):
            names_given(statement), written(statement)
        search = Search([text, "softmax"])
        search.find("softmax", ["keras.ops.softmax"]), search.doubts("softmax", ["keras.ops.softmax"])
        similarity(normalized(text, "softmax"), normalized(answer, "softmax", text))


@pytest.mark.parametrize("name", ["a long sum", "signs", "attributes", "a long import", "conditions", "too long"])
def test_what_nobody_can_read_is_for_a_person(name):
    search = Search([ODD[name], "def softmax(x):\n    return x"])
    assert "was not searched" in search.doubts("softmax", ["keras.ops.softmax"])


GROWING = {
    "statements": lambda n: "x=1\n" * n,
    "names in one another": lambda n: "".join(f"a{k} = [a{k + 1}]\n" for k in range(n)) + "def softmax(x):\n    return a0",
    "names that everything mentions": lambda n: "a = [b]; b = [a]\n" + "a, b = b, a\n" * n + "softmax = a",
    "one statement of many names": lambda n: f"{names(n)} = {names(n)}\nsoftmax = a0",
    "imports": lambda n: f"from x import {names(n)}\nsoftmax = {names(n)}",
    "conditions": lambda n: "if a:\n    b\n" + "elif a:\n    b = softmax\n" * n,
    "blocks": lambda n: "".join(f"{' ' * k}for a in b:\n" for k in range(90)) + f"{' ' * 90}softmax = [{names(n)}]",
    "magics": lambda n: "%time a\n" * n,
    "texts": lambda n: "'a.b'\n" * n + "softmax = 1",
    "functions": lambda n: "".join(f"def a{k}(x):\n    return a{k + 1}(x)\n" for k in range(n)) + "softmax = a0",
}


def names(count):
    return ", ".join(f"a{k}" for k in range(count))


@pytest.mark.parametrize("grow", GROWING.values(), ids=GROWING)
def test_the_work_grows_with_the_source(grow):
    """Four times the source is four times the calls, or a little more: sorting."""
    few, many = (calls(lambda n=n: searched(grow(n))) for n in (150, 600))
    assert many < 5 * few


def test_a_notebook_is_read_once_however_many_exercises_it_has():
    cells = ["import numpy as np", GROWING["functions"](100), *(f"def f{k}(x):\n    return x" for k in range(20))]

    def judged(exercises):
        search = Search(cells)
        for k in range(exercises):
            search.find(f"f{k}", ["keras.ops.softmax"], k + 3), search.doubts(f"f{k}", ["keras.ops.softmax"], k + 3)

    assert calls(lambda: judged(20)) < 1.5 * calls(lambda: judged(1))


def searched(source):
    search = Search([source])
    assert not read(source).unread
    search.find("softmax", ["k.exp"]), search.doubts("softmax", ["k.exp"])


def calls(function):
    """How many functions are called meanwhile, Python's own included."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("%time x = f(3)", "x = f(3)"),
        ("%timeit -n 10 -r3 f(3)", "f(3)"),
        ("x = %time f(3)", "x = f(3)"),
        ("x = !ls\n!ls\nx?", "x = None\npass\npass"),
        ("%%time\nx = 1", "pass\nx = 1"),
        ("%%timeit import this\nx = 1", "import this\nx = 1"),
        ("print('x=%d' % 3, 7\n% 4)", "print('x=%d' % 3, 7 % 4)"),
        ("text = '''\n%run this\n'''", "text = '''\n%run this\n'''"),
        ("load_ext tidy", "pass"),
    ],
)
def test_ipythons_own_lines_are_read_as_they_run(source, plain):
    assert ast.dump(read(source).tree) == ast.dump(ast.parse(plain))


def test_an_answer_that_is_too_long_is_not_compared():
    long = normalized("def mean(v):\n" + "    v = v + 1\n" * MAX_TOKENS, "mean")
    assert similarity(long, long) != similarity(long, long)
    assert calls(lambda: similarity(long, long)) < 100
