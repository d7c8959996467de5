"""Encoders that somebody has trained before: the course's own small one, and real ones of the BERT family."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from course import _quiet
from course.data import Grammar

with _quiet():
    import keras

ENCODER = Path(__file__).with_name("encoder.keras")
"""Made by `grader pretrain`: the reference of `train_mini_bert`, trained on 60,000 sentences, without its last layer."""


def load_encoder(order: Sequence[int] | None = None) -> keras.Model:
    """The course's pre-trained encoder, for sentences of `course.data.Grammar(order)`.

    Args:
        order: The id of each word, as for `Grammar`; by default the words are in alphabetical order.

    Returns:
        Keras model from ids `(batch, 11)` to one vector per token, `(batch, 11, 32)`.
    """
    inner = keras.saving.load_model(ENCODER, compile=False)
    number = {word: k for k, word in enumerate(Grammar().words)}
    table = next(layer for layer in inner.layers if getattr(layer, "input_dim", 0) == len(number))
    (rows,) = table.get_weights()
    # Who renumbers the words has to move their rows, and nothing else.
    table.set_weights([rows[[number[word] for word in Grammar(order).words]]])
    # As one layer: the names of those inside must not clash with those of layers that are added.
    inner.name = "pretrained_layers"
    ids = keras.Input(inner.input_shape[1:], dtype="int32", name="pretrained_ids")
    return keras.Model(ids, inner(ids), name="pretrained")


class CheckpointError(ValueError):
    """A folder does not hold a checkpoint that can be loaded."""


def load_bert(folder: str | Path, embeddings: Callable[..., Any], block: Callable[..., Any]) -> tuple[keras.Model, Any]:
    """Load a real pre-trained encoder of the BERT family into layers of your own.

    Needs the extra `pretrained`: `pip install tokenizers safetensors`. Nothing is downloaded.

    Args:
        folder: Holds `config.json`, `vocab.txt` and `model.safetensors`, as Hugging Face keeps them.
        embeddings: The class `BertEmbeddings` of the unit `bert`.
        block: The class `EncoderBlock` of the unit `bert`.

    Returns:
        `(model, tokenizer)`. The model takes a dict of integers, all `(batch, length)`: `"ids"`, `"segment_ids"`, and `"mask"`,
        1 for tokens and 0 for padding. It gives a list of hidden states, each `(batch, length, dim)`: those of the
        embeddings, then those after each block. The tokenizer is one of `tokenizers`: `tokenizer.encode(text).ids`.

    Raises:
        CheckpointError: If a file or a weight is missing, or the model is of another kind.
    """
    folder = Path(folder)
    for name in ("config.json", "vocab.txt", "model.safetensors"):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder}: expected the files config.json, vocab.txt and model.safetensors; {name} is missing."
            )
    from safetensors.numpy import load_file
    from tokenizers import BertWordPieceTokenizer

    config = json.loads((folder / "config.json").read_text())
    expected = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
    if wrong := {key: config[key] for key, value in expected.items() if config.get(key, value) != value}:
        raise CheckpointError(f"{folder}: expected a BERT with {expected}. Received: {wrong}.")
    weights = {name.removeprefix("bert."): value for name, value in load_file(folder / "model.safetensors").items()}
    model = _assemble(config, embeddings, block)
    try:
        _fill(model, config, weights)
    except KeyError as error:
        raise CheckpointError(f"{folder}: model.safetensors has no weight {error}.") from error
    options = folder / "tokenizer_config.json"
    lowercase = json.loads(options.read_text()).get("do_lower_case", True) if options.is_file() else True
    return model, BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=lowercase)


def _assemble(config: Mapping[str, Any], embeddings: Callable[..., Any], block: Callable[..., Any]) -> keras.Model:
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in ("ids", "segment_ids", "mask")}
    dim = config["hidden_size"]
    first = embeddings(
        config["vocab_size"], config["max_position_embeddings"], dim, segments=config["type_vocab_size"], name="embeddings"
    )
    first.norm.epsilon = config["layer_norm_eps"]
    states = [first(inputs["ids"], inputs["segment_ids"])]
    for number in range(config["num_hidden_layers"]):
        layer = block(dim, config["num_attention_heads"], config["intermediate_size"], name=f"block{number}")
        layer.norm1.epsilon = layer.norm2.epsilon = config["layer_norm_eps"]
        states.append(layer(states[-1], mask=keras.ops.cast(inputs["mask"], "bool")))
    return keras.Model(inputs, states)


def _fill(model: keras.Model, config: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> None:
    """Set the weights by name. PyTorch keeps a dense kernel as (outputs, inputs); Keras splits those of attention by head."""
    dim, heads = config["hidden_size"], config["num_attention_heads"]
    key_dim = dim // heads

    def norm(layer: Any, name: str) -> None:
        layer.set_weights([weights[f"{name}.weight"], weights[f"{name}.bias"]])

    def dense(layer: Any, name: str, kernel: tuple[int, ...] = (-1,), bias: tuple[int, ...] = (-1,)) -> None:
        values = weights[f"{name}.weight"].T
        layer.set_weights([values.reshape(kernel) if len(kernel) > 1 else values, weights[f"{name}.bias"].reshape(bias)])

    first = model.get_layer("embeddings")
    for table, name in ((first.token, "word"), (first.position, "position"), (first.segment, "token_type")):
        table.set_weights([weights[f"embeddings.{name}_embeddings.weight"]])
    norm(first.norm, "embeddings.LayerNorm")
    for number in range(config["num_hidden_layers"]):
        layer, prefix = model.get_layer(f"block{number}"), f"encoder.layer.{number}"
        attention = layer.attention
        for part, name in ((attention.query_dense, "query"), (attention.key_dense, "key"), (attention.value_dense, "value")):
            dense(part, f"{prefix}.attention.self.{name}", (dim, heads, key_dim), (heads, key_dim))
        dense(attention.output_dense, f"{prefix}.attention.output.dense", (heads, key_dim, dim))
        norm(layer.norm1, f"{prefix}.attention.output.LayerNorm")
        dense(layer.hidden, f"{prefix}.intermediate.dense")
        dense(layer.output_dense, f"{prefix}.output.dense")
        norm(layer.norm2, f"{prefix}.output.LayerNorm")
