# %% [markdown]
# # Attention

# %% setup=true
import numpy as np
import keras
from keras import layers, ops
from course.probe import probe
