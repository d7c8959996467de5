"""A classifier fine-tuned on few labels, from an encoder of the course whose words are renumbered for this submission.

Whether a sentence is in a good or a bad mood shows in three of its words. The labelled sentences have one half of all such
words, those that are judged the other half. A network that starts from scratch knows nothing of that; the encoder knows
which words keep company.
"""

from __future__ import annotations

import numpy as np

from course.data import Grammar
from course.data.text import WORDS
from course.probe import Encoder
from grader.judging import Array, Case, Check, Edits, Judged, Mistake, ModelCall, classifiers
from grader.judging.classifiers import activated_outputs, learns, trained, untrained
from grader.judging.contracts import LEARNED
from grader.judging.matching import only

LEAST_ACCURACY = 0.75
LABELLED, JUDGED = 40, 4000
TOPICS, FEW = 4, 96
OTHER = "other classes"


def cases(rng: np.random.Generator) -> list[Case]:
    order = WORDS + rng.permutation(len(Grammar().words) - WORDS)
    grammar = Grammar(order.tolist())
    names = rng.permutation(2)

    def draw(language: Grammar, samples: int) -> tuple[Array, Array]:
        """As many sentences of each mood."""
        good = np.flatnonzero(grammar.moods(np.arange(len(grammar.kinds))))
        bad = np.setdiff1d(np.arange(len(grammar.kinds)), good)
        kinds = rng.permutation(np.concatenate([rng.choice(some, size=samples // 2) for some in (good, bad)]))
        return language.of_kinds(kinds, rng), names[grammar.moods(kinds)]

    named, unnamed = grammar.halves(rng)
    x, y = draw(named, LABELLED)
    fresh, labels = draw(unnamed, JUDGED)
    run = ModelCall((Encoder(order), x, y, int(rng.integers(2**31))), numpy=True, inputs={"fresh": fresh})

    # Four classes that a single word tells.
    topics = rng.permutation(TOPICS)

    def by_topic() -> tuple[Array, Array]:
        kinds = rng.permutation(np.arange(FEW) % len(grammar.kinds))
        return grammar.of_kinds(kinds, rng), topics[kinds // (len(grammar.kinds) // TOPICS)]

    (few, told), (others, asked) = by_topic(), by_topic()
    other = learns(OTHER, (Encoder(order), few, told, 0), others, asked)
    return [*trained(LEAST_ACCURACY, run, labels, logits=1), other]


def symptom(judged: Judged) -> str:
    """The one thing that the evidence shows first. On words without a label, only what comes from the encoder helps; so
    who learned nothing at all shows in the other classes.
    """
    return classifiers.symptom(judged, lambda accuracy: "untrained" if OTHER in judged.failed else "from scratch", chance=0)


STATES, OUTPUT = "states = encoder.output  # (batch, length, dim)", "layers.Dense(int(np.max(y)) + 1)"
FIT = "    model.fit(x, y, batch_size=8, epochs=30, verbose=0)\n"
SCRATCH: Edits = (
    (STATES, f"encoder = keras.models.clone_model(encoder)  # new weights\n    {STATES}"),
    ("keras.optimizers.Adam(0.001)", "keras.optimizers.Adam(0.003)"),
)
UNTRAINED: Edits = ((FIT, ""),)

BASELINES = {"from scratch": SCRATCH, "untrained": UNTRAINED}

CHECK = Check(
    cases,
    mistakes={
        **activated_outputs(OUTPUT),
        "For words that no label names, the classifier is hardly better than one that starts from scratch: does it use the "
        "encoder's weights, and is the learning rate small enough that they are not lost?": Mistake(
            *SCRATCH, matches="from scratch"
        ),
        **untrained(*UNTRAINED),
        "With more than two classes it goes wrong: find out from `y` how many there are.": Mistake(
            (OUTPUT, "layers.Dense(2)"), matches=only(OTHER)
        ),
    },
    alternatives=(
        # First the new layer alone, then everything.
        """
def train_fine_tuned(encoder, x, y, seed):
    keras.utils.set_random_seed(seed)

    class Classifier(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder = encoder
            self.score = layers.Dense(len(np.unique(y)))

        def call(self, ids):
            # Log-probabilities are logits as well.
            return ops.log_softmax(self.score(ops.mean(self.encoder(ids), axis=1)))

    model = Classifier()
    for trainable, rate, epochs in ((False, 0.01, 10), (True, 0.001, 30)):
        encoder.trainable = trainable
        model.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, y, batch_size=8, epochs=epochs, verbose=0)
    return model
""",
        (
            ("layers.GlobalAveragePooling1D()(states)", "layers.Lambda(lambda s: ops.mean(s, axis=1))(states)"),
            ("keras.optimizers.Adam(0.001)", "keras.optimizers.AdamW(0.001)"),
        ),
    ),
    off_limits=(
        "course.data.Grammar",
        "course.pretrained.load_encoder",
    ),
    contracts=(LEARNED,),
    symptom=symptom,
)
