"""Attention, from dot products to a trained layer."""

from keras import ops
