"""What libraries log while they are imported never stands in a notebook, and a seed costs no import. Run once per backend."""

import os
import pkgutil
import subprocess
import sys

import keras
import pytest

import course
from harness import COURSE

pytestmark = pytest.mark.all_backends
FIRST = "training"
"""What notebooks import first."""
OTHERS = [module.name for module in pkgutil.iter_modules(course.__path__) if module.name not in ("units", FIRST)]
DRAW = "print(random.random(), np.random.normal(), keras.random.normal((3,)), keras.random.shuffle(keras.ops.arange(9)))"
IMPORTS = "import random, sys, numpy as np, keras\n"


def run(source):
    """What a fresh process says on stdout; it must say nothing on stderr."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    environment |= {"PYTHONPATH": str(COURSE), "KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("module", [FIRST, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_whichever_part_of_the_course_comes_first_nothing_is_logged(module):
    run(f"import course.{module}\nimport keras\nkeras.ops.ones(3) + 1\nfrom course import training\ntraining.set_seed(0)")


def test_a_seed_imports_no_other_backend_and_gives_the_numbers_of_kerass_own():
    seeded = f"from course import training\n{IMPORTS}training.set_seed(3)\n"
    ours, loaded = run(f"{seeded}{DRAW}\nprint('tensorflow' in sys.modules)").rsplit(maxsplit=1)
    assert loaded == str(keras.backend.backend() == "tensorflow")
    plain = run(f"import course\n{IMPORTS}keras.utils.set_random_seed(3)\n{DRAW}")
    assert ours == plain.strip()


def test_a_seed_is_tensorflows_too_where_that_is_in_use():
    draw = "training.set_seed(3)\nprint(tensorflow.random.uniform((3,)).numpy())\n"
    first, second = run(f"from course import training\nimport tensorflow\n{draw * 2}").splitlines()
    assert first == second
