"""A course in which each attack is a student among honest ones, and what is watched while it is graded."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from nbgrader.api import Gradebook

from attacks.attack import Attack
from grader.classroom.coursedir import make_secret
from grader.handout.build import build, write
from grader.handout.demo import submissions
from grader.units.shelf import find_unit

REPOSITORY = Path(__file__).parents[2]
UNIT = "mlp"
HONEST = ("aaa-honest", "network-zzz-honest", "zzz-honest")
"""Graded before, between and after the attacks."""
LIMITS = """
c.Limits.cell_seconds = 15
c.Limits.wall_factor = 3
c.Limits.memory = 1500
c.Limits.disk = 100
c.Limits.processes = 200
c.Limits.flood = 20_000_000
"""


@dataclass
class Classroom:
    """A course directory and what lies around it.

    Args:
        folder: Empty; gets the course, the canary and a home.
        backend: That grades.
    """

    folder: Path
    backend: str = "tensorflow"
    heard: list[str] = field(default_factory=list)
    """What somebody on the network received."""

    def __post_init__(self) -> None:
        self.course, self.canary, self.home = (self.folder / name for name in ("course", "canary", "home"))
        for path in (self.course, self.canary, self.home):
            path.mkdir(parents=True)
        self.mark = f"mark{os.getpid()}"
        self.words = {name: f"word-{name}-{os.urandom(4).hex()}" for name in ("canary", "environment", "classmate")}
        (self.canary / "word.txt").write_text(self.words["canary"])
        self.port = 0

    def fill(self, attacks: Iterable[Attack], config: str, honest: Sequence[str] = HONEST) -> None:
        """Write the course with its submissions; nothing is graded yet."""
        unit = find_unit(REPOSITORY, UNIT)
        files = build(self.course, [unit])
        write({path: text for path, text in files.items() if path.is_relative_to(self.course / "build")})
        (self.course / "nbgrader_config.py").write_text(config)
        make_secret(self.course)
        release = files[self.course / "assignments" / UNIT / f"{UNIT}.ipynb"].decode()
        reference = dict(submissions(unit, nbformat.reads(release, as_version=4)))["reference"]
        for student in honest:
            notebook = nbformat.reads(reference, as_version=4)
            answer = next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "relu")
            answer.source += f"\n# {self.words['classmate']}"
            self._submit(student, nbformat.writes(notebook))
        for attack in attacks:
            self.submit(attack, release)

    def submit(self, attack: Attack, release: str) -> None:
        notebook = nbformat.reads(release, as_version=4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in attack.answers:
                cell.source = self._put_in(attack.answers[name])
        attack.damage(notebook)
        self._submit(attack.name, json.dumps(notebook))  # nbformat would mend it
        for name, data in attack.files.items():
            path = self.course / "submitted" / attack.name / UNIT / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._put_in(data.decode("latin-1")).encode("latin-1"))
        folder = self.course / "submitted" / attack.name / UNIT
        with contextlib.chdir(folder):
            attack.beside(folder, self.canary)

    def _submit(self, student: str, text: str) -> None:
        path = self.course / "submitted" / student / UNIT / f"{UNIT}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(text)

    def _put_in(self, text: str) -> str:
        known = {"$CANARY": self.canary, "$COURSE": self.course, "$PORT": self.port, "$MARK": self.mark}
        for word, value in known.items():
            text = text.replace(word, str(value))
        return text

    def run(self, *command: str, prefix: Sequence[str] = (), seconds: float = 3000) -> str:
        """Run a command in the course, and return what it said."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {
            **{"KERAS_BACKEND": self.backend, "PATH": path, "HOME": str(self.home), "TF_CPP_MIN_LOG_LEVEL": "3"},
            **{"GRADER_PASSWORD": self.words["environment"], "TMPDIR": str(self.home)},
        }
        done = subprocess.run(
            [*prefix, *command], cwd=self.course, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Listen on the loopback, TCP and UDP, and on an abstract socket."""
        with contextlib.ExitStack() as stack:
            listeners = []
            tcp, udp, unix = (
                (socket.AF_INET, socket.SOCK_STREAM),
                (socket.AF_INET, socket.SOCK_DGRAM),
                (socket.AF_UNIX, socket.SOCK_STREAM),
            )
            for family, kind in (tcp, udp, unix):
                listener = stack.enter_context(socket.socket(family, kind))
                listener.bind(f"\0{self.mark}" if family == socket.AF_UNIX else ("127.0.0.1", self.port))
                self.port = self.port or listener.getsockname()[1]
                if kind == socket.SOCK_STREAM:
                    listener.listen()
                listener.settimeout(0.2)
                listeners.append((listener, kind))
            stopped = threading.Event()
            threads = [threading.Thread(target=self._listen, args=(*pair, stopped)) for pair in listeners]
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                stopped.set()
                for thread in threads:
                    thread.join()

    def _listen(self, listener: socket.socket, kind: int, stopped: threading.Event) -> None:
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                if kind == socket.SOCK_DGRAM:
                    listener.recvfrom(1000)
                else:
                    listener.accept()[0].close()
                self.heard.append(f"{listener.family.name} {listener.type.name}")

    # --- what came of it ---

    def points(self, student: str) -> dict[str, float | None]:
        """By exercise, what the gradebook says."""
        return {name: grade["auto_score"] for name, grade in self._grades(student).items()}

    def waits_for_a_person(self, student: str) -> set[str]:
        return {name for name, grade in self._grades(student).items() if grade["needs_manual_grade"]}

    def _grades(self, student: str) -> dict[str, dict]:
        with Gradebook(f"sqlite:///{self.course}/gradebook.db") as gradebook:
            notebook = gradebook.find_submission_notebook(UNIT, UNIT, student)
            return {grade.name.removesuffix("-check"): grade.to_dict() for grade in notebook.grades}

    def hashes(self) -> dict[str, str]:
        """Of every file that grading has no business to change."""
        kept = [path for path in self.canary.rglob("*") if path.is_file()]
        kept += (self.course / "submitted").glob("*/*/*.ipynb")
        for name in ("build", "release", "nbgrader_config.py", ".course-secret"):
            path = self.course / name
            kept += [path] if path.is_file() else [found for found in path.rglob("*") if found.is_file()]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept if path.is_file()}

    def leaked(self, student: str) -> list[str]:
        """Which secret words stand in what was graded of a student."""
        words = self.words | {"secret": (self.course / ".course-secret").read_text().strip()}
        folder = self.course / "autograded" / student
        texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        return [name for name, word in words.items() if any(word.encode() in text for text in texts)]

    def marked_files(self) -> list[str]:
        """Files that an attack has made anywhere but in its own submission."""
        places = [self.canary, self.home, Path("/dev/shm"), Path("/var/tmp"), Path("/tmp"), Path("/run")]
        found = [path for place in places for path in place.glob(f"*{self.mark}*")]
        return [str(path) for path in [*found, *self.course.glob(f"*{self.mark}*"), *self.home.rglob(f"*{self.mark}*")]]

    def marked_processes(self) -> list[str]:
        names = [process.info["name"] or "" for process in psutil.process_iter(["name"])]
        return [name for name in names if name.startswith(self.mark[:15])]

    def remove(self) -> None:
        subprocess.run(["rm", "-rf", self.folder], check=False)  # Python itself comes no deeper than it can recurse
