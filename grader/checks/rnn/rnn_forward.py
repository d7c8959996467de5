"""A simple recurrent network over time: sizes that all differ, as many outputs as units, one step, and a second call."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Judged, Mistake
from grader.judging.matching import apart, got, right, shows
from grader.judging.off_limits import RECURRENT

from ._reference import simple_states

SAME, ONE = "as many outputs as units", "one step"


def cases(rng: np.random.Generator) -> list[Case]:
    def run(batch: int, steps: int, inputs: int, units: int, outputs: int) -> Call:
        shapes = (batch, steps, inputs), (inputs, units), (units, units), (units,), (units, outputs), (outputs,)
        return Call(tuple(apart(rng, shape, high=0.9) for shape in shapes), returns=("outputs", "states"))

    long = run(3, 6, 2, 4, 5)
    return [
        Case("states", long, weight=2, of=("states",)),
        Case("outputs", long, weight=2, of=("outputs",)),
        Case(SAME, run(2, 4, 3, 5, 5)),
        Case(ONE, run(2, 1, 3, 4, 2), weight=0.5),
        Case("once more", run(3, 6, 2, 4, 5), weight=0.5),
    ]


def oracle(
    *arrays: Array,
    memory: str = "kept",
    order: str = "forward",
    recurrent: str = "its own",
    head: str = "new state",
    bias: str = "all",
) -> dict[str, Array]:
    xs, kernel, recurrent_kernel, shift, output_kernel, output_shift = arrays
    if order == "backward":
        xs = xs[:, ::-1]
    if memory == "lost":
        recurrent_kernel = 0 * recurrent_kernel
    if recurrent != "its own":
        recurrent_kernel = {"transposed": recurrent_kernel.T, "the output's": output_kernel}[recurrent]
    states = simple_states(xs, kernel, recurrent_kernel, 0 * shift if bias == "outputs" else shift)
    before = np.concatenate([np.zeros_like(states[:, :1]), states[:, :-1]], axis=1)
    outputs = (before if head == "old state" else states) @ output_kernel + (0 if bias == "states" else output_shift)
    if head == "tanh":
        outputs = np.tanh(outputs)
    elif head == "softmax":
        outputs = np.exp(outputs - np.logaddexp.reduce(outputs, axis=-1, keepdims=True))
    return {"outputs": outputs, "states": states}


def states_twice(judged: Judged) -> bool:
    """Where there are as many outputs as units, the states stand in the place of the outputs, too."""
    shown, states = ({"": values} for values in (got(judged, SAME, "outputs"), right(judged, SAME, "states")))
    return SAME in judged.failed and judged.check.close(shown, states)


STEP = "state = ops.tanh(ops.matmul(xs[:, step], kernel) + ops.matmul(state, recurrent_kernel) + bias)"
RETURN = "return ops.matmul(states, output_kernel) + output_bias, states"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The output's matrix leads from state to state, too: these are two matrices, and only by chance do both fit.": Mistake(
            (STEP, STEP.replace("recurrent_kernel", "output_kernel")),
            matches=shows(SAME, of="states", recurrent="the output's"),
        ),
        "Each step starts from a state of zeros: hand the new state on to the next step.": Mistake(
            (STEP, STEP.replace("state, rec", "ops.zeros_like(state), rec")), memory="lost"
        ),
        "The steps are taken from the last to the first: time runs forward along axis 1.": Mistake(
            (STEP, STEP.replace("xs[:, step]", "xs[:, -1 - step]")), order="backward"
        ),
        "The recurrent kernel is transposed: its rows belong to the old state, its columns to the new one.": Mistake(
            (STEP, STEP.replace("recurrent_kernel", "ops.transpose(recurrent_kernel)")), recurrent="transposed"
        ),
        "Each output is taken from the state before its step: it should know the input of its own step.": Mistake(
            (
                RETURN,
                "before = ops.concatenate([ops.zeros_like(states[:, :1]), states[:, :-1]], axis=1)\n"
                "    return ops.matmul(before, output_kernel) + output_bias, states",
            ),
            head="old state",
        ),
        "The outputs go through tanh: only the state does, outputs can be any number.": Mistake(
            (RETURN, "return ops.tanh(ops.matmul(states, output_kernel) + output_bias), states"), head="tanh"
        ),
        "The outputs go through a softmax: it is for classes, and is left to the loss. Outputs can be any number.": Mistake(
            (RETURN, "return ops.softmax(ops.matmul(states, output_kernel) + output_bias), states"), head="softmax"
        ),
        "The state's bias is missing in the sum that goes through tanh.": Mistake(
            (STEP, STEP.replace(" + bias)", ")")), bias="outputs"
        ),
        "The output's bias is missing: each output adds one number of its own.": Mistake(
            (RETURN, RETURN.replace(" + output_bias", "")), bias="states"
        ),
        "States and outputs are swapped: the outputs come first.": Mistake(
            (RETURN, "return states, ops.matmul(states, output_kernel) + output_bias"),
            matches=states_twice,
        ),
    },
    alternatives=(
        """
def rnn_forward(xs, kernel, recurrent_kernel, bias, output_kernel, output_bias):
    state = ops.zeros_like(bias)[None]
    states, outputs = [], []
    for step in range(xs.shape[1]):
        state = ops.tanh(xs[:, step] @ kernel + state @ recurrent_kernel + bias)
        states += [state[:, None]]
        outputs += [(state @ output_kernel + output_bias)[:, None]]
    return ops.concatenate(outputs, axis=1), ops.concatenate(states, axis=1)
""",
        """
def rnn_forward(xs, kernel, recurrent_kernel, bias, output_kernel, output_bias):
    sums = ops.einsum("bti,iu->tbu", xs, kernel) + bias  # what comes in does not depend on the state

    def step(state, total):
        state = ops.tanh(total + ops.matmul(state, recurrent_kernel))
        return state, state

    _, states = ops.scan(step, ops.zeros_like(sums[0]), sums)
    states = ops.transpose(states, (1, 0, 2))
    return ops.einsum("btu,uo->bto", states, output_kernel) + output_bias, states
""",
        """
def rnn_forward(xs, kernel, recurrent_kernel, bias, output_kernel, output_bias):
    numbers = [ops.convert_to_numpy(value) for value in (xs, kernel, recurrent_kernel, bias, output_kernel, output_bias)]
    xs, kernel, recurrent_kernel, bias, output_kernel, output_bias = numbers
    states = [np.zeros((len(xs), len(bias)))]
    for x in xs.swapaxes(0, 1):
        states.append(np.tanh(x @ kernel + states[-1] @ recurrent_kernel + bias))
    states = np.stack(states[1:], axis=1)
    return states @ output_kernel + output_bias, states
""",
    ),
    # Six steps in float32, each on the result of the one before.
    atol=2e-5,
    rtol=2e-5,
    off_limits=RECURRENT,
)
