"""Trains the small encoder that the course ships, `course/encoder.keras`: a rare job, done again when the grammar changes."""

from __future__ import annotations

import os
from pathlib import Path

from course.data import sentences
from course.pretrained import ENCODER
from grader.proving.calibrate import COURSE, answer_of
from grader.units.text import read_unit

EXERCISE = "train_mini_bert"
SENTENCES = 60_000


def pretrain(samples: int = SENTENCES, seed: int = 0, course: Path = COURSE, file: Path = ENCODER) -> Path:
    """Train the reference of `train_mini_bert` on many sentences, and save it without its last layer.

    Returns:
        The file; it is whole or as it was before.
    """
    import keras

    text = read_unit(course, "bert")
    ids, words = sentences("grammar", samples, seed)
    model = answer_of(text, EXERCISE, text.exercises[EXERCISE].reference)(ids, len(words), seed)
    temporary = file.with_name(f".{os.getpid()}.{file.name}")
    keras.Model(model.input, model.layers[-1].input).save(temporary)
    temporary.replace(file)
    return file
