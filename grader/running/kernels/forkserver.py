"""This side of zygotes and fork servers: starts them, asks for kernels, replaces what has died."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from grader.errors import SandboxError
from grader.running.kernels import forked
from grader.running.kernels.sandbox import Sandbox

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

Key = tuple[str, ...]
"""Backend and environment."""

zygotes: dict[Key, Zygote] = {}
"""This process's, and those that another one has lent it."""
_servers: dict[Key, ForkServer] = {}
_starting = threading.Lock()


class Zygote:
    """A process that has imported Keras with one backend, and holds no secret: fork servers are its forks.

    It can be sent to worker processes, so that a machine imports once. Whoever has started it ends it.
    """

    _process: subprocess.Popen[bytes] | None = None
    """None where it is lent."""

    @staticmethod
    def of(backend: str, environment: Mapping[str, str]) -> Zygote:
        """This process's, which may still be importing; a new one where there is none or it has died."""
        key = _key(backend, environment)
        zygote = zygotes.get(key)
        if zygote is None or not zygote.lives:
            if zygote is not None:
                zygotes.pop(key).close()
            zygote = zygotes[key] = Zygote(backend, environment)
        return zygote

    def __init__(self, backend: str, environment: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="keras-course-")
        self.log = Path(self._folder.name, "log")
        self.channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        needed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        with other, self.log.open("wb") as log:
            self._process = subprocess.Popen(
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
        with suppress(OSError):  # whoever asks it for a server will read in its log why it has died
            self.channel.send(json.dumps(start).encode())

    def __getstate__(self) -> dict[str, Any]:
        return {"channel": self.channel, "log": self.log}

    @property
    def lives(self) -> bool:
        """Whether it can be asked; it says nothing, so that all there is to read is the end."""
        return not select.select([self.channel], [], [], 0)[0]

    def close(self) -> None:
        """End it, if it is this process's; its forks live on."""
        self.channel.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._folder.cleanup()


class ForkServer:
    """A zygote's fork that forks kernels for this process alone."""

    _handle = -1
    """A descriptor of its process, once it is known."""

    @staticmethod
    def of(backend: str, environment: Mapping[str, str]) -> ForkServer:
        """This process's server; a new one where there is none or it has died."""
        key = _key(backend, environment)
        with _starting:
            server = _servers.get(key)
            if server is None or not server.lives:
                if server is not None:
                    _servers.pop(key).close()
                try:
                    server = _servers[key] = ForkServer(Zygote.of(backend, environment))
                except SandboxError:  # it may hang, which nobody should wait for twice
                    zygotes.pop(key).close()
                    raise
            return server

    def __init__(self, zygote: Zygote) -> None:
        self._log = zygote.log
        self._asking = threading.Lock()  # an answer does not say to whom, and a worker of Dask's may have several threads
        self._channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other, suppress(OSError):  # if the zygote is gone, nobody will answer
            socket.send_fds(zygote.channel, [b"."], [other.fileno()])
        try:
            (self._handle,) = self._ask({}, [], START_SECONDS)
        except SandboxError:
            self._channel.close()
            raise

    @property
    def lives(self) -> bool:
        """Whether it can be asked."""
        return not select.select([self._handle], [], [], 0)[0]

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
        self._kill()
        self._channel.close()
        os.close(self._handle)
        self._handle = -1  # the number may be another process's soon

    def _kill(self) -> None:
        with suppress(OSError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

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
            self._kill()
            said = ""
            with suppress(FileNotFoundError):  # who started the zygote may have ended
                said = self._log.read_text(errors="replace")[-2000:]
            raise SandboxError(f"the fork server failed: {error}. {said}")
        return received


def _key(backend: str, environment: Mapping[str, str]) -> Key:
    return (backend, *(f"{name}={value}" for name, value in sorted(environment.items())))


@atexit.register
def _close_all() -> None:
    for server in _servers.values():
        server.close()
    for zygote in zygotes.values():
        zygote.close()
