"""Trains the small encoder that the course ships, `course/encoder.keras`: a rare job, done again when the grammar changes."""

from __future__ import annotations

from pathlib import Path

from course.data import sentences
from course.pretrained import ENCODER
from grader.files import made_whole
from grader.proving.rehearsal import answer_of
from grader.units.unit import Unit

EXERCISE = "train_mini_bert"
SENTENCES = 60_000


def pretrain(bert: Unit, samples: int = SENTENCES, seed: int = 0, file: Path = ENCODER) -> Path:
    """Train the reference of `train_mini_bert` on many sentences, and save it without its last layer.

    Returns:
        The file; it is whole or as it was before.
    """
    import keras

    ids, words = sentences("grammar", samples, seed)
    model = answer_of(bert, EXERCISE, bert.text.exercises[EXERCISE].reference)(ids, len(words), seed)
    with made_whole(file) as new:
        keras.Model(model.input, model.layers[-1].input).save(new)
    return file
