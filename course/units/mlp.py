# %% [markdown]
# # MLP
# ### `softmax`

# %% setup=true
import numpy as np
from keras import ops
from course.probe import probe

# %% exercise="softmax"

# %% check="softmax" points=4
assert 1
