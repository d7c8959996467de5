# A newcomer's verbs. Each makes .venv when it is missing.
PYTHON ?= python3
DEMO := build/demo
UNIT := $(notdir $(wildcard assignments/*))
# A process for each of two cores, with one thread each; where classes are graded, one more, since those often wait. Ten failures
# are enough to read: something that breaks all that comes after it would fill the page, and hide what it was.
PYTEST := OMP_NUM_THREADS=1 pytest --numprocesses 2 --maxfail 10
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo -n)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test prove check build calibrate measure bench gpu clean sandbox

demo: .venv/course sandbox  ## Build, release, and grade a class of known students.
	rm -rf $(DEMO)
	grader build
	grader demo $(DEMO)
	cd $(DEMO) && for unit in $(UNIT); do nbgrader generate_assignment $$unit && grader autograde $$unit || exit 1; done
	grader scores --course $(DEMO) $(UNIT)

test: .venv/dev sandbox  ## All tests: everything on TensorFlow, checks and solutions on JAX and PyTorch too.
	KERAS_BACKEND=tensorflow $(PYTEST) --numprocesses 3
	KERAS_BACKEND=jax $(PYTEST) -m "all_backends and not slow"
	KERAS_BACKEND=torch $(PYTEST) -m "all_backends and not slow"

prove: .venv/dev  ## See what is stale in the proof files of all units, or of UNIT=…, on three backends, and write it there.
	failed=0; for unit in $(UNIT); do \
	.venv/bin/grader prove $$unit --backend tensorflow --backend jax --backend torch || failed=1; done; exit $$failed

check: .venv/dev  ## Style, types, and that the committed notebooks are what the sources make.
	ruff check .
	ruff format --check .
	mypy
	grader build --check

build: .venv/course  ## Make the source notebooks and the releases.
	grader build

calibrate: .venv/dev  ## Train many times and write the table that the accuracy bars rest on (some hours).
	for backend in tensorflow jax torch; do KERAS_BACKEND=$$backend grader calibrate || exit 1; done

measure: .venv/dev  ## Make the tables that the texts of all units show, or that of UNIT=… (minutes).
	KERAS_BACKEND=tensorflow grader measure $(UNIT)

bench: .venv/dev sandbox  ## Time grading and models against the plain way, and attack both.
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable .[bench]
	for benchmark in startup grading classroom models hostile; do python tests/benchmarks/$$benchmark.py || exit 1; done

gpu: .venv/dev sandbox  ## On a machine with a GPU: checks, training and a sandboxed class on it, and what it gains.
	test ! -e /dev/nvidia0 || .venv/bin/python -m pip install --quiet --constraint constraints.txt --editable .[gpu]
	.venv/bin/python tests/benchmarks/gpu.py

sandbox:  ## Install bubblewrap where that is possible; elsewhere grading says what to do.
	@command -v bwrap >/dev/null \
	|| { $(AS_ROOT) apt-get update -qq && $(AS_ROOT) apt-get install -qq --yes --no-install-recommends bubblewrap; } \
	|| echo "Please install bubblewrap, 0.7 or later; see docs/sandbox.md" >&2

clean:
	rm -rf .venv build *.egg-info

.venv/course: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/dev: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable .[dev,jax,torch]
	touch .venv/course $@
