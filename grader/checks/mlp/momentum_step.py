"""A step with momentum: a velocity that is not zero, so that the conventions differ, inputs to be left alone."""

from dataclasses import replace

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.contracts import KEPT
from grader.judging.matching import apart, shows

Tree = dict[str, Array]


def cases(rng: np.random.Generator) -> list[Case]:
    def run(first: bool = False, **shapes: tuple[int, ...]) -> Call:
        params, grads, velocity = ({name: apart(rng, shape) for name, shape in shapes.items()} for _ in range(3))
        # What belongs together has one name, not one place.
        grads = dict(reversed(grads.items()))
        velocity = {name: velocity[name] for name in np.roll(list(shapes), 1).tolist()}
        if first:
            velocity = {name: np.zeros_like(value) for name, value in velocity.items()}
        args = params, grads, velocity, float(rng.uniform(0.05, 0.4)), float(rng.uniform(0.6, 0.9))
        return Call(args, returns=("params", "velocity"), numpy=True)

    def without(call: Call) -> Call:
        return replace(call, args=(*call.args[:-1], 0.0))

    values = run(hidden_kernel=(2, 3), hidden_bias=(3,), output_bias=(2,))
    names = ("hidden_kernel", "hidden_bias", "output_bias")
    return [
        Case("parameters", values, weight=2, of=tuple(f"params.{name}" for name in names)),
        Case("velocity", values, weight=2, of=tuple(f"velocity.{name}" for name in names)),
        Case("first step", run(first=True, scale=(3,), embedding=(4, 2)), weight=0.5),
        Case("no momentum", without(run(embedding=(2, 2), scale=(4,))), weight=0.5),
    ]


def one(value: Array, gradient: Array, velocity: Array, rate: float, momentum: float, way: str) -> tuple[Array, Array]:
    """The step of one array: its new value and velocity, in the ways in which it is done elsewhere."""
    new = momentum * velocity - rate * gradient
    if way == "torch":
        new = momentum * velocity + gradient
        return value - rate * new, new
    if way == "minus":
        new = momentum * velocity + rate * gradient
        return value - new, new
    if way == "average":
        new = momentum * velocity + (1 - momentum) * gradient
        return value - rate * new, new
    if way == "uphill":
        new = momentum * velocity + rate * gradient
    if way == "no momentum":
        new = -rate * gradient
    if way == "nesterov":
        return value + momentum * new - rate * gradient, new
    if way == "old velocity":
        return value + velocity, new
    if way == "gradient twice":
        return value + new - rate * gradient, new
    return value + new, new


def oracle(params: Tree, grads: Tree, velocity: Tree, rate: float, momentum: float, way: str = "") -> dict[str, Array]:
    evidence = {}
    for name in params:
        new = one(params[name], grads[name], velocity[name], rate, momentum, way)
        evidence[f"params.{name}"], evidence[f"velocity.{name}"] = new
    return evidence


VELOCITY = "momentum * velocity[name] - learning_rate * grads[name]"
PARAMS = "params[name] + new_velocity[name]"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The learning rate is applied to the velocity: here it belongs to the gradient, before it enters the "
        "velocity.": Mistake(
            (VELOCITY, "momentum * velocity[name] + grads[name]"),
            (PARAMS, "params[name] - learning_rate * new_velocity[name]"),
            way="torch",
        ),
        "The velocity points uphill and is subtracted: in Keras's convention it points downhill and is added.": Mistake(
            (VELOCITY, "momentum * velocity[name] + learning_rate * grads[name]"),
            (PARAMS, "params[name] - new_velocity[name]"),
            way="minus",
        ),
        "The velocity is a running average with (1 - momentum): Keras adds the whole step, learning rate "
        "times gradient.": Mistake(
            (VELOCITY, "momentum * velocity[name] + (1 - momentum) * grads[name]"),
            (PARAMS, "params[name] - learning_rate * new_velocity[name]"),
            way="average",
        ),
        "The step goes uphill: the gradient enters the velocity with a minus.": Mistake(
            (VELOCITY, "momentum * velocity[name] + learning_rate * grads[name]"), way="uphill"
        ),
        "The old velocity was forgotten: a share of it, the momentum, is kept.": Mistake(
            (VELOCITY, "-learning_rate * grads[name]"),
            matches=shows("velocity", of="velocity.hidden_kernel", way="no momentum"),
        ),
        "The velocity is right, but the parameters moved by the old one: update the velocity first.": Mistake(
            (PARAMS, "params[name] + velocity[name]"), way="old velocity"
        ),
        "The velocity is right, but the parameters look ahead: that is Nesterov's variant; here they move by "
        "the velocity.": Mistake(
            (PARAMS, "params[name] + momentum * new_velocity[name] - learning_rate * grads[name]"), way="nesterov"
        ),
        "The velocity is right, but the gradient moved the parameters twice: it is already part of the velocity.": Mistake(
            (PARAMS, "params[name] + new_velocity[name] - learning_rate * grads[name]"), way="gradient twice"
        ),
    },
    alternatives=(
        """
def momentum_step(params, grads, velocity, learning_rate, momentum):
    new_params, new_velocity = {}, {}
    for name, value in params.items():
        new_velocity[name] = velocity[name] * momentum
        new_velocity[name] -= learning_rate * grads[name]
        new_params[name] = (value + new_velocity[name]).tolist()
    return [new_params, new_velocity]
""",
        """
def momentum_step(params, grads, velocity, learning_rate, momentum):
    params, velocity = dict(params), dict(velocity)
    for name in params:
        velocity[name] = momentum * velocity[name] - learning_rate * grads[name]
        params[name] = params[name] + velocity[name]
    return params, velocity
""",
        """
def momentum_step(params, grads, velocity, learning_rate, momentum):
    new_params = {}
    for name in params:
        step = learning_rate * ops.convert_to_tensor(grads[name], "float32")
        kept = momentum * ops.convert_to_tensor(velocity[name], "float32")
        new_params[name] = ops.convert_to_tensor(params[name], "float32") - step + kept, kept - step
    return {name: pair[0] for name, pair in new_params.items()}, {name: pair[1] for name, pair in new_params.items()}
""",
    ),
    off_limits=("keras.optimizers.SGD",),
    contracts=(KEPT,),
)
