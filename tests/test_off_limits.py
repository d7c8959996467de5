"""What an answer may not call: found in its source, blocked in its kernel, and what neither can see is for a person."""

import contextlib
import json
import sys

import keras
import numpy as np
import pytest
import scipy.special
from nbformat.v4 import new_code_cell, new_notebook

from course import probe
from course.cells import check_id
from course.off_limits import Search
from grader.classroom.questions import UNTRAINED, Questions, verdicts
from grader.judging import Bar, Call, Case, Check
from grader.judging.bars import bars_of
from grader.running.execution import Evidence
from grader.running.jobs import Outcome
from grader.units.variants import vary
from harness import UNITS


def find(exercise, sources, names, own_modules=()):
    return Search(sources, (), own_modules).find(exercise, names)


def doubts(exercise, sources, names, given=(), own_modules=()):
    """Below cells that were handed out."""
    return Search([*given, *sources], range(len(given)), own_modules).doubts(exercise, names)


def swallowed(x):
    with contextlib.suppress(Exception):
        keras.ops.softmax(x)
    return x


BANNED = ("keras.ops.softmax", "keras.activations.softmax")


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        (["def softmax(x):\n    return ops.softmax(x)"], True),
        (["def softmax(x):\n    return scipy.special.softmax(x)"], True),
        (["from keras.ops import softmax as s", "def softmax(x):\n    return s(x)"], True),
        (["s = ops.softmax", "def softmax(x):\n    return s(x)"], True),
        (["softmax = ops.softmax"], True),
        (["def softmax(x):\n    return ops.exp(x) / ops.sum(ops.exp(x))"], False),
        (["def softmax(x):\n    return ops.exp(x)", "print(ops.softmax([1.0]) - softmax([1.0]))"], False),
        (["def softmax(x):\n    return softmax(x - 1) if x > 1 else x"], False),
        (["def attention(x):\n    return ops.softmax(x)", "def softmax(x):\n    return x"], False),
        (["def softmax(x:\n"], False),
        (["from keras.ops import softmax"], True),
        (["softmax: object = ops.softmax"], True),
        (["if True:\n    def softmax(x):\n        return ops.softmax(x)"], True),
        (["%%time\ndef softmax(x):\n    return ops.softmax(x)"], True),
        (["def softmax(x):\n    from keras.ops import softmax as s\n    return s(x)"], True),
        (
            ["from keras.ops import softmax as s", "def helper(z):\n    return s(z)", "def softmax(x):\n    return helper(x)"],
            True,
        ),
        (["def softmax(x):\n    return ops.softmax(x)", "def softmax(x):\n    return ops.exp(x)"], False),
        (["from keras.ops import softmax as theirs", "def softmax(x):\n    return ops.exp(x)", "theirs([1.0])"], False),
    ],
)
def test_off_limits_is_found_where_the_answer_is(sources, found):
    assert bool(find("softmax", sources, BANNED)) is found


OWN = "class softmax:\n    def softmax(self, x):\n        return x\n    def __call__(self, x):\n        return self.softmax(x)"


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        (["softmax, _ = ops.softmax, 1"], True),
        (["(softmax := ops.softmax)"], True),
        (["t = (ops.softmax,)", "def softmax(x):\n    return t[0](x)"], True),
        (["%matplotlib inline\nimport scipy\ndef softmax(x):\n    return scipy.special.softmax(x)"], True),
        (["def softmax(x, f=ops.softmax):\n    return f(x)"], True),
        (["class A:\n    f = staticmethod(ops.softmax)", "def softmax(x):\n    return A.f(x)"], True),
        (["def use(f):\n    return lambda x: ops.softmax(x)", "@use\ndef softmax(x):\n    return x"], True),
        ([OWN], False),
    ],
)
def test_off_limits_is_found_in_odd_places(sources, found):
    assert bool(find("softmax", sources, BANNED)) is found


LAYERS = """
class Tanh:
    def forward(self, x):
        self.units = np.tanh(x)
        return self.units
    def backward(self, grad):
        return grad * (1 - self.units**2)
"""
BY_LAYERS = "def mlp_backward(x):\n    hidden = Tanh()\n    hidden.forward(x)\n    return hidden.backward(1.0)"


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ([LAYERS, BY_LAYERS], False),
        ([BY_LAYERS], True),  # whose method this is, nobody knows
        (["import torch", LAYERS, "def mlp_backward(x):\n    return torch.autograd.backward(x)"], True),
        (["from torch import autograd as a", LAYERS, "def mlp_backward(x):\n    return a.backward(x)"], True),
        (["from torch.autograd import backward as b", LAYERS, "def mlp_backward(x):\n    return b(x)"], True),
    ],
)
def test_a_method_of_a_students_class_is_the_students_own(sources, found):
    assert bool(find("mlp_backward", sources, ("torch.autograd.backward",))) is found


SETUP = "import keras\nimport numpy as np\nfrom keras import ops"
HONEST = [
    ["def softmax(x):\n    return ops.exp(x)"],
    ["def softmax(x):\n    model.compile('sgd')\n    return ops.exp(x)", "model = keras.Model()"],
    [
        "rate = 0.1",
        "def helper(z, dir=1):\n    return [z for _ in range(3)][0] * rate",
        "def softmax(x):\n    return helper(x)",
    ],
    ["softmax = lambda x: np.exp(x) / np.exp(x).sum()", "vars(ops)['softmax'](softmax(1.0))"],
    ["class softmax:\n    scale = 1\n    def __call__(self, x):\n        self.x = x\n        return x * self.scale"],
    ["table = {}\ntable['mine'] = 1\ndef softmax(x):\n    return x", "print(ops.softmax([1.0]))"],
    ["import math\ndef softmax(x: 'float'):\n    return math.exp(x)"],
    ["for k in range(3):\n    base = k\ndef softmax(x):\n    return x + base + k"],
    ["%matplotlib inline\n!ls\ndef softmax(x):\n    return x", "get_ipython().run_line_magic('time', '')"],
    ["%%time\ndef softmax(x):\n    return x", "%timeit -n 10 softmax(3)\nt = %timeit -o softmax(3)\nsoftmax?"],
    ["%load_ext autoreload\n%autoreload 2\n%config InlineBackend.figure_format = 'svg'", "def softmax(x):\n    return x"],
    ["%pip install seaborn\n!pip list\nx = !ls", "%%bash\n/bin/ls", "%%html\n<b>x</b>", "def softmax(x):\n    return x"],
    ["import sys\nif 'google.colab' in sys.modules:\n    import importlib.util", "def softmax(x):\n    return x"],
    [
        "from IPython.core.interactiveshell import InteractiveShell\nInteractiveShell.ast_node_interactivity = 'all'",
        "import matplotlib.pyplot as plt\nplt.rcParams['figure.dpi'] = 100\nnp.random.seed(0)",
        "import pandas as pd\npd.options.display.max_rows = 10",
        "class Net(keras.Model):\n    def __init__(self):\n        super().__init__()\n        self.dense = layers.Dense(3)",
        "net = Net()\nnet.dense.kernel = 3\nnet.compile('sgd')\nnet.summary()",
        "def softmax(x):\n    return x",
    ],
    ["print('loss=%f' % 3)\nprint('a', 7\n% 4)", "print('loss=%f' % 3)\n%matplotlib inline", "def softmax(x):\n    return x"],
    ["def sotfmax(x:\n", "some words of mine", "def softmax(x):\n    return x"],
]


@pytest.mark.parametrize("sources", HONEST)
def test_an_honest_answer_is_for_nobody_to_look_at(sources):
    assert find("softmax", sources, BANNED) == ""
    assert doubts("softmax", sources, BANNED, [SETUP]) == ""


@pytest.mark.parametrize(
    ("sources", "doubted"),
    [
        (['softmax = getattr(ops, "x")'], "getattr"),
        (['def softmax(x):\n    return eval("ops.exp(x)")'], "eval"),
        (["import course.probe as p\ndef softmax(x):\n    return x"], "course.probe"),
        (["def softmax(x:\n"], "could not be found"),
        (["globals()['soft' + 'max'] = ops.exp"], "could not be found"),
        (["def softmax(x):\n    return vars(ops)['exp'](x)"], "vars"),
        (["def softmax(x):\n    return ops.__dict__['exp'](x)"], "__dict__"),
        (["import os\nos.f = ops.softmax", "def softmax(x):\n    return os.f(x)"], "hands ops.softmax on"),
        (["setattr(np, 'f', ops.softmax)", "def softmax(x):\n    return np.f(x)"], "hands ops.softmax on"),
        (["exec('f = 1')", "def softmax(x):\n    return f(x)"], "the name f, which no cell defines"),
        (["from keras.ops import *", "def softmax(x):\n    return exp(x)"], "imports *"),
        (["from helper import softmax"], "helper, which was handed in"),
        (["def softmax(x):\n    import helper.deep as h\n    return h.f(x)"], "helper, which was handed in"),
        (["%time import helper", "def softmax(x):\n    return x"], "helper, which was handed in"),
        (["import _thread\ndef softmax(x):\n    _thread.start_new_thread(print, ())\n    return x"], "_thread"),
        (["import keras\ndef softmax(x):\n    return keras.activations.get('softmax')(x)"], "names softmax in a text"),
        (["def softmax(x):\n    return execute(b'keras.ops.softmax', x)"], "names softmax in a text"),
        (["%load_ext tidy", "def softmax(x):\n    return x"], "%load_ext"),
        (["x = %run tidy.py", "def softmax(x):\n    return x"], "%run"),
        (["%%writefile helpers.py\nx = 1", "def softmax(x):\n    return x"], "%writefile"),
        (["get_ipython().run_line_magic('load_ext', 'tidy')", "def softmax(x):\n    return x"], "run_line_magic"),
        (["exec(open('tidy.txt').read())", "def softmax(x):\n    return x"], "exec"),
        ([";exec open('tidy.txt').read()", "def softmax(x):\n    return x"], "as only IPython reads it"),
        (["%matplotlib inline\nprint(7\n% 4)\nhidden()", "def softmax(x):\n    return x"], "as only IPython reads it"),
        (["keras.ops.exp = None", "def softmax(x):\n    return x"], "changes keras.ops.exp"),
        (["from keras import ops as o\nsetattr(o, 'exp', abs)", "def softmax(x):\n    return x"], "changes o"),
        (
            ["import IPython.display as d\nd.publish_display_data(1)", "def softmax(x):\n    return x"],
            "publish_display_data",
        ),
        (["vars(keras.ops)['exp'] = abs", "def softmax(x):\n    return x"], "changes keras.ops"),
        (["keras.ops.__dict__['exp'] = abs", "def softmax(x):\n    return x"], "changes keras.ops"),
        (["import sys\nsys._getframe()", "def softmax(x):\n    return x"], "_getframe"),
        (["import sys\nsys.modules['course']", "def softmax(x):\n    return x"], "sys.modules"),
        (["get_ipython().kernel.session.send(1)", "def softmax(x):\n    return x"], "session.send"),
    ],
)
def test_what_hides_its_calls_is_for_a_person(sources, doubted):
    assert find("softmax", sources, BANNED, {"helper"}) == ""
    assert doubted in doubts("softmax", sources, BANNED, [SETUP], {"helper"})


def test_what_is_off_limits_is_named_as_it_was_written():
    assert find("softmax", ["def softmax(x):\n    return keras.ops.nn.softmax(x)"], BANNED) == "keras.ops.nn.softmax"


CALLED = {
    "by its name": lambda x: keras.ops.softmax(x),
    "by another name": lambda x: keras.ops.nn.softmax(x),
    "by a string": lambda x: keras.activations.get("soft" + "max")(x),
    "in a layer": lambda x: keras.layers.Activation("softmax")(keras.ops.reshape(x, (1, 2))),
    "of another library": lambda x: scipy.special.softmax(keras.ops.convert_to_numpy(x)),
    "and its error swallowed": swallowed,
}


@pytest.mark.parametrize("answer", CALLED.values(), ids=CALLED)
def test_an_off_limits_call_is_refused_while_the_probe_runs(answer):
    evidence = probe.collect(answer, [probe.Call((np.array([1.0, 2.0]),))], BANNED)
    assert "softmax` or its like is off-limits" in evidence["runs"][0]["error"]
    assert sys.getprofile() is None


def test_an_answer_of_that_name_may_run():
    def softmax(x):
        return keras.ops.exp(x) / keras.ops.sum(keras.ops.exp(x))

    evidence = probe.collect(softmax, [probe.Call((np.array([1.0, 2.0]),))], BANNED)
    assert "error" not in evidence["runs"][0]


def test_the_grammar_is_off_limits_where_a_model_should_learn_it():
    names = UNITS["bert"].check("train_mini_bert").off_limits
    looks = "from course import data\ndef train_mini_bert(sentences, vocab_size, seed):\n    return data.Grammar().tables\n"
    assert find("train_mini_bert", [looks], names) == "data.Grammar"
    own = "def train_fine_tuned(encoder, x, y, seed):\n    model.encoder = encoder\n    return model.encoder\n"
    assert find("train_fine_tuned", [own], UNITS["bert"].check("train_fine_tuned").off_limits) == ""


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
def test_no_answer_that_we_know_is_for_a_person(unit):
    """Right or wrong, below a set-up cell that the student has edited, too."""
    references = {name: exercise.reference for name, exercise in unit.text.exercises.items()}
    edited = f"{unit.text.setup}\nimport math"
    for name, reference in references.items():
        check = unit.check(name)
        edits = [*check.alternatives, *(mistake.edits for mistake in check.mistakes.values())]
        for source in [reference, *(vary(reference, edit) for edit in edits)]:
            search = Search([unit.text.setup, edited, *({**references, name: source}).values()], {0})
            assert (search.find(name, check.off_limits), search.doubts(name, check.off_limits)) == ("", "")


# --- what trains ---

TRAINING = [
    (unit.name, name, k)
    for unit in UNITS.values()
    for name, check in unit.checks().items()
    if bars_of(check)
    for k in range(1 + len(check.alternatives))
]


@pytest.mark.parametrize(("unit", "exercise", "k"), TRAINING)
def test_every_right_answer_that_trains_is_seen_to(unit, exercise, k):
    edits = ((), *UNITS[unit].check(exercise).alternatives)[k]
    source = vary(UNITS[unit].text.exercises[exercise].reference, edits)
    assert Search([UNITS[unit].text.setup, source], [0]).trains(exercise)


@pytest.mark.parametrize(
    ("sources", "trains"),
    [
        (["def train(x):\n    return keras.Sequential([layers.Dense(1)])"], False),
        (["model.fit(x)", "def train(x):\n    return keras.Sequential([layers.Dense(1)])"], False),
        (["def step(x):\n    optimizer.apply(gradients(x), x)", "def train(x):\n    step(x)\n    return model"], True),
        (["def train(x):\n    loss.backward()\n    return model"], True),
        (["from jax import value_and_grad as slope", "def train(x):\n    return slope(loss)(x)"], True),
        (["def train(x):\n    from jax import grad\n    return grad(loss)(x)"], True),
        (
            ["class Model(keras.Model):\n    def learn(self, x):\n        self.fit(x)", "def train(x):\n    return Model()"],
            True,
        ),
        (["def train(x):\n    weights.assign(weights - 0.1 * tape.gradient(loss, weights))\n    return model"], True),
        (["weights = []", "weights.append(model.fit(x))", "def train(x):\n    return weights"], True),
    ],
)
def test_an_answer_trains_if_what_it_reaches_does(sources, trains):
    assert Search(sources).trains("train") == trains


@pytest.mark.parametrize(("source", "asked"), [("known = 1", True), ("keras.Sequential().fit(x)", False)])
def test_where_nothing_trains_a_person_is_asked_and_the_points_stay(source, asked):
    run = Call((), numpy=True)
    bar = Bar(0.5, lambda arrays: float(arrays["result"]), 1)
    cases = [Case("accuracy", run, accept=bar, shapes={"result": ()})]
    check = Check(lambda rng: cases, lambda *args: None, mistakes={}, alternatives=())
    answered, checked = (new_code_cell(text) for text in (f"def train():\n    {source}\n    return 1.0", "probe(train)"))
    checked.metadata["nbgrader"] = {"grade_id": check_id("train")}
    published = json.loads(json.dumps(probe.collect(lambda: 1.0, [run])))
    verdict = verdicts(
        new_notebook(cells=[new_code_cell("x = keras = None"), answered, checked]),
        Questions("", {"train": 4.0}, {"train": (check, cases)}, {}),
        Outcome("", {check_id("train"): Evidence(published)}, [], False, 0.0, 0.0, ""),
        (),
    )["train"]
    assert verdict.points == 4
    assert verdict.person == (UNTRAINED if asked else "")
