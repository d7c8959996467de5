"""What the loaders return."""

import numpy as np

Split = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""`(x_train, y_train), (x_test, y_test)`, as Keras's own loaders give it."""


class DownloadError(RuntimeError):
    """A data set could not be downloaded, or is not the one that was published."""
