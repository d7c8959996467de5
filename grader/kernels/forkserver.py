"""This side of the fork server: starts it, asks it for kernels, replaces it when it dies."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grader.errors import SandboxError
from grader.kernels import forked
from grader.kernels.sandbox import Sandbox

MODULES = (
    *("ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "matplotlib.pyplot", "sklearn.datasets"),
    *("IPython.core.completerlib", "IPython.core.debugger", "IPython.core.logger", "IPython.core.magics.execution"),
    *("IPython.core.oinspect", "IPython.extensions.storemagic", "ipykernel.debugger", "sqlite3", "tornado.platform.asyncio"),
    *("course.training", "course.data", "course.plots", "course.probe", "keras", "pyseccomp"),
    *("matplotlib_inline.backend_inline", "tensorflow"),  # `keras.utils.set_random_seed` imports it with every backend
)
BACKEND_MODULES = {"tensorflow": (), "jax": ("jax.numpy",), "torch": ("torch",)}
PASSED_ON = ("LD_LIBRARY_PATH", "PYTHONPATH", "CUDA_VISIBLE_DEVICES", "XLA_PYTHON_CLIENT_PREALLOCATE", "LANG")
START_SECONDS, FORK_SECONDS = 180, 30

_servers: dict[tuple[str, ...], ForkServer] = {}
_starting = threading.Lock()


class ForkServer:
    """A process that has imported Keras with one backend, and holds no secret."""

    @staticmethod
    def of(backend: str, environment: Mapping[str, str]) -> ForkServer:
        """This process's server; a new one where there is none or it has died."""
        key = (backend, *(f"{name}={value}" for name, value in sorted(environment.items())))
        with _starting:
            server = _servers.get(key)
            if server is None or server.process.poll() is not None:
                if server is not None:
                    server.close()
                server = _servers[key] = ForkServer(backend, environment)
            return server

    def __init__(self, backend: str, environment: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="keras-course-")
        self._asking = threading.Lock()  # an answer does not say to whom, and a worker of Dask's may have several threads
        self._channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        needed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        with other, Path(self._folder.name, "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", forked.__file__, str(other.fileno())],
                pass_fds=[other.fileno()],
                env={name: value for name, value in needed.items() if name in ("LD_LIBRARY_PATH", "PYTHONPATH")},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the grader, which then closes this
            )
        start = {
            "environment": {**needed, "HOME": self._folder.name, **environment},
            "modules": [*MODULES, *BACKEND_MODULES[backend]],
            "folder": self._folder.name,
        }
        self._ask(start, [], START_SECONDS)

    def fork(self, sandbox: Sandbox, request: Mapping[str, Any]) -> int:
        """Fork a kernel into a sandbox.

        Returns:
            A descriptor of the kernel's process.

        Raises:
            SandboxError: If it could not enter.
        """
        namespaces = sandbox.namespaces()
        try:
            (kernel,) = self._ask(request, namespaces, FORK_SECONDS)
        finally:
            for namespace in namespaces:
                os.close(namespace)
        return kernel

    def close(self) -> None:
        """End it; the kernels live on."""
        self._channel.close()
        self.process.wait()
        self._folder.cleanup()

    def _ask(self, message: Mapping[str, Any], descriptors: list[int], seconds: float) -> list[int]:
        try:
            with self._asking:
                self._channel.settimeout(seconds)
                socket.send_fds(self._channel, [json.dumps(message).encode()], descriptors)
                text, received, _, _ = socket.recv_fds(self._channel, 1 << 20, 1)
            error = json.loads(text).get("error", "") if text else "it died"
        except OSError as failed:
            error = str(failed)
        if error:
            self.process.kill()
            said = Path(self._folder.name, "log").read_text(errors="replace")[-2000:]
            raise SandboxError(f"the fork server failed: {error}. {said}")
        return received


@atexit.register
def _close_all() -> None:
    for server in _servers.values():
        server.close()
