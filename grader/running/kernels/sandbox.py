"""A sandbox that bubblewrap has made: namespaces and mounts, held open by a process that does nothing.

A kernel enters it later, see `forked.py`. It ends when whoever made it closes it or is gone, however it went: the holder
reads from a pipe until then, and it is the sandbox's first process, with which every other one goes, and every mount.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import site
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import suppress
from ctypes.util import find_library
from functools import cache
from pathlib import Path

import course
import grader
from grader.errors import SandboxError
from grader.running.kernels.forked import NAMESPACES, RUNTIME, STUDENT
from grader.running.kernels.limits import MEGABYTE, Limits

NEEDED_VERSION = (0, 7)
"""The first bubblewrap that can limit the size of a tmpfs."""
NOBODY = 65534
INPUTS, SUBMISSION, CACHE = "/inputs", "/submission", "/cache"
SYSTEM = (
    *("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64"),
    *("/usr/share/fonts", "/usr/share/zoneinfo", "/etc/fonts", "/etc/ld.so.cache", "/etc/localtime"),
    "/sys/devices/system/cpu",  # numeric libraries count the cores there
)
DEVICES = ("null", "zero", "full", "random", "urandom")
GPU = re.compile(r"nvidia|dri$|dxg$|kfd$")
"""Names in /dev of what computing on a GPU needs."""
SETUP_SECONDS = 20
HELP = (
    "docs/sandbox.md says how to allow it, in a container, too; `grader doctor` shows what works; "
    "`--Grade.sandbox=none` grades without protection."
)


class Sandbox:
    """Args:
        limits: Its disk.
        folders: By the path at which it appears, read-only, a folder outside.

    Raises:
        SandboxError: If it cannot be made here; says what is missing and what to do.
    """

    def __init__(self, limits: Limits, folders: Mapping[str, Path]) -> None:
        _check_system()
        command = [find_bubblewrap(), *_options(limits, folders)]
        info, info_end = os.pipe()
        block_end, block = os.pipe()
        mapped = is_root()
        if mapped:
            command += ["--userns-block-fd", str(block_end)]
        try:
            self._holder = subprocess.Popen(
                [*command, "--info-fd", str(info_end), "--", "/cat"],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[info_end, block_end],
                env={},
                start_new_session=True,
            )
            os.close(info_end)
            self.init = self._read_process_id(info)
            if mapped:
                _map_users(self.init)
                os.write(block, b".")
            self._wait_until_it_runs()
        finally:
            for end in (info, block, block_end):
                os.close(end)
        self.handle = os.pidfd_open(self.init)
        self.root = Path(f"/proc/{self.init}/root")

    def namespaces(self) -> list[int]:
        """Descriptors of its namespaces, in the order of entering; to be closed."""
        return [os.open(f"/proc/{self.init}/ns/{name}", os.O_RDONLY) for name in NAMESPACES]

    def close(self) -> None:
        """End every process in it."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        os.close(self.handle)
        for pipe in (self._holder.stdin, self._holder.stdout, self._holder.stderr):
            assert pipe is not None
            pipe.close()
        self._holder.wait()

    def _read_process_id(self, info: int) -> int:
        text = b""
        while chunk := os.read(info, 1000):
            text += chunk
            if b"}" in text:
                return int(json.loads(text)["child-pid"])
        raise self._failed()

    def _wait_until_it_runs(self) -> None:
        """The namespaces exist before the mounts do: what the holder echoes comes after both."""
        assert self._holder.stdin is not None and self._holder.stdout is not None
        with suppress(BrokenPipeError):
            self._holder.stdin.write(b".")
        if not select.select([self._holder.stdout], [], [], SETUP_SECONDS)[0] or not self._holder.stdout.read(1):
            raise self._failed()

    def _failed(self) -> SandboxError:
        self._holder.kill()
        said = self._holder.communicate()[1].decode(errors="replace").strip().rstrip(".")
        return SandboxError(f"bubblewrap cannot make a sandbox here: {said or 'it said nothing'}. {HELP}")


def is_root() -> bool:
    """Whether kernels need another user id: limits on processes do not hold for root, and files are root's."""
    return os.geteuid() == 0 and any(
        first <= NOBODY < first + count
        for first, _, count in (map(int, line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines())
    )


@cache
def _check_system() -> None:
    if not sys.platform.startswith("linux"):
        raise SandboxError(
            f"Sandboxes need Linux, and this is {sys.platform}: grade in a container or a virtual machine. {HELP}"
        )
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError) as error:
        raise SandboxError(f"Expected Linux 5.3 or later, and a Python built for it: {error}. {HELP}") from error
    if find_library("seccomp") is None:
        raise SandboxError(f"libseccomp is not installed: `apt install libseccomp2`, or the like of your system. {HELP}")


def find_bubblewrap() -> str:
    """Where bubblewrap is.

    Raises:
        SandboxError: If it is not there or too old.
    """
    path = shutil.which("bwrap")
    if path is None:
        raise SandboxError(f"bubblewrap is not installed: `apt install bubblewrap`, or the like of your system. {HELP}")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    version = tuple(int(number) for number in re.findall(r"\d+", said))
    if version < NEEDED_VERSION:
        raise SandboxError(f"{said.strip() or path} is too old: expected 0.7 or later. {HELP}")
    return path


@cache
def require() -> None:
    """Try, once, whether sandboxes can be made here.

    Raises:
        SandboxError: If not; says what is missing and what to do.
    """
    Sandbox(Limits(), {}).close()


def _options(limits: Limits, folders: Mapping[str, Path]) -> list[str]:
    options = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    options += ["--as-pid-1", "--hostname", "sandbox", "--cap-drop", "ALL", "--proc", "/proc"]
    # The writable places come first: Python may lie in /tmp.
    for path, megabytes in (("/tmp", limits.disk), ("/dev/shm", limits.disk), (RUNTIME, 1)):
        options += [*_parents(path), "--perms", "1777", "--size", str(megabytes * MEGABYTE), "--tmpfs", path]
    devices = [f"/dev/{name}" for name in os.listdir("/dev") if name in DEVICES or GPU.match(name)]
    shown = {path: path for path in _shown()}
    for path, outside in {**shown, "/cat": _cat(), **{path: str(folder) for path, folder in folders.items()}}.items():
        options += [*_parents(path), "--ro-bind", outside, path]
    for path in _hidden(list(shown)):
        options += ["--tmpfs", path, "--remount-ro", path]
    for path in devices:
        options += ["--dev-bind", path, path]
    return [*options, "--symlink", "/proc/self/fd", "/dev/fd", "--remount-ro", "/"]


def _parents(path: str) -> list[str]:
    """bubblewrap makes folders on the way to a mount for the user who runs it alone."""
    return [option for parent in reversed(Path(path).parents[:-1]) for option in ("--perms", "0755", "--dir", str(parent))]


def _cat() -> str:
    found = shutil.which("cat")
    if found is None:
        raise SandboxError(f"`cat` is not on PATH. {HELP}")
    return os.path.realpath(found)


def _shown() -> Iterator[str]:
    """What exists in a sandbox: system libraries, Python, and `course`."""
    paths = sysconfig.get_paths()
    python = [sys.base_prefix, sys.prefix] if sys.prefix != sys.base_prefix else [sys.prefix]
    packages = [paths["stdlib"], paths["platstdlib"], paths["purelib"], paths["platlib"], *site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        packages.append(site.getusersitepackages())
    wanted = [*SYSTEM, *(path for path in python if path != "/usr"), *packages, *course.__path__]
    seen: list[Path] = []
    for path in map(Path, wanted):
        if path.exists() and not any(path.is_relative_to(shown) for shown in seen):
            seen.append(path)
            yield str(path)


def _hidden(shown: list[str]) -> Iterator[str]:
    """What would lie inside of it where all packages are installed into one folder."""
    packages = Path(grader.__file__).parent.parent
    for path in (packages / "grader", packages / "solutions"):
        if path.exists() and any(path.is_relative_to(folder) for folder in shown):
            yield str(path)


def _map_users(process: int) -> None:
    """Let the sandbox know two users: the one that made it, and another that has nothing, for the kernel."""
    try:
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{process}/{kind}").write_text(f"0 0 1\n{STUDENT} {NOBODY} 1\n")
    except OSError as error:
        os.kill(process, signal.SIGKILL)
        raise SandboxError(
            f"Users cannot be mapped into a sandbox here, {error.strerror}: expected root to have the capabilities SETUID, "
            f"SETGID and SETFCAP; an ordinary user needs none. {HELP}"
        ) from error
