"""Using up what others need: processes, threads, memory, disk, output, time."""

from attacks.attack import before, within

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
    before("resources-bignumber", "x = 10 ** 10 ** 10"),
]
