"""Call an answer on given inputs and publish what came out, as data.

Every check cell of the course holds one hidden line, `probe(answer)`. What it does is decided by what was handed to it:

- a grading run hands it *requests* (the calls to make) and gets *evidence* (the plain arrays that came out) as an output
  of the check cell. Nothing is compared here; whoever asked decides;
- in an instructor's own Jupyter, `%load_ext grader` registers a judge, which is asked instead and shows its verdict;
- with neither, it raises, so that a run that is set up wrongly earns nobody full marks.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import gc
import hmac
import inspect
import io
import json
import os
import random
import re
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from traceback import walk_tb
from types import CodeType, FrameType
from typing import Any

import numpy as np

REQUEST_VARIABLE = "COURSE_PROBE_REQUEST"
"""Environment variable of a grading kernel: the file with the requests of the check cell that is about to run."""

EVIDENCE_MIME = "application/vnd.keras-course.evidence+json"
MAX_ERROR_CHARS = 400

GRAPH = re.compile(r"Graph execution error:.*\n\n(.+?)\n\t \[\[", re.DOTALL)
"""What TensorFlow says of an error in a compiled function: below the whole stack, a line that tells what is wrong."""

UNWRITTEN = "is not written yet"
"""Of an answer to another exercise, which this one calls."""

judge: Callable[[Any], None] | None = None
"""Registered by `%load_ext grader`: shows the verdict on an answer."""


@dataclass(frozen=True)
class Call:
    """Call the answer as a function.

    Args:
        args: Positional arguments; arrays are handed over as tensors of the backend in use.
        kwargs: Keyword arguments, likewise.
        returns: Names of the values in the tuple or dict that comes back; empty for one value, which is named "result".
            A value that is a dict itself gives evidence named "<name>.<key>".
        numpy: Hand arrays over as NumPy arrays, in their own precision, instead of tensors.
        calls: How often to call the answer on the same arguments; the last result counts. With 2, an answer that
            changes its arguments gives another result than one that leaves them alone.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    returns: tuple[str, ...] = ()
    numpy: bool = False
    calls: int = 1


@dataclass(frozen=True)
class LayerCall(Call):
    """Make a layer with `answer(**init)`, build it by a call, set its weights, and call it again.

    Args:
        init: Keyword arguments of the constructor.
        weights: Values by attribute path from the layer, such as `"query_dense.kernel"`.
    """

    init: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelCall(Call):
    """Make a model with `answer(*args, **kwargs)`, set its weights if any are given, and call it on each input.

    The evidence is named after the inputs (`"<input>"`, or `"<input>.<name>"` for each name in `returns`), and
    `"parameters"` and `"trainable"` are the model's numbers of parameters, and of those that training changes; with `anew`, of
    all that are drawn anew, since a model may be frozen when it is trained. `"compiled"` and `"built"` say whether it
    was compiled when it came back, and whether it had weights.

    Args:
        inputs: What the model is called on, in inference mode.
        weights: Values that replace the weights of the same shape, all of them; each shape that the model has must be there.
        places: For some inputs, `(row, position)` pairs, `(n, 2)`: of the output, `(rows, positions, ...)`, only these.
        anew: Inputs on which the model is called once more, after all else, with weights that are drawn anew. The name of that
            evidence begins with `ANEW`.
    """

    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    weights: tuple[np.ndarray, ...] = ()
    places: Mapping[str, np.ndarray] = field(default_factory=dict)
    anew: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept(Call):
    """Call the answer as a function, and look at its arguments when it is done.

    The evidence of argument `k` is named `"k"`; of a dict that is its length, and each of its values is named `"k.<key>"`.
    """


@dataclass(frozen=True)
class Twice(ModelCall):
    """Make the model twice with the same arguments, and call both on the inputs.

    Where that goes, `fit` trains for a few epochs, since who asks for this compares the two alone.
    The names of the first one's evidence begin with `FIRST`, those of the second one's with `AGAIN`.
    """

    def once(self) -> ModelCall:
        return ModelCall(**vars(self))


@dataclass(frozen=True)
class Randomness:
    """Stands for an argument: a NumPy generator, `np.random.default_rng(seed)`."""

    seed: int

    def make(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Encoder:
    """Stands for an argument: the course's pre-trained encoder, for a vocabulary whose words have other ids.

    Args:
        order: The id of each word, for `course.data.Grammar(order)`.
    """

    order: np.ndarray

    def make(self) -> Any:
        from course import pretrained

        return pretrained.load_encoder(self.order)


CODED: dict[str, type[Any]] = {kind.__name__: kind for kind in (Call, LayerCall, ModelCall, Kept, Twice, Randomness, Encoder)}
"""What a request holds beside plain values."""
BATCH = 1000
"""Rows per forward pass of a model, so that judged samples need little memory."""
ANEW = "anew "
"""What the names of evidence begin with that a model gives with weights drawn anew."""
FIRST, AGAIN = "first ", "again "
"""What the names of evidence begin with of two models that are made with the same arguments."""


EPOCHS, STEPS = 2, 16
"""Epochs that are enough to see whether two models become the same; steps that take no longer than to compile one."""


PACKAGES = "-packages"
"""In the path of every library's source: site-packages, or dist-packages."""


class ProbeError(RuntimeError):
    """The probe was called where nobody had asked for evidence, or the answer did not return what was agreed."""


# --- the way there and back: JSON with arrays as base64 .npy, never pickled ---


def encode(value: Any) -> Any:
    """Turn nested Python values and arrays into JSON-able ones."""
    if isinstance(value, np.ndarray | np.generic):
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(value), allow_pickle=False)
        return {"$npy": base64.b64encode(buffer.getvalue()).decode("ascii")}
    if type(value).__name__ in CODED:
        fields = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"$run": type(value).__name__, "fields": fields}
    if isinstance(value, tuple):
        return {"$tuple": [encode(item) for item in value]}
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    return value


def decode(value: Any) -> Any:
    """The inverse of `encode`, for requests: whoever writes those is trusted."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$npy" in value:
        return np.load(io.BytesIO(base64.b64decode(value["$npy"])), allow_pickle=False)
    if "$run" in value:
        return CODED[value["$run"]](**decode(value["fields"]))
    if "$tuple" in value:
        return tuple(decode(item) for item in value["$tuple"])
    return {key: decode(item) for key, item in value.items()}


def write_request(path: Path, runs: Sequence[Call], off_limits: Sequence[str] = (), key: str = "") -> None:
    """Leave the runs for the next check cell where the probe of a grading kernel looks for them.

    Args:
        path: The file.
        runs: The calls to make.
        off_limits: Dotted names of what the answer must not call.
        key: What the evidence is sealed with, drawn for this one call.
    """
    path.write_text(json.dumps({"runs": encode(list(runs)), "off_limits": list(off_limits), "key": key}))


def sealed(evidence: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Evidence with a seal, which only who knows the key can make: what is changed on its way is no evidence."""
    text = json.dumps(evidence["runs"], sort_keys=True)
    return {"runs": evidence["runs"], "seal": hmac.new(key.encode(), text.encode(), "sha256").hexdigest()}


# --- running an answer ---


def probe(answer: Any) -> None:
    """Publish evidence of what `answer` does, or show the verdict of the judge that is registered.

    Raises:
        ProbeError: If neither a grading run nor a judge asked for evidence.
    """
    request = os.environ.get(REQUEST_VARIABLE)
    if request is not None:
        from IPython.display import publish_display_data

        asked = decode(json.loads(Path(request).read_text()))
        evidence = collect(answer, asked["runs"], asked["off_limits"])
        publish_display_data({EVIDENCE_MIME: sealed(evidence, asked["key"])})
    elif judge is not None:
        judge(answer)
    else:
        raise ProbeError("nobody asked for evidence: grade with the course's configuration, or run `%load_ext grader` first.")


def collect(answer: Any, runs: Sequence[Call], off_limits: Sequence[str] = ()) -> dict[str, Any]:
    """Run each request on fresh copies and return what came out.

    Returns:
        JSON-able `{"runs": [...]}` with one entry per run: `{"arrays": {name: array}}` or `{"error": text}`.
    """
    return {"runs": [_attempt(answer, decode(encode(run)), off_limits) for run in runs]}


def _attempt(answer: Any, run: Call, off_limits: Sequence[str]) -> dict[str, Any]:
    try:
        with _undisturbed(), _device_for(run), _watched(off_limits):
            arrays = _execute(answer, run)
        return {"arrays": encode(arrays)}
    except Exception as error:  # whatever an answer raises is evidence, and the other runs go on
        return {"error": _text_of(error, answer)[:MAX_ERROR_CHARS].encode("utf-8", "replace").decode()}


def _text_of(error: Exception, answer: Any) -> str:
    if isinstance(error, NotImplementedError):
        *_, (last, _) = walk_tb(error.__traceback__)
        raised = last.f_code.co_qualname.rpartition("<locals>.")[2].partition(".")[0]
        if raised != getattr(answer, "__name__", raised) and PACKAGES not in last.f_code.co_filename:
            return f"NotImplementedError: `{raised}`, which is used here, {UNWRITTEN}"
    try:
        said = str(error)
        in_graph = GRAPH.search(said)
        return f"{type(error).__name__}: {in_graph[1] if in_graph else said}"
    except Exception:  # an answer may raise errors of its own kind, which cannot be shown
        return type(error).__name__


def answering() -> bool:
    """Whether an answer is being called just now, from whatever thread one asks."""
    for frame in _frames():
        step: FrameType | None = frame
        while step:
            if step.f_code is _call.__code__:
                return True
            step = step.f_back
    return False


_LOOKING = threading.Lock()


def _frames() -> list[FrameType]:
    """What each thread is about to do, found while nothing collects garbage.

    A collection in the midst of it can wait for a thread that waits for this one (python/cpython#106883, until 3.12).
    """
    with _LOOKING:
        collects = gc.isenabled()
        gc.disable()
        try:
            return list(sys._current_frames().values())
        finally:
            if collects:
                gc.enable()


def _execute(answer: Any, run: Call) -> dict[str, np.ndarray]:
    if isinstance(run, Twice):
        with contextlib.suppress(Exception), _few_epochs():
            made = _make_twice(answer, run)
            if all(np.isfinite(array).all() for array in made.values()):
                return made
        return _make_twice(answer, run)  # an answer may need more of its training than a few epochs
    convert = _keep if run.numpy else _to_tensors
    older = _variables() if isinstance(run, ModelCall) and run.anew else []
    return _call(answer, run, convert(run.args), convert(run.kwargs), older)


def _make_twice(answer: Any, run: Twice) -> dict[str, np.ndarray]:
    """With arguments of its own each, which training may change."""
    once = encode(run.once())
    return {f"{when}{name}": array for when in (FIRST, AGAIN) for name, array in _execute(answer, decode(once)).items()}


def _call(
    answer: Any, run: Call, args: Sequence[Any], kwargs: Mapping[str, Any], older: Sequence[Any]
) -> dict[str, np.ndarray]:
    """Call the answer, and what it made; `answering` looks for this function on the stack."""
    if isinstance(run, ModelCall):
        return _call_model(answer(*args, **kwargs), run, older)
    if isinstance(run, LayerCall):
        layer = answer(**run.init)
        layer(*args, **kwargs)
        for path, value in run.weights.items():
            variable = layer
            for name in path.split("."):
                variable = getattr(variable, name)
            variable.assign(value)
        answer = layer
    if isinstance(run, Kept):
        answer(*args, **kwargs)
        sizes = {str(k): np.asarray(len(value)) for k, value in enumerate(args) if isinstance(value, Mapping)}
        return sizes | {name: array for k, value in enumerate(args) for name, array in _flatten(str(k), value).items()}
    for _ in range(run.calls - 1):
        answer(*args, **kwargs)
    return _name_values(answer(*args, **kwargs), run.returns)


def _call_model(model: Any, run: ModelCall, older: Sequence[Any]) -> dict[str, np.ndarray]:
    import keras

    if not isinstance(model, keras.Model):
        raise ProbeError(f"expected a Keras model, received {_describe(model)}.")
    first, state = next(iter(run.inputs.values())), {"compiled": bool(model.compiled), "built": bool(model.weights)}
    model(_to_tensors(first[:1]))  # builds it
    if run.weights:
        by_shape = {value.shape: value for value in run.weights}
        shapes = [tuple(variable.shape) for variable in model.weights]
        if set(shapes) != set(by_shape):
            raise ProbeError(f"expected weights of the shapes {sorted(by_shape)}, received {sorted(set(shapes))}.")
        for variable in model.weights:
            variable.assign(by_shape[tuple(variable.shape)])
    trainable = sum(int(np.prod(variable.shape)) for variable in model.trainable_weights)
    evidence = {"parameters": np.asarray(model.count_params()), "trainable": np.asarray(trainable)}
    evidence |= {name: np.asarray(value) for name, value in state.items()}
    for name in run.inputs:
        evidence |= _predict(model, run, name)
    drawn = _draw_anew(model, older) if run.anew else 0
    for name in run.anew:
        try:
            found = _predict(model, run, name)
        except Exception:  # other weights may be nonsense to a model, which is nobody's fault: then it predicts nothing
            labels = [name, *(f"{name}.{key}" for key in run.returns)]
            found = {label: np.full_like(evidence[label], np.nan, dtype=float) for label in labels if label in evidence}
        other = any(not np.array_equal(array, evidence[label]) for label, array in found.items())
        if model.weights or other:  # a model may have been frozen when it was trained, or not tell of what it uses
            evidence["trainable"] = np.asarray(drawn)
        evidence |= {f"{ANEW}{label}": array for label, array in found.items()}
    return evidence


def _predict(model: Any, run: ModelCall, name: str) -> dict[str, np.ndarray]:
    """What a model gives for one of the inputs, by the evidence's name."""
    rows = run.inputs[name]
    batches = [
        _name_values(model(_to_tensors(rows[start : start + BATCH]), training=False), run.returns)
        for start in range(0, len(rows), BATCH)
    ]
    found = {}
    for key in batches[0]:
        label = f"{name}.{key}" if run.returns else name
        found[label] = np.concatenate([batch[key] for batch in batches])
        if name in run.places:
            found[label] = found[label][tuple(run.places[name].T)]
    return found


def _variables() -> list[Any]:
    """All variables of Keras that there are: a model does not tell of those in closures, `Lambda`s, objects of its own."""
    import keras

    return [found for found in gc.get_objects() if issubclass(type(found), keras.Variable)]


def _draw_anew(model: Any, older: Sequence[Any]) -> int:
    """Put random numbers of the same size in place of what training may have changed; integers, such as seeds, stay.

    Args:
        model: Its weights are drawn, frozen ones, too.
        older: Variables that were there before; those that came since are drawn, whoever holds them.

    Returns:
        How many numbers were drawn.
    """
    import keras

    rng, drawn, before = np.random.default_rng(0), 0, set(map(id, older))
    found = {id(variable): variable for variable in [*model.weights, *_variables()]}
    own = set(map(id, model.weights))
    for variable in [found[k] for k in found if k in own or k not in before]:
        if keras.backend.is_float_dtype(variable.dtype):
            old = _to_array(variable).astype(float)
            new = rng.normal(size=old.shape) * np.sqrt(np.mean(old**2))
            # A variance stays one.
            variable.assign((np.abs(new) if (old >= 0).all() else new).astype("float32"))
            drawn += old.size
    return drawn


def _name_values(result: Any, names: Sequence[str]) -> dict[str, np.ndarray]:
    if not names:
        return {"result": _to_array(result)}
    if isinstance(result, Mapping):
        missing = [name for name in names if name not in result]
        if missing:
            raise ProbeError(f"expected a dict with the keys {list(names)}, received {list(result)}.")
        result = [result[name] for name in names]
    if isinstance(result, tuple | list) and len(result) == len(names):
        return {key: array for pair in zip(names, result, strict=True) for key, array in _flatten(*pair).items()}
    raise ProbeError(f"expected {len(names)} values ({', '.join(names)}), received {_describe(result)}.")


def _flatten(name: str, value: Any) -> dict[str, np.ndarray]:
    if isinstance(value, Mapping):
        return {f"{name}.{key}": _to_array(item) for key, item in value.items()}
    return {name: _to_array(value)}


def _to_array(value: Any) -> np.ndarray:
    """A plain array from a tensor of any backend, a NumPy array, a Python number, or nested lists of these."""
    import keras

    if isinstance(value, list | tuple):
        array = np.asarray([_to_array(item) for item in value])
    elif isinstance(value, np.ndarray | np.generic | bool | int | float):
        array = np.asarray(value)
    elif keras.ops.is_tensor(value) or isinstance(value, keras.Variable):
        array = np.asarray(keras.ops.convert_to_numpy(value))
    else:
        array = np.asarray(value)
    if array.dtype.kind == "V":  # bfloat16, which NumPy does not know
        array = array.astype("float32")
    if array.dtype.kind not in "biuf":
        raise ProbeError(f"expected numbers, received {_describe(value)}.")
    return array


def _describe(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"one {type(value).__name__} of shape {tuple(shape)}"
    return f"{len(value)} values" if isinstance(value, tuple | list) else type(value).__name__


def _keep(value: Any) -> Any:
    if isinstance(value, Randomness | Encoder):
        return value.make()
    if isinstance(value, list | tuple):
        return type(value)(_keep(item) for item in value)
    return value


def _to_tensors(value: Any) -> Any:
    import keras

    if isinstance(value, Randomness | Encoder):
        return value.make()
    if isinstance(value, np.ndarray):
        return keras.ops.convert_to_tensor(value)
    if isinstance(value, list | tuple):
        return type(value)(_to_tensors(item) for item in value)
    if isinstance(value, Mapping):
        return {key: _to_tensors(item) for key, item in value.items()}
    return value


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Give the answer the default precision and seeds, and put back what it changed."""
    import keras

    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    numpy_state, python_state = np.random.get_state(), random.getstate()
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
        np.random.set_state(numpy_state)
        random.setstate(python_state)


@contextlib.contextmanager
def _few_epochs() -> Iterator[None]:
    """`fit` ends after a few epochs, and on TensorFlow compiles nothing where that takes longer than the steps themselves."""
    import keras

    fit, own = keras.Model.fit, vars(keras.Model).get("fit")  # Keras's is of a base class; a notebook may have put its own here
    names, begun = inspect.signature(fit), weakref.WeakSet[Any]()

    def short(model: Any, *args: Any, **kwargs: Any) -> Any:
        given = names.bind(model, *args, **kwargs)
        asked = given.arguments
        asked["epochs"] = min(asked.get("epochs", 1), EPOCHS)
        first = (keras.tree.flatten(asked.get("x")) or [None])[0]
        rows, batch = getattr(first, "shape", (float("inf"),))[0], asked.get("batch_size") or 32
        again = model in begun
        begun.add(model)
        if keras.backend.backend() != "tensorflow" or again or rows * asked["epochs"] > STEPS * batch:
            return fit(*given.args, **given.kwargs)
        before, model.run_eagerly = model.run_eagerly, True
        try:
            return fit(*given.args, **given.kwargs)
        finally:
            model.run_eagerly, model.train_function, model.test_function = before, None, None  # the next fit makes them anew

    keras.Model.fit = short
    try:
        yield
    finally:
        if own:
            keras.Model.fit = own
        else:
            del keras.Model.fit


def _device_for(run: Call) -> contextlib.AbstractContextManager[Any]:
    """Models train where there is most power; the rest is small, and NumPy cannot read PyTorch's tensors on a GPU."""
    import keras

    # Not "cpu:0": for PyTorch that is another device than "cpu", and layers with random numbers cannot be built across both.
    return contextlib.nullcontext() if isinstance(run, ModelCall) else keras.device("cpu")


@contextlib.contextmanager
def _watched(names: Sequence[str]) -> Iterator[None]:
    """Raise a sentence that says so if meanwhile a library runs something that is off-limits, such as `keras.ops.softmax`.

    However the answer came by it, and from whatever library: the last part of the name counts.
    """
    banned = {name.rpartition(".")[2]: name for name in names if not name.startswith("course.")}
    if not banned:  # training would take longer, and the course's own modules are in the source's search
        yield
        return
    called: set[str] = set()
    seen: dict[int, CodeType] = {}  # each function once; kept, so that no other one gets its id

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            if id(code) not in seen:
                seen[id(code)] = code
                if PACKAGES in code.co_filename:
                    called.update(part for part in code.co_qualname.split(".") if part in banned)
        elif event == "c_call" and getattr(argument, "__name__", "") in banned:
            called.add(argument.__name__)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)
    if called:
        name = banned[min(called)]
        raise ProbeError(f"`{name}` or its like is off-limits in this exercise: build it from simpler operations.")
