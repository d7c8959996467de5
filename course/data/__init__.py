"""Data sets: small ones that are made here or lie in scikit-learn, and real downloads that are checked by their hashes.

Loaders return `(x_train, y_train), (x_test, y_test)`, as those of Keras do; generators take a seed or a NumPy generator.
Nothing here needs a network except the sources that say so. What the exercises' data are made with is for looking at data: it
raises where an answer calls it while it is graded.
"""

from course.data.clauses import Stories
from course.data.letters import Prose
from course.data.pictures import digits, images
from course.data.sequences import recall, scrambled
from course.data.series import sunspots
from course.data.signals import mnist1d, mnist1d_curves
from course.data.split import DownloadError
from course.data.tables import measured
from course.data.text import MASK, Grammar, sentences

__all__ = [
    "MASK",
    "DownloadError",
    "Grammar",
    "Prose",
    "Stories",
    "digits",
    "images",
    "measured",
    "mnist1d",
    "mnist1d_curves",
    "recall",
    "scrambled",
    "sentences",
    "sunspots",
]
