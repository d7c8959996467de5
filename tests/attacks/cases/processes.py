"""Processes and signals: killing the kernel, others and oneself, outliving the kernel, and taking its sockets."""

from attacks.attack import before

NAME = "import ctypes; ctypes.CDLL(None).prctl(15, b'$MARK')\n"
DAEMON = """
import os, time
if not os.fork():
    os.setsid()
    if not os.fork():
        import signal
        for number in (1, 2, 3, 13, 15):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, 1024)
        import ctypes
        ctypes.CDLL(None).prctl(15, b"$MARK", 0, 0, 0)
        time.sleep(600)
    os._exit(0)
"""
EVERYONE = """
import os, signal
for pid in (1, os.getppid(), *range(2, 400)):
    if pid != os.getpid():
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(pid, number)
            except OSError:
                pass
try:
    os.killpg(0, signal.SIGCONT)
    os.kill(-1, signal.SIGKILL)
except OSError as error:
    print(error)
"""
TRACED = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in sorted({1, os.getppid(), *(int(name) for name in os.listdir("/proc") if name.isdigit())} - {os.getpid()}):
    print(pid, libc.ptrace(16, pid, 0, 0), ctypes.get_errno())
    try:
        with open(f"/proc/{pid}/mem", "r+b", 0) as memory:
            memory.seek(0x400000)
            memory.write(b"\\xcc" * 64)
    except (OSError, ValueError) as error:
        print(error)
"""
SOCKETS = """
import os
for name in os.listdir("/proc/self/fd"):
    descriptor = int(name)
    try:
        if os.readlink(f"/proc/self/fd/{name}").startswith("socket"):
            os.close(descriptor)
    except OSError:
        pass
"""
UNLINK = """
import os, socket
for name in os.listdir("/run"):
    if name.startswith("kernel"):
        os.unlink(f"/run/{name}")
        os.symlink("$CANARY/outside.socket", f"/run/{name}")
os._exit(0)
"""
IMPOSTOR = """
import os, time
if os.fork():
    os._exit(0)
time.sleep(0.2)
get_ipython().kernel.do_execute = lambda *a, **k: {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}
"""
RIGHTS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for act in (lambda: os.setuid(0), lambda: os.setgroups([0]), lambda: os.chroot("/"), lambda: os.mknod("/tmp/disk", 0o060600, os.makedev(8, 0)),
            lambda: os.sethostname("x"), lambda: os.nice(-20)):
    try:
        act()
        print("allowed")
    except (OSError, AttributeError) as error:
        print(error)
for flag in (0x10000000, 0x00020000, 0x40000000):
    if not os.fork():
        done = libc.unshare(flag)
        print("unshare", done)
        os._exit(0)
print(libc.reboot(0x1234567), libc.swapon(b"/tmp", 0), libc.init_module(0, 0, b""), libc.keyctl(0, 0), libc.bpf(0, 0, 0))
"""

ATTACKS = [
    before("processes-exit", "import os\nos._exit(0)"),
    before("processes-exitzero", "import sys\nsys.exit(0)"),
    before("processes-killself", "import os\nos.kill(os.getpid(), 9)"),
    before("processes-stopself", "import os\nos.kill(os.getpid(), 19)"),
    before("processes-abort", "import ctypes\nctypes.string_at(0)"),
    before("processes-everyone", EVERYONE),
    before("processes-traced", TRACED),
    before("processes-daemon", DAEMON),
    before("processes-sockets", SOCKETS),
    before("processes-unlinked", UNLINK),
    before("processes-impostor", IMPOSTOR),
    before("processes-rights", RIGHTS),
    before(
        "processes-bystander",
        f"{NAME}import os\nfor pid in range(1, 70000):\n    try: os.kill(pid, 15) if pid != os.getpid() else None\n    except OSError: pass",
    ),
]
