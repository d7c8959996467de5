"""A Dask cluster on this machine, for a test."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path


@contextlib.contextmanager
def cluster(place, port, workers=2, protocol="tcp"):
    """A scheduler and its workers, each a process of its own, on loopback."""
    dask, address = Path(sys.executable).parent / "dask", f"{protocol}://127.0.0.1:{port}"
    environment = os.environ | {"PATH": f"{dask.parent}{os.pathsep}{os.environ['PATH']}"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": place, "env": environment}
    worker = [dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny", "--local-directory", str(place)]
    scheduler = [dask, "scheduler", "--host", f"{protocol}://127.0.0.1", "--port", str(port), "--no-dashboard"]
    processes = [subprocess.Popen(line, **quiet) for line in (scheduler, *workers * [worker])]
    try:
        yield address, processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
