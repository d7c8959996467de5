"""Changing what tests and grades: assertions, IPython, the probe, messages, hooks, frames, tags, metadata, ids."""

from copy import deepcopy

from nbformat.v4 import new_code_cell, new_output

from attacks.attack import ZEROS, Attack, before, within


def _cell(notebook, name):
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == name)


def _skip(notebook):
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.metadata["tags"] = ["skip-execution", "nbclient-skip", "raises-exception"]


def _scores(notebook):
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("grade"):
            marks |= {"points": 1000, "score": 1000, "auto_score": 1000, "manual_score": 1000, "extra_credit": 1000}
            cell.outputs = [new_output("execute_result", {"text/plain": "1000.0"}, execution_count=1)]
            cell.metadata["points"] = 1000


def _emptied(notebook):
    check = _cell(notebook, "softmax-check")
    check.source = "3.0"
    check.metadata.nbgrader["checksum"] = "0" * 32


def _deleted(notebook):
    notebook.cells = [cell for cell in notebook.cells if not cell.metadata.get("nbgrader", {}).get("grade")]


def _renamed(notebook):
    _cell(notebook, "softmax-check").metadata.nbgrader["grade_id"] = "relu-check-2"
    own = new_code_cell("3.0", id="softmax-check", metadata={"nbgrader": {"grade_id": "softmax-check", "grade": True}})
    notebook.cells.append(own)


def _doubled(notebook):
    check = deepcopy(_cell(notebook, "softmax-check"))
    check.source = "pass"
    check.id = "softmax-check-2"
    notebook.cells = [check, *notebook.cells, deepcopy(check)]


def _ungraded(notebook):
    for cell in notebook.cells:
        if marks := cell.metadata.get("nbgrader"):
            marks |= {"grade": False, "locked": False, "solution": True}


TRANSFORMER = """
import ast
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.copy_location(ast.Pass(), node)
    def visit_Call(self, node):
        if "assert" in ast.unparse(node.func) or "probe" in ast.unparse(node.func):
            return ast.copy_location(ast.Constant(3.0), node)
        return self.generic_visit(node)
get_ipython().ast_transformers.append(Drop())
"""
INPUT = """
get_ipython().input_transformers_post.append(
    lambda lines: ["3.0\\n"] if any("softmax" in line and "def" not in line for line in lines) else lines)
"""
PROBE = """
import sys
from course import probe as module
def lenient(answer):
    from IPython.display import publish_display_data
    publish_display_data({module.EVIDENCE_MIME: {"runs": [], "passed": True, "score": 3.0, "verdict": {"points": 3.0}}})
module.probe = module.collect = probe = lenient
sys.modules["course.probe"] = module
"""
EQUAL = """
class Yes(float):
    __eq__ = __ge__ = __le__ = __gt__ = __lt__ = lambda self, other: True
    __hash__ = float.__hash__
    __sub__ = __rsub__ = __abs__ = __add__ = __radd__ = __mul__ = lambda self, *others: self
    __bool__ = lambda self: True
    shape = property(lambda self: Shape())
    dtype, ndim = float, 2
    __array__ = lambda self, *a, **k: __import__("numpy").array([[self]], dtype=object)
    __array_priority__ = 1e9
    __array_function__ = lambda self, *a, **k: True
    __array_ufunc__ = lambda self, *a, **k: True
    __iter__ = lambda self: iter([self])
    __getitem__ = lambda self, key: self
    __len__ = lambda self: 1
class Shape(tuple):
    __eq__ = lambda self, other: True
    __hash__ = tuple.__hash__
def softmax(logits):
    return Yes(1)
"""
ASSERTIONS = """
import builtins, numpy as np, numpy.testing
for module in (np, np.testing):
    for name in ("allclose", "isclose", "array_equal", "assert_allclose", "assert_array_equal", "assert_almost_equal"):
        if hasattr(module, name):
            setattr(module, name, lambda *a, **k: True)
builtins.all = builtins.any = builtins.isinstance = lambda *a: True
builtins.AssertionError = SyntaxWarning
"""
SPOOF = """
import json, glob, sys, threading, time
from IPython import get_ipython
def publish():
    kernel = get_ipython().kernel
    parent = dict(kernel.get_parent() or {})
    for text in ("3.0", "1000.0"):
        kernel.session.send(kernel.iopub_socket, "execute_result",
            {"data": {"text/plain": text}, "metadata": {}, "execution_count": 1}, parent=parent)
    kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "idle"}, parent=parent)
def later():
    for _ in range(40):
        time.sleep(0.05)
        try:
            publish()
        except Exception:
            pass
threading.Thread(target=later).start()
def softmax(logits):
    publish()
    return logits * 0.0
"""
FRAMES = """
import gc, sys, numpy as np
frame = sys._getframe()
while frame:
    for scope in (frame.f_locals, frame.f_globals):
        for name in ("expected", "desired", "reference", "solution", "_expected", "answer_key", "oracle"):
            if name in scope:
                print(name)
                return scope[name]
    frame = frame.f_back
want = [a for a in gc.get_objects() if isinstance(a, np.ndarray) and a.shape == tuple(logits.shape) and a.dtype == "float64"]
for a in want:
    if np.allclose(a.sum(-1), 1):
        return a
"""
TRACE = """
import sys
def trace(frame, event, argument):
    if "actual" in frame.f_locals and "desired" in frame.f_locals:
        frame.f_locals["actual"] = frame.f_locals["desired"]
    if frame.f_code.co_name in ("probe", "collect", "_attempt", "assert_allclose"):
        frame.f_lineno = frame.f_lineno + 1
    return trace
sys.settrace(trace)
__import__("threading").settrace(trace)
"""
HOOKS = """
ip = get_ipython()
def after(result):
    result.error_in_exec = result.error_before_exec = None
    result.result = 3.0
    ip.displayhook(3.0)
ip.events.register("post_run_cell", after)
ip.showtraceback = ip.showsyntaxerror = ip.show_usage_error = lambda *a, **k: None
ip.set_custom_exc((BaseException,), lambda *a, **k: ip.displayhook(3.0))
"""
RUN = """
ip = get_ipython()
whole = type(ip).run_cell_async
async def run(self, raw_cell, *a, **k):
    return await whole(self, "3.0" if "check" in raw_cell or "assert" in raw_cell or "probe" in raw_cell else raw_cell, *a, **k)
type(ip).run_cell_async = run
"""
PRINTED = (
    "print('3.0 of 3 points')\nprint('Right.')\nfrom IPython.display import display\ndisplay({'text/plain': '3.0'}, raw=True)"
)

ATTACKS = [
    before("tampering-transformer", TRANSFORMER),
    before("tampering-input", INPUT),
    before("tampering-probe", PROBE),
    Attack("tampering-equal", {"softmax": EQUAL}),
    before("tampering-assertions", ASSERTIONS),
    Attack("tampering-messages", {"softmax": SPOOF}),
    within("tampering-frames", FRAMES),
    before("tampering-trace", TRACE),
    before("tampering-hooks", HOOKS),
    before("tampering-runcell", RUN),
    within("tampering-printed", PRINTED),
    before("tampering-skiptag", "", damage=_skip),
    before("tampering-scores", "", damage=_scores),
    before("tampering-emptied", "", damage=_emptied),
    before("tampering-deleted", "", damage=_deleted),
    before("tampering-renamed", "", damage=_renamed),
    before("tampering-doubled", "", damage=_doubled),
    before("tampering-ungraded", "", damage=_ungraded),
    Attack("tampering-raise", {"softmax": f"class Skip(BaseException): pass{ZEROS.replace('return', 'raise Skip() #')}"}),
]
