"""`grader doctor`: whether grading works on this machine, and what to do where it does not."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from joblib import cpu_count
from rich.table import Table
from rich.text import Text
from traitlets.config import Config

from grader.errors import SandboxError
from grader.running.kernels.limits import Limits
from grader.running.kernels.sandbox import GPU, find_bubblewrap, is_root, require
from grader.running.kernels.settings import Kernels, keras_environment
from grader.units.shelf import find_units, replaced

BACKENDS = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
"""Keras's backends, and the distributions that they come in."""
DEVICE = "from course.training import device; print(device())"
SECONDS = 120
SWITCHED_OFF = "switched off by Grade.sandbox: a submission runs with all of your rights"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's.

    Args:
        about: What was looked at.
        good: Whether it works; None for what is only worth knowing.
        text: What was found, and what to do where it is not good.
    """

    about: str
    good: bool | None
    text: str


def examine(backend: str, sandboxed: bool) -> list[Finding]:
    """Look at everything that grading with one backend needs; takes a few seconds."""
    with ThreadPoolExecutor() as pool:
        backends = [pool.submit(_backend, name, name == backend) for name in BACKENDS]
        sandbox = list(_sandbox(backend)) if sandboxed else [Finding("sandbox", None, SWITCHED_OFF)]
        return [*sandbox, *(found.result() for found in backends), *_machine()]


def own_units(course: Path) -> Iterator[Finding]:
    """The units of an instructor's own, and those of them that are used in place of shipped ones."""
    own = [unit for unit in find_units(course) if unit.own]
    if own:
        yield Finding("own units", None, ", ".join(unit.name for unit in own))
    for line in replaced(own):
        yield Finding("own unit", None, line)


def report(findings: list[Finding]) -> Table:
    """The findings as a table."""
    marks = {True: Text("✓", "green"), False: Text("✗", "red"), None: Text("")}
    table = Table(show_header=False, box=None)
    for finding in findings:
        table.add_row(marks[finding.good], finding.about, Text(finding.text))
    return table


def limits(config: Config) -> Table:
    """What a submission may use, as configured."""
    table = Table(title="Limits of a submission", title_justify="left", box=None)
    for column in ("trait", "value", "default", "meaning"):
        table.add_column(column, justify="right" if column in ("value", "default") else "left")
    configured, defaults = Limits(config=config), Limits()
    for name, trait in sorted(Limits.class_own_traits(config=True).items()):
        value, default = getattr(configured, name), getattr(defaults, name)
        table.add_row(f"Limits.{name}", f"{value:,.10g}", f"{default:,.10g}" if value != default else "", trait.help)
    return table


def _sandbox(backend: str) -> Iterator[Finding]:
    try:
        path = find_bubblewrap()
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        yield Finding("bubblewrap", True, f"{said}, {path}")
        require()
    except SandboxError as error:
        yield Finding("sandbox", False, str(error))
        return
    as_whom = "root: kernels get another user's id" if is_root() else f"user {os.geteuid()}"
    yield Finding("sandbox", True, f"can be made, as {as_whom}")
    try:
        yield Finding("kernel", True, asyncio.run(_timed_kernel(backend)))
    except SandboxError as error:
        yield Finding("kernel", False, str(error))


async def _timed_kernel(backend: str) -> str:
    """Start one kernel for the fork server's sake, and time a second."""
    with tempfile.TemporaryDirectory() as inputs:
        Path(inputs).chmod(0o755)
        for _ in range(2):
            manager = Kernels(backend).manager(Path(inputs), None)
            begun = time.perf_counter()
            await manager.start_kernel()
            seconds = time.perf_counter() - begun
            await manager.shutdown_kernel(now=True)
    return f"{backend}, forked into a sandbox, in {seconds:.2f} s"


def _backend(name: str, needed: bool) -> Finding:
    bad = False if needed else None
    environment = os.environ | keras_environment(name)
    try:
        installed = version(BACKENDS[name])
        device = subprocess.run(
            [sys.executable, "-c", DEVICE], env=environment, capture_output=True, text=True, timeout=SECONDS, check=True
        ).stdout.strip()
    except PackageNotFoundError:
        return Finding(name, bad, f"not installed: pip install {BACKENDS[name]}")
    except subprocess.CalledProcessError as error:
        return Finding(name, bad, f"{installed}, cannot be imported: {(error.stderr.strip() or str(error)).splitlines()[-1]}")
    except subprocess.TimeoutExpired:
        return Finding(name, bad, f"{installed}, cannot be imported within {SECONDS} s")
    return Finding(name, True, f"{installed}, {device}{', grades here' if needed else ''}")


def _machine() -> Iterator[Finding]:
    versions = ", ".join(f"{name} {version(name)}" for name in ("keras", "nbgrader", "numpy", "ipykernel"))
    yield Finding("versions", None, f"Python {platform.python_version()}, {versions}")
    gpus = sorted(name for name in os.listdir("/dev") if GPU.match(name)) if Path("/dev").is_dir() else []
    yield Finding("GPU devices", None, ", ".join(gpus) or "none")
    memory = psutil.virtual_memory()
    machine = f"{platform.system()} {platform.release()}, {cpu_count()} cores, {memory.total / 1e9:.0f} GB of memory"
    yield Finding("machine", None, machine)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    yield Finding("temporary files", None, f"{free / 1e9:.0f} GB free in {tempfile.gettempdir()}")
