"""The zygote imports Keras once; fork servers are its forks, one for each process that grades; kernels are theirs.

A kernel enters a sandbox which bubblewrap has made. `forkserver.py` runs this file as a script, so that nothing of `grader`
is ever in its memory, and with an empty environment: what a kernel can read of its own process is what stands here.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import importlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

NAMESPACES = ("user", "mnt", "net", "ipc", "pid", "uts")
"""In the order of entering: the user namespace first, since it is what allows the others."""
STUDENT = 1000
"""User id inside a sandbox that root has made; an ordinary user keeps their own."""
CAPABILITIES = 64
PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 4, 24, 38
REFUSED = (
    *("memfd_create", "memfd_secret", "shmget", "msgget", "semget"),  # hold memory that is no process's
    *("add_key", "keyctl", "request_key"),  # key rings outlive a sandbox
    *("bpf", "fanotify_init", "io_uring_setup", "perf_event_open", "ptrace", "setns", "unshare", "userfaultfd"),
)
"""System calls that no kernel needs, and with which a sandbox's limits or the system itself have been got round."""
HOME, RUNTIME = "/tmp/work", "/run"
READY, FAILED = Path(RUNTIME, "ready"), Path(RUNTIME, "failed")
"""What a kernel that starts leaves for whoever waits for it; nothing of a student's has run then."""

libc = ctypes.CDLL(None, use_errno=True)


def main(channel: socket.socket) -> None:
    """Import, and fork a server for each channel that comes, until nobody is left who could send one."""
    start = json.loads(channel.recv(1 << 20))
    os.environ.update(start["environment"])
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # every kernel would start it, and nobody uses it
    gc.disable()  # nearly all that an import makes stays: to look through it again and again takes a fifth of the time
    for name in start["modules"]:
        importlib.import_module(name)
    end_epochs_at_once()
    gc.collect()
    gc.freeze()  # a collection in a fork would copy every page that it looks at
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a server that has ended
    while True:
        message, ends, _, _ = socket.recv_fds(channel, 1, 1)
        if not message:
            break
        if not os.fork():
            channel.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with suppress(ConnectionError):  # whoever asked is gone
                serve(socket.socket(fileno=ends[0]))
            os._exit(0)
        os.close(ends[0])
    shutil.rmtree(start["folder"], ignore_errors=True)


def end_epochs_at_once() -> None:
    """Switch off what tunes TensorFlow's data sets: it changes no result, and at the end of each epoch `fit` waits for it.

    Its thread sleeps, each time twice as long, and only then notices that there is nothing left to tune.
    """
    options = sys.modules["tensorflow"].data.Options
    make = options.__init__

    def make_untuned(self: Any) -> None:
        make(self)
        self.autotune.enabled = False

    options.__init__ = make_untuned


def serve(channel: socket.socket) -> None:
    """Tell who this is, and fork kernels until whoever holds the other end of the channel is gone, however it went."""
    channel.recv(1 << 20)
    socket.send_fds(channel, [b"{}"], [os.pidfd_open(os.getpid())])
    while True:
        message, namespaces, _, _ = socket.recv_fds(channel, 1 << 20, len(NAMESPACES))
        if not message:
            break
        between = os.fork()
        if not between:
            try:
                enter(namespaces, json.loads(message), channel)
            except BaseException as error:
                channel.send(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
            finally:
                os._exit(1)
        os.waitpid(between, 0)
        for namespace in namespaces:
            os.close(namespace)


def enter(namespaces: list[int], request: Mapping[str, Any], channel: socket.socket) -> None:
    """Enter a sandbox and leave the kernel in it, as a child of the sandbox's first process."""
    check(libc.setns(namespaces[0], 0))
    # Kernels have been attacked through user namespaces more than through anything else: none inside this one.
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    for namespace in namespaces[1:]:
        check(libc.setns(namespace, 0))
    if inside := os.fork():  # only a child is in the process namespace
        os.waitpid(inside, 0)
    elif kernel := os.fork():  # an orphan goes to the first process of its parent's namespace
        socket.send_fds(channel, [b"{}"], [os.pidfd_open(kernel)])
    else:
        channel.close()
        try:
            restrict(request["limits"], request["root"])
            become_kernel(request)
        except BaseException:
            FAILED.write_text(traceback.format_exc())
            raise


def restrict(limits: Mapping[str, int], root: bool) -> None:
    """Give up every right and set the limits, before anything of a student's is read."""
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    os.chdir("/")
    Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out for all, this goes first
    for capability in range(CAPABILITIES):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails for those that this kernel does not know
    if root:  # limits on processes do not hold for root
        os.setgroups([])
        os.setresgid(STUDENT, STUDENT, STUDENT)
        os.setresuid(STUDENT, STUDENT, STUDENT)
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    check(libc.capset(header, none))
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    check(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))  # else a process may not read its own /proc
    refuse_system_calls()
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))
    status = Path("/proc/self/status").read_text()
    if "CapEff:\t0000000000000000" not in status or "NoNewPrivs:\t1" not in status:
        raise PermissionError("the sandbox still has rights")


def refuse_system_calls() -> None:
    """Make them fail from now on, here and in every process to come; so do sockets of families that no namespace shuts in."""
    import pyseccomp  # not on every system from which this file is imported

    refuse = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in REFUSED:
        refuse.add_rule(pyseccomp.ERRNO(errno.ENOSYS), name)
    allowed = sorted((socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK))
    for family in range(allowed[-1]):
        if family not in allowed:
            refuse.add_rule(pyseccomp.ERRNO(errno.EAFNOSUPPORT), "socket", pyseccomp.Arg(0, pyseccomp.EQ, family))
    refuse.add_rule(pyseccomp.ERRNO(errno.EAFNOSUPPORT), "socket", pyseccomp.Arg(0, pyseccomp.GT, allowed[-1]))
    refuse.load()


def become_kernel(request: Mapping[str, Any]) -> None:
    """Start an IPython kernel in this process."""
    os.environ.clear()
    os.environ.update(request["environment"])
    for folder in (HOME, os.environ["IPYTHONDIR"], os.environ["MPLCONFIGDIR"]):
        os.makedirs(folder)
    os.chdir(HOME)
    if Path(request["submission"]).is_dir():
        shutil.copytree(request["submission"], HOME, dirs_exist_ok=True)
    connection = Path(RUNTIME, "connection.json")
    connection.write_text(json.dumps(request["connection"]))
    # What was handed in beside the notebook can be imported, as in any kernel; IPython itself adds nothing under `python -P`.
    packages = (number for number, path in enumerate(sys.path) if path.endswith("-packages"))
    sys.path.insert(next(packages, len(sys.path)), "")
    random.seed()
    sys.modules["numpy"].random.seed()
    sys.argv = ["kernel"]

    import zmq
    from ipykernel.kernelapp import IPKernelApp

    class KernelApp(IPKernelApp):
        def init_iopub(self, context: zmq.Context[Any]) -> None:
            context.setsockopt(zmq.SNDHWM, 0)  # no output is dropped, however much of it waits
            super().init_iopub(context)  # type: ignore[no-untyped-call]

    app: Any = KernelApp.instance(connection_file=str(connection), log_level=50)
    app.initialize(["--HistoryManager.hist_file=:memory:"])
    app.shell.enable_matplotlib("inline")  # pyplot is imported already, with another backend
    READY.touch()
    app.start()


def check(result: int) -> None:
    """Raise what the C library's call failed with."""
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
