"""Parts of an encoder in float64 that several oracles of this unit use."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from grader.judging import Array

_erf = np.vectorize(math.erf, otypes=[float])


def gelu(z: Array) -> Array:
    return 0.5 * z * (1 + _erf(z / math.sqrt(2)))


def normalize(x: Array, gamma: Array, beta: Array) -> Array:
    """Layer normalisation over the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12) * gamma + beta


def attend(x: Array, weights: Mapping[str, Any], mask: Array | None = None) -> Array:
    """Multi-head attention of a sequence to itself.

    Args:
        x: `(batch, length, dim)`.
        weights: `query_kernel`, `(dim, heads, key_dim)`, and `query_bias`, `(heads, key_dim)`; the same for `key` and `value`;
            `output_kernel`, `(heads, key_dim, dim)`, and `output_bias`, `(dim,)`.
        mask: Booleans, broadcastable to `(batch, query, key)`.
    """
    query, key, value = (
        np.einsum("btd,dhk->bhtk", x, weights[f"{name}_kernel"]) + weights[f"{name}_bias"][None, :, None]
        for name in ("query", "key", "value")
    )
    scores = np.einsum("bhqk,bhsk->bhqs", query, key) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = np.where(mask[:, None], scores, -np.inf)
    shares = np.exp(scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True))
    return np.einsum("bhqs,bhsk,hkd->bqd", shares, value, weights["output_kernel"]) + weights["output_bias"]
