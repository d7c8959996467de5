"""Three patterns of input and output, with weights that are given: how often the network reads, and how often it answers."""

import numpy as np

from grader.judging import Array, Case, Check, Mistake, ModelCall
from grader.judging.contracts import NOT_COMPILED
from grader.judging.matching import apart, only, shows

from ._reference import simple_states

ONE, MANY, FROM_ONE = "many to one", "many to many", "one to many"
FEATURES, UNITS, OUTPUTS, STEPS = 3, 5, 4, 6


def cases(rng: np.random.Generator) -> list[Case]:
    def run(pattern: str) -> ModelCall:
        shapes = (FEATURES, UNITS), (UNITS, UNITS), (UNITS,), (UNITS, OUTPUTS), (OUTPUTS,)  # a weight is known by its shape
        weights = tuple(apart(rng, shape, high=0.8) for shape in shapes)
        x = {
            "one input": apart(rng, (2, FEATURES)),
            "short": apart(rng, (2, 3, FEATURES)),
            "long": apart(rng, (2, 7, FEATURES)),
        }
        wanted = ("one input",) if pattern == FROM_ONE else ("short", "long")
        inputs = {name: x[name] for name in wanted}
        return ModelCall((pattern, FEATURES, UNITS, OUTPUTS, STEPS), inputs=inputs, weights=weights)

    return [Case(pattern, run(pattern)) for pattern in (ONE, MANY, FROM_ONE)]


def oracle(run: ModelCall, bend: str = "none", answer: str = "last state", reads: str = "every step") -> dict[str, Array]:
    kernel, recurrent_kernel, bias, output_kernel, output_bias = run.weights
    results = {}
    for name, x in run.inputs.items():
        xs = x if x.ndim == 3 else np.repeat(x[:, None], STEPS, axis=1)
        if x.ndim == 2 and reads == "first step":
            xs = xs * (np.arange(STEPS) == 0)[:, None]
        states = simple_states(xs, kernel, recurrent_kernel, bias)
        if run.args[0] == ONE:
            states = states[:, -1] if answer == "last state" else states.mean(axis=1)
        z = states @ output_kernel + output_bias
        if bend == "softmax":
            z = np.exp(z - np.logaddexp.reduce(z, axis=-1, keepdims=True))
        results[name] = np.tanh(z) if bend == "tanh" else z
    return results


RECURRENT = 'layers.SimpleRNN(units, return_sequences=pattern != "many to one")'
OUTPUT = "layers.Dense(outputs)"
REPEAT = "xs = layers.RepeatVector(steps)(inputs)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The outputs are probabilities: the dense layer has no activation.": Mistake(
            (OUTPUT, 'layers.Dense(outputs, activation="softmax")'), bend="softmax"
        ),
        "The outputs go through tanh: only the state does, outputs can be any number.": Mistake(
            (OUTPUT, 'layers.Dense(outputs, activation="tanh")'), bend="tanh"
        ),
        'The network answers after every step in each pattern: "many to one" answers once, after the last step.': Mistake(
            (RECURRENT, "layers.SimpleRNN(units, return_sequences=True)"),
            matches=lambda judged: only(ONE)(judged) and ONE in judged.errors,
        ),
        "The network answers once in each pattern: `return_sequences=True` keeps the state of every step.": Mistake(
            (RECURRENT, "layers.SimpleRNN(units)"), matches=only(MANY, FROM_ONE)
        ),
        'In "many to one" the states are averaged: the answer is taken from the last one.': Mistake(
            (
                f"states = {RECURRENT}(xs)",
                "states = layers.SimpleRNN(units, return_sequences=True)(xs)\n"
                '    if pattern == "many to one":\n'
                "        states = layers.GlobalAveragePooling1D()(states)",
            ),
            answer="mean",
        ),
        'In "one to many" only the first step reads the input: each step should read it again.': Mistake(
            (
                REPEAT,
                "xs = layers.Reshape((1, features))(inputs)\n        xs = layers.ZeroPadding1D((0, steps - 1))(xs)",
            ),
            matches=shows(FROM_ONE, of="one input", reads="first step"),
        ),
        "The number of steps is fixed: sequences may have any length, and `None` stands for it in the input's shape.": Mistake(
            ("layers.Input((None, features))", "layers.Input((steps, features))"), matches=only(ONE, MANY)
        ),
    },
    alternatives=(
        """
def build_recurrent(pattern, features, units, outputs, steps):
    one, many = pattern.split(" to ")
    model = keras.Sequential()
    if one == "one":
        model.add(layers.Input((features,)))
        model.add(layers.RepeatVector(steps))
    else:
        model.add(layers.Input((None, features)))
    model.add(layers.SimpleRNN(units, return_sequences=many == "many"))
    if many == "many":
        model.add(layers.TimeDistributed(layers.Dense(outputs)))
    else:
        model.add(layers.Dense(outputs, activation="linear"))
    return model
""",
        """
def build_recurrent(pattern, features, units, outputs, steps):
    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.answer = layers.Dense(outputs)
            self.recurrent = layers.RNN(layers.SimpleRNNCell(units), return_sequences=True)

        def call(self, x):
            if pattern == "one to many":
                x = ops.repeat(x[:, None], steps, axis=1)
            states = self.recurrent(x)
            return self.answer(states[:, -1] if pattern == "many to one" else states)

    return Network()
""",
    ),
    # Seven steps in float32, each on the result of the one before.
    atol=2e-5,
    rtol=2e-5,
    contracts=(NOT_COMPILED,),
)
