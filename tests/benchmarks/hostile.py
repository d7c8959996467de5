"""The attack suite against this course and against plain nbgrader: how many attacks of each family paid off.

An attack pays off if it gets points that it did not earn and that no person is told to look at, harms a classmate, changes or
reads what is not its own, reaches somebody over the network, or leaves something alive. Run by `make bench`.

Plain nbgrader grades the same notebooks with hidden assertions, in containers that this script throws away: nothing else
would hold the attacks.
"""

import contextlib
import hashlib
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from attacks.attack import Attack, all_attacks
from attacks.classroom import HONEST, LIMITS, REPOSITORY, UNIT, Classroom
from attacks.ordinary_user import as_ordinary_user
from grader.files import made_whole
from grader.running.kernels.sandbox import find_bubblewrap, is_root

ALONE = ("network", "processes", "resources", "saved", "tampering", "writing")
"""Families whose harm to a class could not be told apart, or one of which stops plain nbgrader for the others."""
SECONDS = 120
"""For a container, and a quarter as much for each submission in it."""
HERE = (REPOSITORY / "nbgrader_config.py").read_text() + "\nc = get_config()\n" + LIMITS
PLAIN = """
c = get_config()
c.CourseDirectory.source_directory = "build/source"
c.Execute.timeout = 10
"""
HIDDEN = {
    "softmax": """
given = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 5.0]], dtype="float32")
wanted = [[0.0900306, 0.2447285, 0.6652410], [0.0066483, 0.0066483, 0.9867033]]
np.testing.assert_allclose(ops.convert_to_numpy(softmax(ops.convert_to_tensor(given))), wanted, rtol=1e-4)
""",
    "train_classifier": """
from course.data import mnist1d_curves
hidden_rng, hidden_y = np.random.default_rng(99), np.arange(2000) % 10
hidden_x, fresh = mnist1d_curves(hidden_y, hidden_rng), mnist1d_curves(hidden_y, hidden_rng)
hidden_model = train_classifier(hidden_x, hidden_y, 1)
assert (np.argmax(ops.convert_to_numpy(hidden_model(fresh)), axis=1) == hidden_y).mean() > 0.5
""",
}


def graded(folder: Path, attacks: list[Attack], config: str, plain: bool) -> dict[str, str]:
    """Grade one class; by attack, how it paid off."""
    room = Classroom(folder)
    honest = HONEST[-1:]
    with room.watched():
        room.fill(attacks, config, honest)
        if plain:
            use_assertions(room.course / "build" / "source" / UNIT / f"{UNIT}.ipynb")
        room.run("nbgrader", "generate_assignment", UNIT)
        before = room.hashes()
        room.run("nbgrader", "autograde", UNIT)
    found = {attack.name: how_it_paid(room, attack) for attack in attacks}
    whole = [
        *(f"{student} lost points" for student in honest if (points_of(room, student) or 0) < (20 if plain else 40)),
        *(["files changed"] if room.hashes() != before else []),
        *(["files left"] if room.marked_files() else []),
        *(["reached the network"] if room.heard else []),
        *(["left a process"] if room.marked_processes() else []),
    ]
    if len(attacks) > 1 and plain:  # whose harm it is cannot be told
        return found
    return {name: how or ", ".join(whole) for name, how in found.items()}


def points_of(room: Classroom, student: str) -> float | None:
    try:
        return sum(value or 0 for value in room.points(student).values())
    except Exception:  # not in the gradebook, or no gradebook any more
        return None


def how_it_paid(room: Classroom, attack: Attack) -> str:
    if (points := points_of(room, attack.name)) is None:
        return ""
    waiting = room.waits_for_a_person(attack.name)
    points = sum(value or 0 for name, value in room.points(attack.name).items() if name not in waiting)
    if points > attack.earns:
        return f"{points:g} points"
    return f"read {', '.join(leaked)}" if (leaked := room.leaked(attack.name)) else ""


def use_assertions(path: Path) -> None:
    """Hidden tests as plain nbgrader has them, in place of the probe."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "").removesuffix("-check")
        cell.source = cell.source.replace(f"probe({name})", HIDDEN.get(name, "pass"))
    nbformat.write(notebook, path)


@contextlib.contextmanager
def any_folder(prefix: str) -> Iterator[str]:
    """A temporary folder in which anything may be left: Python's own way to remove one fails on folders 1,000 deep."""
    folder = tempfile.mkdtemp(prefix=prefix)
    try:
        yield folder
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


def in_container(names: list[str]) -> dict[str, str]:
    """Grade one class with plain nbgrader where it can do no harm."""
    with any_folder("plain-") as folder:
        Path(folder).chmod(0o777)
        container = [find_bubblewrap(), "--die-with-parent"]
        container += [f"--unshare-{namespace}" for namespace in ("user", "pid", "net", "ipc")]
        container += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/dev/shm"]
        for path in (sys.prefix, sys.base_prefix, REPOSITORY):  # one of them may lie in /tmp
            container += ["--ro-bind", str(path), str(path)]
        container += ["--bind", folder, folder, "--chdir", str(REPOSITORY)]
        limits = ["prlimit", "--nproc=600", "--data=2000000000", "--fsize=300000000"]
        command = [*(as_ordinary_user(REPOSITORY) if is_root() else []), *container, *limits]
        result = Path(folder, "result.json")
        try:
            subprocess.run(
                [*command, sys.executable, __file__, str(result), *names],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS + len(names) * SECONDS / 4,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return dict.fromkeys(names, "nothing was graded for minutes")
        return json.loads(result.read_text()) if result.exists() else dict.fromkeys(names, "killed the grader")


def main() -> None:
    attacks = list(all_attacks())
    if len(sys.argv) > 1:  # in the container
        chosen = [attack for attack in attacks if attack.name in sys.argv[2:]]
        result = Path(sys.argv[1])
        result.write_text(json.dumps(graded(result.parent / "room", chosen, PLAIN, plain=True)))
        return
    families = defaultdict(list)
    for attack in attacks:
        families[attack.family].append(attack.name)
    groups = [group for name, all in families.items() for group in ([[one] for one in all] if name in ALONE else [all])]
    # An hour's work: what is known is kept until the table is there, and a run that was stopped goes on.
    asked = repr([(attack.name, attack.answers) for attack in attacks]).encode()
    kept = REPOSITORY / "build" / f"hostile-{hashlib.sha256(asked).hexdigest()[:12]}.json"
    kept.parent.mkdir(exist_ok=True)
    plain: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
    left = [group for group in groups if not plain.keys() >= set(group)]
    with ThreadPoolExecutor(2) as pool:
        for found in track(pool.map(in_container, left), total=len(left), description="plain nbgrader"):
            plain |= found
            with made_whole(kept) as new:
                new.write_text(json.dumps(plain))
    with any_folder("here-") as folder, Console().status("this course"):
        here = graded(Path(folder, "room"), attacks, HERE, plain=False)
    table = Table(title="Attacks that paid off")
    for column in ("family", "attacks", "here", "plain nbgrader", "how, there"):
        table.add_column(column, justify="left" if column in ("family", "how, there") else "right")
    for family, names in sorted(families.items()):
        there = [plain[name] for name in names if plain[name]]
        ways = ", ".join(sorted({"points" if "points" in way and "lost" not in way else way for way in there}))
        table.add_row(family, str(len(names)), str(sum(bool(here[name]) for name in names)), str(len(there)), ways)
    total = [sum(map(bool, found.values())) for found in (here, plain)]
    table.add_row("all", str(len(attacks)), *map(str, total), style="bold")
    Console().print(table)
    kept.unlink()


if __name__ == "__main__":
    main()
