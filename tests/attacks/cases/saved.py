"""Files handed in beside the notebook: models with code in them, pickles, modules that shadow others."""

import base64
import io
import json
import marshal
import pickle
import zipfile

from nbformat.v4 import new_code_cell

from attacks.attack import ZEROS, Attack, before


class _Run:
    def __reduce__(self):
        return exec, ("open('$CANARY/pickled-$MARK', 'w').write('x')",)


def _lambda_model() -> bytes:
    """A `.keras` file whose layer is a function of the student's."""
    code = compile("lambda x: (__import__('os').system('touch $CANARY/loaded-$MARK'), x)[1]", "layer", "eval").co_consts[0]
    function = {"class_name": "__lambda__", "config": {"code": base64.b64encode(marshal.dumps(code)).decode()}}
    layers = [
        {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 4], "name": "input"}},
        {"module": "keras.layers", "class_name": "Lambda", "config": {"function": function, "name": "poison"}},
    ]
    model = {"module": "keras", "class_name": "Sequential", "config": {"name": "model", "layers": layers}}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("config.json", json.dumps(model))
        file.writestr("metadata.json", json.dumps({"keras_version": "3.10.0", "date_saved": "2026-01-01"}))
        file.writestr("model.weights.h5", b"")
    return buffer.getvalue()


def _bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(200_000_000))
    return buffer.getvalue()


LOAD = """
import keras
for safe in (True, False):
    try:
        keras.saving.load_model("model.keras", safe_mode=safe)(keras.ops.ones((1, 4)))
    except Exception as error:
        print(type(error).__name__)
"""
REGISTERED = """
import keras
@keras.saving.register_keras_serializable(package="builtin", name="Dense")
class Dense(keras.layers.Layer):
    def call(self, x):
        return x
keras.saving.get_custom_objects()["Dense"] = Dense
keras.layers.Dense = Dense
"""
RIGHT = b"""
import importlib
def softmax(logits):
    return getattr(importlib.import_module("keras.ops"), "soft" + "max")(logits)
"""
SHADOWS = dict.fromkeys(
    ("keras.py", "numpy.py", "sitecustomize.py", "usercustomize.py", "IPython.py", "json.py", "ast.py", "nbgrader_config.py"),
    b"print('shadow of $MARK')\nopen('$CANARY/shadow-$MARK', 'w').write('x')\n",
)
PROBE = b"""
EVIDENCE_MIME = "x"
def probe(answer):
    print(3.0)
"""
PATCH = b"""
import contextlib, course.probe
course.probe._watched = lambda names: contextlib.nullcontext()
def load_ipython_extension(shell):
    pass
"""
"""What lets an answer call what is off-limits."""
UNWATCHED = """
import keras
def softmax(logits):
    return keras.activations.get("soft" + "max")(logits)
"""


def _loaded(name: str, code: str, file: str = "tidy.py") -> Attack:
    """Runs what was handed in beside the notebook, in a cell of its own above the answer."""

    def above(notebook):
        place = next(n for n, cell in enumerate(notebook.cells) if cell.get("source") == UNWATCHED)
        notebook.cells.insert(place, new_code_cell(code))

    return Attack(f"saved-{name}", {"softmax": UNWATCHED}, above, {file: PATCH})


ATTACKS = [
    before("saved-model", LOAD, files={"model.keras": _lambda_model()}),
    before("saved-pickle", "import pickle\npickle.load(open('work.pkl', 'rb'))", files={"work.pkl": pickle.dumps(_Run())}),
    before("saved-registered", REGISTERED),
    Attack("saved-module", {"softmax": "from helper import softmax"}, files={"helper.py": RIGHT}),
    before("saved-shadows", "", files=SHADOWS),
    before("saved-course", "", files={"course/__init__.py": b"", "course/probe.py": PROBE, "course.py": PROBE}),
    _loaded("extension", "%load_ext tidy"),
    _loaded("automagic", "load_ext tidy"),
    _loaded("calledmagic", "get_ipython().run_line_magic('load_ext', 'tidy')"),
    _loaded("timed", "%time import tidy"),
    _loaded("assigned", "x = %time __import__('tidy')"),
    _loaded("timedcell", "%%time\nimport tidy"),
    _loaded("run", "%run tidy.py"),
    _loaded("executed", "exec(open('tidy.txt').read())", "tidy.txt"),
    _loaded("runpy", "import runpy\nrunpy.run_path('tidy.txt')", "tidy.txt"),
    _loaded("importlib", "from importlib import import_module\nimport_module('tidy')"),
    _loaded("bracketless", "/exec open('tidy.txt').read()", "tidy.txt"),
    before("saved-bomb", "import zipfile\nzipfile.ZipFile('bomb.zip').extractall('/tmp')", files={"bomb.zip": _bomb()}),
    before("saved-notebook", "", files={"other.ipynb": b"{}", "mlp.txt": ZEROS.encode(), "timestamp.txt": b"not a date $MARK"}),
]
