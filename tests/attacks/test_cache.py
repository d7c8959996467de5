"""What JAX has compiled for a reference is shared with submissions, and nothing that one of them writes reaches the next."""

import hashlib

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from grader.running.execution import execute
from grader.running.kernels.settings import Kernels
from sandboxes import needs_sandbox

pytestmark = [pytest.mark.slow, needs_sandbox]
COMPILE = """
import jax, os
result = jax.jit(lambda x: x * 2 + 1)(jax.numpy.arange(7.0)).tolist()
print(result, sorted(os.listdir("/tmp")), jax.config.jax_compilation_cache_dir)
"""
ATTACK = """
import jax, os, pathlib, shutil
cache = pathlib.Path(jax.config.jax_compilation_cache_dir)
entries = sorted(cache.iterdir())
assert entries

def attempt(act, *arguments):
    try:
        act(*arguments)
    except OSError:
        return
    print("DONE", act, arguments)

for path in [*entries, cache / "new"]:
    attempt(path.write_bytes, b"poison")
for path in [*entries, cache]:
    attempt(path.chmod, 0o777)
    attempt(path.rename, path.with_name("moved"))
    attempt(os.link, path, "/tmp/linked")
    attempt(os.utime, path)
attempt(entries[0].unlink)
attempt(shutil.rmtree, cache)
attempt(os.symlink, "/tmp", cache / "link")
attempt(cache.with_name("other").mkdir)
"""
POISON = """
shutil.copytree(cache, "/tmp/poisoned")
for path in pathlib.Path("/tmp/poisoned").iterdir():
    path.chmod(0o600)
    path.write_bytes(b"poison")
jax.config.update("jax_compilation_cache_dir", "/tmp/poisoned")
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.jit(lambda x: x * 3 + 2)(jax.numpy.arange(8.0))
print("POISONED")
"""


def run(kernels, *sources):
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    execute(notebook, {}, kernels)
    assert not [output for cell in notebook.cells for output in cell.outputs if output.output_type == "error"], notebook.cells
    return "".join(output.text for cell in notebook.cells for output in cell.outputs if output.get("name") == "stdout")


def contents(folder):
    return {path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mode) for path in folder.iterdir()}


def test_no_submission_writes_what_the_next_one_runs(tmp_path):
    cache = tmp_path / "jax"
    cache.mkdir()
    trusted = run(Kernels("jax", sandboxed=False, cache=cache), COMPILE)
    tmp_path.chmod(0o755)
    for path in (cache, *cache.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    before = contents(cache)
    assert before
    clean = run(Kernels("jax", cache=cache), COMPILE)
    assert run(Kernels("jax", cache=cache), ATTACK, POISON) == "POISONED\n"
    assert contents(cache) == before
    assert run(Kernels("jax", cache=cache), COMPILE) == clean
    assert trusted.split("]")[0] == clean.split("]")[0] == "[1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0"
