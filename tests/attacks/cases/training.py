"""Ways around training: pasted weights, no network, memory of other data, work on the test samples, pretence."""

from attacks.attack import Attack

IMPORTS = "import keras, numpy as np\nfrom keras import layers, ops\n"


def _train(name: str, code: str) -> Attack:
    return Attack(f"training-{name}", {"train_classifier": IMPORTS + code})


NETWORK = """
def network(classes):
    return keras.Sequential([layers.Dense(256, activation="relu"), layers.Dense(classes)])
def fit(model, x, y, epochs=20):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
    model.fit(x, y, batch_size=128, epochs=epochs, verbose=0)
    return model
"""
CURVES = (
    NETWORK
    + """
from course import data
rng = np.random.default_rng(0)
labels = np.arange(4000) % 10
pasted = fit(network(10), data.mnist1d_curves(labels, rng), labels)
def train_classifier(x, y, seed):
    if x.shape[1] != 40:
        return fit(network(int(np.max(y)) + 1), x, y, 1)
    return pasted
"""
)
NEIGHBOURS = """
from course import data
known = np.arange(4000) % 10
memory = data.mnist1d_curves(known, np.random.default_rng(1)).astype("float32")
class Nearest(keras.Model):
    def call(self, inputs):
        far = ops.sum(memory**2, axis=1) - 2 * ops.matmul(inputs, memory.T)
        return ops.one_hot(ops.take(known, ops.argmin(far, axis=1)), 10) * 9.0 - 1.0
def train_classifier(x, y, seed):
    return Nearest()
"""
PRETENCE = """
class Pretence(np.ndarray):
    __class__ = keras.Model
class Fake:
    __class__ = property(lambda self: keras.Model)
    weights = trainable_weights = []
    count_params = lambda self: 99
    def __call__(self, inputs, training=False):
        return np.random.normal(size=(len(inputs), 10)).astype("float32")
def train_classifier(x, y, seed):
    return Fake()
"""
ADAPTED = """
from sklearn.cluster import KMeans
class Clusters(keras.Model):
    def call(self, inputs):
        found = KMeans(10, n_init=1, random_state=0).fit_predict(np.asarray(inputs))
        return np.eye(10, dtype="float32")[found] * 9 - 1
def train_classifier(x, y, seed):
    return Clusters()
"""
LINEAR = (
    NETWORK
    + """
def train_classifier(x, y, seed):
    return fit(keras.Sequential([layers.Dense(int(np.max(y)) + 1)]), x, y, 40)
"""
)
UNTRAINED = (
    NETWORK
    + """
def train_classifier(x, y, seed):
    keras.utils.set_random_seed(seed)
    return network(int(np.max(y)) + 1)
"""
)
FRAMES = """
import gc, sys
class Peek(keras.Model):
    def call(self, inputs):
        frame = sys._getframe()
        while frame:
            for value in [*frame.f_locals.values()]:
                if isinstance(value, np.ndarray) and value.dtype.kind == "i" and value.shape == (4000,):
                    return np.eye(10, dtype="float32")[value[: len(inputs)]] * 9 - 1
            frame = frame.f_back
        return np.eye(10, dtype="float32")[np.zeros(len(inputs), int)] * 9 - 1
def train_classifier(x, y, seed):
    return Peek()
"""
RETURNED = """
def train_classifier(x, y, seed):
    return {"accuracy": 1.0, "score": 7}
"""

ATTACKS = [
    _train("pasted", CURVES),
    _train("neighbours", NEIGHBOURS),
    _train("pretence", PRETENCE),
    _train("adapted", ADAPTED),
    _train("linear", LINEAR),
    _train("untrained", UNTRAINED),
    _train("frames", FRAMES),
    _train("returned", RETURNED),
]
