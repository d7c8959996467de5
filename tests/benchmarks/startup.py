"""From "start kernel" to the first Keras result: forked and sandboxed, against a kernel of Jupyter's that imports Keras.

Prints one row per backend. Run by `make bench`.
"""

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager
from rich.console import Console
from rich.progress import track
from rich.table import Table

from grader.running.kernels.settings import Kernels, keras_environment

BACKENDS = ("tensorflow", "jax", "torch")
FIRST_RESULT = "import keras; import numpy as np; print(np.sum(keras.ops.convert_to_numpy(keras.ops.ones(3) * 2)))"
RUNS = {"cold": 3, "forked": 9}


async def seconds_to_first_result(manager: AsyncKernelManager, **start) -> float:
    begun = time.perf_counter()
    await manager.start_kernel(**start)
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        printed = []
        await client.execute_interactive(FIRST_RESULT, output_hook=printed.append)
        seconds = time.perf_counter() - begun
        text = "".join(message["content"].get("text", "") for message in printed)
        assert text.endswith("6.0\n"), text
        return seconds
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


def main() -> None:
    table = Table(title="Start of a kernel to the first Keras result, median of runs")
    for column in ("backend", "cold (s)", "forked, sandboxed (s)", "slowest (s)", "cold / forked"):
        table.add_column(column, justify="left" if column == "backend" else "right")
    for backend in track(BACKENDS, description="starting kernels"):
        kernels = Kernels(backend)
        environment = os.environ | keras_environment(backend)
        with tempfile.TemporaryDirectory() as inputs:
            Path(inputs).chmod(0o755)
            asyncio.run(seconds_to_first_result(kernels.manager(Path(inputs), None)))  # starts the fork server
            forked = [asyncio.run(seconds_to_first_result(kernels.manager(Path(inputs), None))) for _ in range(RUNS["forked"])]
        cold = [asyncio.run(seconds_to_first_result(AsyncKernelManager(), env=environment)) for _ in range(RUNS["cold"])]
        middle = statistics.median(forked)
        ratio = statistics.median(cold) / middle
        table.add_row(backend, f"{statistics.median(cold):.2f}", f"{middle:.2f}", f"{max(forked):.2f}", f"{ratio:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
