# %% [markdown] title="Features on one scale" minutes=15
# # Features on one scale
#
# **{points} points · about {minutes} minutes**
#
# A table has people's heights in metres and their incomes in euros. Which of the two decides how far apart two people are?
# You will put both on one scale, and see what that changes.
#
# **Before you start** you need Python with NumPy arrays.
#
# **How it works.** The exercise has a cell to fill in: read its docstring, replace `raise NotImplementedError()`, run it,
# then run the check below it. If the check says nothing, the case that it tries is right. Grading tries others, with other
# numbers.
#
# ## Set-up

# %% setup=true
from course import training  # first, to keep the log quiet
from course.probe import probe

import numpy as np
from keras import ops

training.set_seed(0)
training.report()

# %% [markdown]
# ## 1. Who is near to whom?
#
# Four people, height in metres and income in euros. *Predict before you run: who is nearest to Ada?*

# %%
names = ["Ada", "Bob", "Cleo", "Dan"]
people = np.array([[1.60, 30_000.0], [1.95, 30_100.0], [1.62, 30_600.0], [1.80, 32_000.0]])
for name, person in zip(names[1:], people[1:]):
    print(f"Ada to {name}: {np.linalg.norm(people[0] - person):.2f}")

# %% [markdown]
# To two decimals, these are the differences of the incomes: the heights do not count. **Min–max scaling** moves each feature to the range from 0 to 1:
#
# $$ x'_{ij} = \frac{x_{ij} - \min_i x_{ij}}{\max_i x_{ij} - \min_i x_{ij}} $$
#
# By hand, for the heights: the smallest is 1.60 and the largest 1.95, so 1.62 becomes (1.62 − 1.60) / 0.35 ≈ **0.057**.

# %% [markdown]
# ### `rescale`
#
# Write it for a table `(samples, features)` in which each feature has at least two values. Allowed is everything in `ops`;
# off-limits are layers and functions that scale, such as `layers.Normalization`.
#
# <details><summary>Hint</summary>Each column has a smallest and a largest number of its own. Along which axis do you look for
# them?</details>
#
# *Checked:* values, for tables of two shapes, with numbers of both signs.

# %% exercise="rescale"

# %% check="rescale" points=4
scaled = ops.convert_to_numpy(rescale(ops.array([[1.0, -10.0], [3.0, 30.0], [2.0, 10.0]])))
assert scaled.shape == (3, 2), f"3 samples and 2 features should stay (3, 2), received {scaled.shape}"
assert np.allclose(scaled, [[0, 0], [1, 1], [0.5, 0.5]], atol=1e-5), (
    f"expected the columns 0, 1, 0.5 and 0, 1, 0.5, received {scaled.tolist()}: has each column its own range?"
)

# %% [markdown]
# ### Look at it
#
# The same four people again, with your answer. *Who is nearest to Ada now?*

# %%
scaled = ops.convert_to_numpy(rescale(ops.array(people)))
for name, person in zip(names[1:], scaled[1:]):
    print(f"Ada to {name}: {np.linalg.norm(scaled[0] - person):.2f}")

# %% [markdown]
# ## What to remember
#
# Distances, and whatever is made of them, depend on the units in which features are measured. Two questions to think about: what
# does one billionaire do to the others' scaled incomes? With whose minimum and maximum do you scale a new person?
