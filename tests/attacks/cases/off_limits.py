"""The answer itself, called by another name: `softmax` is off-limits in the exercise that builds it."""

from attacks.attack import Attack


def _by(name: str, code: str) -> Attack:
    return Attack(f"offlimits-{name}", {"softmax": code})


def _calling(name: str, expression: str, first: str = "") -> Attack:
    return _by(name, f"{first}\ndef softmax(logits):\n    return {expression}\n")


THREAD = """
import _thread, keras
def softmax(logits):
    found, done = [], _thread.allocate_lock()
    done.acquire()
    def work():
        found.append(keras.activations.get("soft" + "max")(logits))
        done.release()
    _thread.start_new_thread(work, ())
    done.acquire()
    return found[0]
"""
"""Where the probe does not look."""
TRACED = """
import tensorflow as tf
import keras
@tf.function(input_signature=[tf.TensorSpec((None, None))])
def traced(logits):
    graph = tf.compat.v1.get_default_graph()
    return CALL
traced.get_concrete_function()
def softmax(logits):
    return traced(logits)
"""
"""Compiled before the probe looks."""

ATTACKS = [
    _calling("plain", "keras.ops.softmax(logits)", "import keras"),
    _calling("alias", "o.softmax(logits)", "import keras.ops as o"),
    _calling("imported", "f(logits)", "from keras.ops import softmax as f"),
    _by("assigned", "from keras.activations import softmax"),
    _calling("star", "keep(logits)", "from keras.activations import *\nkeep = softmax"),
    _calling("getattr", "getattr(ops, 'soft' + 'max')(logits)"),
    _calling("attrgetter", "f(logits)", "import operator\nf = operator.attrgetter('soft' + 'max')(keras.ops)"),
    _calling("methodcaller", "operator.methodcaller('soft' + 'max', logits)(ops)", "import operator"),
    _calling("vars", "vars(ops)['soft' + 'max'](logits)"),
    _calling("dict", "ops.__dict__['soft' + 'max'](logits)"),
    _calling("getattribute", "type(ops).__getattribute__(ops, 'tfosmax'[0] and 'xamtfos'[::-1])(logits)"),
    _calling(
        "importlib",
        "importlib.import_module('keras.src.activations.activations').__dict__['softmax'](logits)",
        "import importlib",
    ),
    _calling("src", "nn.softmax(logits)", "from keras.src.backend import nn"),
    _calling("exec", "f(logits)", "exec('from keras.src.ops.nn import soft' + 'max as f')"),
    _calling("evalled", "eval('ops.soft' + 'max')(logits)"),
    _calling("get", "keras.activations.get('soft' + 'max')(logits)"),
    _calling("deserialised", "keras.layers.deserialize({'class_name': 'Soft' + 'max', 'config': {}})(logits)"),
    _calling("layer", "keras.layers.Activation('soft' + 'max')(logits)"),
    _calling("denselayer", "keras.layers.Dense(4, 'soft' + 'max', kernel_initializer='identity')(logits)"),
    _by("default", "def softmax(logits, f=keras.ops.nn.softmax):\n    return f(logits)\n"),
    _calling("modules", "sys.modules['keras.ops'].__dict__['soft' + 'max'](logits)", "import sys"),
    _calling(
        "search", "next(v for k, v in f.items() if k[:5] == 'softm')(logits)", "f = {k: ops.__dict__[k] for k in dir(ops)}"
    ),
    _calling("inspect", "dict(inspect.getmembers(ops))['soft' + 'max'](logits)", "import inspect"),
    _calling("backend", "tf.nn.softmax(logits)", "import tensorflow as tf"),
    _calling("rawops", "tf.raw_ops.Softmax(logits=logits)", "import tensorflow as tf"),
    _calling("scipy", "f(np.asarray(logits), axis=-1)", "from scipy.special import softmax as f"),
    _calling("pickled", "f(logits)", "import pickle\nf = pickle.loads(b'ckeras.ops\\nsoftmax\\n.')"),
    _calling("partial", "f(logits)", "import functools\nf = functools.partial(keras.activations.softmax, axis=-1)"),
    _by("method", "class A:\n    f = staticmethod(keras.ops.softmax)\ndef softmax(logits):\n    return A.f(logits)\n"),
    _by("rebound", "import builtins\nbuiltins.trick = keras.ops.softmax\ndef softmax(logits):\n    return trick(logits)\n"),
    _by(
        "decorated",
        "def use(f):\n    return lambda logits: keras.ops.softmax(logits)\n@use\ndef softmax(logits):\n    return logits\n",
    ),
    _by(
        "stored",
        "__import__('os').f = __import__('keras').ops.softmax\nimport os\ndef softmax(logits):\n    return os.f(logits)\n",
    ),
    _by("globals", "globals()['soft' + 'max'] = keras.src.ops.nn.softmax"),
    _by("lowthread", THREAD),
    _by("name", TRACED.replace("CALL", 'keras.activations.get("softmax")(logits)')),
    _by("layername", TRACED.replace("CALL", 'keras.layers.Activation(activation="softmax")(logits)')),
    _by("operation", TRACED.replace("CALL", 'graph.create_op("Softmax", [logits], [tf.float32]).outputs[0]')),
    _by("magic", "%run -i nothing.py\nget_ipython().run_cell('from keras.src.ops.nn import softmax')"),
]
