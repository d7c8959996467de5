"""Recurrent layers in float64 that several oracles of this unit use."""

import numpy as np

from grader.judging import Array


def simple_states(xs: Array, kernel: Array, recurrent_kernel: Array, bias: Array) -> Array:
    """The states of a simple recurrent layer, `(batch, steps, units)`, from `(batch, steps, inputs)`."""
    states = np.zeros((len(xs), xs.shape[1] + 1, recurrent_kernel.shape[0]))
    for step in range(xs.shape[1]):
        states[:, step + 1] = np.tanh(xs[:, step] @ kernel + states[:, step] @ recurrent_kernel + bias)
    return states[:, 1:]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))
