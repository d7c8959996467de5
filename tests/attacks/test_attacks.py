"""A class of attackers, graded by one command: nobody gets what they did not earn, and nothing is harmed.

Run by root, whose kernels get another user's id, this grades as root, with JAX, and only what sandbox and kernel have to stop;
`test_attacks_as_ordinary_user.py` runs all of it, with TensorFlow. One submission is graded by plain nbgrader first.
"""

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import nbformat
import psutil
import pytest

from attacks.attack import Attack, all_attacks
from attacks.classroom import HONEST, LIMITS, REPOSITORY, UNIT, Classroom
from attacks.ordinary_user import NOBODY, as_ordinary_user
from harness import UNITS
from sandboxes import needs_sandbox

pytestmark = [pytest.mark.slow, needs_sandbox]

AS_USER = os.geteuid() != 0 or os.environ.get("ATTACKED_AS") == "ordinary user"
BY_USER = ("leftovers", "network", "processes", "reading", "writing")
"""Families that meet what depends on who has started the kernel; of the others, one run is enough."""
COUNTED_BY_USER = ("disk", "forkbomb", "inodes", "memory", "memoryfiles", "segments", "shared", "threads")
"""What `resources-…` use up, where the system's limits count by user."""
ATTACKS = [
    attack
    for attack in all_attacks()
    if AS_USER or attack.family in BY_USER or attack.name.removeprefix("resources-") in COUNTED_BY_USER
]
CONFIG = (REPOSITORY / "nbgrader_config.py").read_text() + "\nc = get_config()\n" + LIMITS
STALE = "leftovers-stale"


@pytest.fixture(scope="module")
def classroom():
    # Not pytest's own folder, which an ordinary user may not enter.
    room = Classroom(Path(tempfile.mkdtemp(prefix="attacked-")), "tensorflow" if AS_USER else "jax")
    with room.watched():
        room.fill(ATTACKS, CONFIG)
        prefix = []
        if os.environ.get("ATTACKED_AS") == "ordinary user":
            prefix = as_ordinary_user(REPOSITORY)
            subprocess.run(["chown", "--recursive", "--no-dereference", f"{NOBODY}:{NOBODY}", room.folder], check=True)
        said = room.run("nbgrader", "generate_assignment", UNIT, prefix=prefix)
        assert "ERROR" not in said, said[-3000:]
        stale = room.course / "submitted" / STALE / UNIT / f"{UNIT}.ipynb"
        attack = stale.read_text()
        shutil.copyfile(room.course / "submitted" / HONEST[0] / UNIT / f"{UNIT}.ipynb", stale)
        room.run("nbgrader", "autograde", UNIT, "--student", STALE, prefix=prefix)
        assert room.points(STALE)["softmax"] > 0
        stale.write_text(attack)
        room.before = room.hashes(), Path("/proc/self/mountinfo").read_text()
        with subprocess.Popen(["sleep", "3000"]) as bystander:
            room.said = room.run("grader", "autograde", UNIT, "--workers", "2", prefix=prefix)
            room.bystander_lives = bystander.poll() is None
            bystander.kill()
    yield room
    room.remove()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_earns_nothing_and_reads_nothing(classroom, attack: Attack):
    points = classroom.points(attack.name)
    assert None not in points.values() or classroom.waits_for_a_person(attack.name) == {*points}, classroom.said[-3000:]
    unseen = {name: value for name, value in points.items() if value and name not in classroom.waits_for_a_person(attack.name)}
    assert sum(unseen.values()) <= attack.earns, unseen
    assert classroom.leaked(attack.name) == []


def test_there_are_attacks_of_every_family():
    families = Counter(attack.family for attack in all_attacks())
    assert sum(families.values()) >= 40 and min(families.values()) >= 5 and len(families) == 11, families
    assert len({attack.name for attack in all_attacks()}) == sum(families.values())


@pytest.mark.parametrize("student", HONEST)
def test_the_honest_get_all_their_points(classroom, student):
    assert classroom.points(student) == {name: exercise.points for name, exercise in UNITS[UNIT].text.exercises.items()}
    assert classroom.waits_for_a_person(student) == set()


def test_nothing_outside_has_changed(classroom):
    files, mounts = classroom.before
    assert classroom.hashes() == files
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert classroom.marked_files() == []


def test_nobody_was_reached_and_nobody_lives_on(classroom):
    assert classroom.heard == []
    assert classroom.marked_processes() == []
    assert classroom.bystander_lives
    running = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert [line for line in running if str(classroom.folder) in line] == []


def test_what_was_left_for_the_next_one_is_not_found(classroom):
    for attack in ATTACKS:
        if attack.name.startswith("leftovers-") and attack.name.endswith("-2"):
            path = classroom.course / "autograded" / attack.name / UNIT / f"{UNIT}.ipynb"
            outputs = [cell.outputs for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
            assert "found" not in str(outputs), attack.name
