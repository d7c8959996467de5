"""Sandboxed, forked kernels as Jupyter knows kernels: a provisioner, registered by its entry point.

A kernelspec that names it under `metadata.kernel_provisioner` gets such a kernel from any Jupyter client;
`SandboxManager` needs no kernelspec on disk.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Dict, Instance, Type, Unicode, default

from grader.errors import ExecutionError
from grader.running.kernels.forked import FAILED, HOME, READY, RUNTIME
from grader.running.kernels.forkserver import ForkServer
from grader.running.kernels.limits import MEGABYTE, Limits
from grader.running.kernels.sandbox import SUBMISSION, Sandbox, is_root
from grader.running.kernels.watch import Watch

NAME = "keras-course-sandbox"
PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
START_SECONDS = 60
WAITING_MESSAGES = 10
"""That the grader holds in memory; more wait in the kernel, in memory which counts as the student's."""
NEVER = 7 * 24 * 3600 * 1000
"""Milliseconds until ZeroMQ would connect again: longer than any kernel lives. With its own "never", -1, a kernel that dies in
the middle of its outputs can end the grader ("Assertion failed: !_more", libzmq 4.3.5)."""
SUBSCRIPTION_TRIES, SUBSCRIPTION_SECONDS = 500, 0.02
PLACES = {"HOME": HOME, "IPYTHONDIR": "/tmp/ipython", "MPLCONFIGDIR": "/tmp/matplotlib", "TMPDIR": "/tmp", "USER": "student"}


class SandboxProvisioner(KernelProvisionerBase):
    """The life of one kernel: Jupyter's kernel manager calls these methods."""

    backend = Unicode("tensorflow", help="Keras backend.")
    environment = Dict(help="The kernel's environment variables, beside those for its folders.")
    folders = Dict(help="By path in the sandbox, the folder that is shown there, read-only.")
    limits = Instance(Limits, ())

    parent: Any
    """The kernel manager."""
    sandbox: Sandbox | None = None
    watch: Watch | None = None
    kernel: int | None = None

    @property
    def has_process(self) -> bool:
        return self.kernel is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Make the sandbox and agree on the sockets, which lie in it; the manager calls this before `launch_kernel`."""
        self.sandbox = Sandbox(self.limits, {path: Path(folder) for path, folder in self.folders.items()})
        manager = self.parent
        manager.transport, manager.ip = "ipc", f"{self.sandbox.root}{RUNTIME}/kernel"
        for number, port in enumerate(PORTS, start=1):
            setattr(manager, port, number)
        return await super().pre_launch(cmd=[], **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork the kernel into its sandbox."""
        assert self.sandbox is not None
        outside = self.parent.get_connection_info()
        inside = {**outside, "ip": f"{RUNTIME}/kernel", "key": outside["key"].decode()}
        request = {
            "connection": inside,
            "environment": {**self.environment, **PLACES},
            "submission": SUBMISSION,
            "root": is_root(),
            "limits": {
                "RLIMIT_DATA": self.limits.memory * MEGABYTE,
                "RLIMIT_FSIZE": self.limits.disk * MEGABYTE,
                "RLIMIT_NPROC": self.limits.processes,
                "RLIMIT_NOFILE": 1024,
                "RLIMIT_CORE": 0,
                "RLIMIT_MSGQUEUE": 0,
                "RLIMIT_MEMLOCK": MEGABYTE,
            },
        }
        try:
            self.kernel = ForkServer.of(self.backend, self.environment).fork(self.sandbox, request)
            await self._listens(self.sandbox.root)
        except BaseException:
            await self.cleanup()
            raise
        self.watch = Watch(self.sandbox.init, self.sandbox.handle, self.kernel, self.limits)
        self.watch.start()
        self.connection_info = outside
        return self.connection_info

    async def _listens(self, root: Path) -> None:
        """Wait until the kernel has opened its sockets: who connects earlier would not try again."""
        for _ in range(int(START_SECONDS / 0.005)):
            if (root / READY.relative_to("/")).exists():
                return
            if await self.poll() is not None:
                failed = root / FAILED.relative_to("/")
                raise ExecutionError(f"no kernel could start in the sandbox. {failed.read_text() if failed.exists() else ''}")
            await asyncio.sleep(0.005)
        raise ExecutionError(f"the kernel did not start within {START_SECONDS} s.")

    async def poll(self) -> int | None:
        """None while the kernel lives."""
        if self.kernel is None or select.select([self.kernel], [], [], 0)[0]:
            return 1
        return None

    async def wait(self) -> int | None:
        """Wait until the kernel has ended."""
        while await self.poll() is None:
            await asyncio.sleep(0.02)
        return 1

    async def send_signal(self, signum: int) -> None:
        """Send the kernel a signal."""
        if self.kernel is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.kernel, signum)

    async def kill(self, restart: bool = False) -> None:
        """End everything in the sandbox."""
        if self.sandbox is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.sandbox.handle, signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        """As `kill`: a student's code is asked nothing."""
        await self.kill(restart)

    async def cleanup(self, restart: bool = False) -> None:
        """Leave nothing; the manager calls this when the kernel has ended."""
        if self.watch is not None:
            self.watch.stop()
            self.watch = None
        if self.kernel is not None:
            os.close(self.kernel)
            self.kernel = None
        if self.sandbox is not None:
            self.sandbox.close()
            self.sandbox = None


class SandboxClient(AsyncKernelClient):
    """Believes nothing about sizes, and is never led to another socket: links in a sandbox may point anywhere.

    A message over the limit makes ZeroMQ break off the connection, which the watch then notices.
    """

    parent: Any
    """The kernel manager."""

    @default("context")
    def _context_default(self) -> zmq.asyncio.Context:
        self._created_context = True
        context = zmq.asyncio.Context()
        context.setsockopt(zmq.RECONNECT_IVL, NEVER)
        context.setsockopt(zmq.MAXMSGSIZE, self.parent.limits.flood)
        context.setsockopt(zmq.RCVHWM, WAITING_MESSAGES)
        return context

    def _create_connected_socket(self, channel: str, identity: bytes | None = None) -> Any:
        socket = super()._create_connected_socket(channel, identity)
        socket.linger = 0  # once the kernel is ended nobody will read what is left; Jupyter waits a second for it
        if channel == "iopub":
            self.parent.provisioner.watch.listen_to(socket)
        return socket

    def start_channels(self, *args: Any, **kwargs: Any) -> None:
        """Open the connections, but for the heartbeat's.

        The watch knows whether the kernel lives. Jupyter's heart would wait for ever, and with it whoever stops it, if the
        kernel ended between a beat and the next.
        """
        super().start_channels(*args, **kwargs | {"hb": False})

    def stop_channels(self) -> None:
        """Close the connections."""
        if watch := self.parent.provisioner.watch:
            watch.stop_listening()
        super().stop_channels()

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel answers on both channels; nbclient calls this once.

        Jupyter's own way drains the output channel until it has been silent for 0.2 s. The kernel listens already, so
        all that is to be known is that the subscription to its outputs has arrived.
        """
        for _ in range(SUBSCRIPTION_TRIES):
            asked = self.kernel_info()
            await self.shell_channel.get_msg(timeout=timeout)
            with suppress(Empty):
                while (await self.iopub_channel.get_msg(timeout=SUBSCRIPTION_SECONDS))["parent_header"].get("msg_id") != asked:
                    pass
                return
        raise ExecutionError("the kernel's outputs do not arrive.")


class SandboxManager(AsyncKernelManager):
    """A kernel manager whose kernels are sandboxed."""

    client_factory = Type(SandboxClient, klass=AsyncKernelClient)
    backend = Unicode("tensorflow")
    environment = Dict()
    folders = Dict()
    limits = Instance(Limits, ())

    @property
    def kernel_spec(self) -> KernelSpec:
        config = {name: getattr(self, name) for name in ("backend", "environment", "folders", "limits")}
        provisioner = {"provisioner_name": NAME, "config": config}
        return KernelSpec(argv=[], language="python", metadata={"kernel_provisioner": provisioner})
