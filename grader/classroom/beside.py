"""What lies in a submission's folder: its notebooks, the files that go with them, what is passed over, and why.

Nothing there is believed. Folders may be deep or full, files huge or no files at all, names whatever a disk takes. So it is
looked at within limits, before anything is opened; nothing is changed; and what is used, by kernels and in nbgrader's copy, is
what is named here and nothing else.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from grader.running.kernels.limits import MEGABYTE

MOST_ENTRIES = 2000
"""Files and folders in one another, over which none of them is used: nobody needs as many, and to go on takes time."""
DEEPEST = 20
"""Folders in one another."""
PAGE = 4096
"""Bytes: what a file takes of a disk in memory is a multiple of it."""
SPARE_MEGABYTES = 8
"""Of the kernel's disk: it writes files of its own when it starts."""
LEFTOVERS = frozenset({".ipynb_checkpoints", "__pycache__", ".DS_Store", "Thumbs.db"})
"""What programs leave in folders. What Python has compiled may be of anything, so it is never used."""
NOTEBOOK = ".ipynb"
IMPORTED = (".py", ".pyc", ".so")
AS_THEY_ARE = frozenset({".csv", ".dat", ".jpeg", ".jpg", ".json", ".md", ".npy", ".npz", ".png", ".py", ".tsv", ".txt"})
"""What no browser runs, and no server shows as a page."""
LONGEST_NAME = 200


@dataclass(frozen=True)
class HandedIn:
    """What lies in a submission's folder, by path in it.

    Args:
        folder: Which.
        notebooks: Every notebook, whatever its name, wherever it lies.
        files: Plain files that go with the notebooks.
        passed_over: What is not used, and why.
    """

    folder: Path
    notebooks: tuple[str, ...]
    files: tuple[str, ...]
    passed_over: Mapping[str, str]

    def without(self, masters: Collection[str]) -> HandedIn:
        """What is left where an instructor's files lie: what would stand in for one of those is passed over."""
        instead = {name: f"the instructor's {master} lies there" for name in self.files if (master := _replaced(name, masters))}
        files = tuple(name for name in self.files if name not in instead)
        return replace(self, files=files, passed_over={**self.passed_over, **instead})

    def digests(self) -> Iterator[tuple[str, str]]:
        """All of it by hashes, read piece by piece; what is passed over by its name and the reason."""
        for name in (*self.notebooks, *self.files):
            yield name, digest_of_file(self.folder / name)
        yield from self.passed_over.items()


def look(folder: Path, megabytes: float) -> HandedIn:
    """Look at what was handed in.

    Args:
        folder: A submission's; one that is missing is empty.
        megabytes: What a kernel's disk holds. Files that it does not hold, too, are passed over, and so are notebooks.
    """
    notebooks, files, passed_over = _sizes(folder)
    return HandedIn(
        folder,
        tuple(_that_fit(notebooks, megabytes, passed_over)),
        tuple(_that_fit(files, megabytes, passed_over)),
        passed_over,
    )


def _sizes(folder: Path) -> tuple[dict[str, int], dict[str, int], dict[str, str]]:
    """The sizes of notebooks and of other files, in bytes, and why the rest is passed over."""
    notebooks: dict[str, int] = {}
    files: dict[str, int] = {}
    passed_over: dict[str, str] = {}
    pending, room = [""], MOST_ENTRIES
    while pending:
        place = pending.pop()
        try:
            found = list(os.scandir(folder / place)) if (folder / place).is_dir() else []
        except OSError as error:
            passed_over[place or "."] = f"it may not be looked at ({error.strerror})"
            continue
        room -= len(found)
        for entry in found:
            name = f"{place}/{entry.name}" if place else entry.name
            if entry.name in LEFTOVERS:
                continue
            if entry.is_symlink():
                passed_over[name] = f"it is a link, to {os.readlink(entry.path)!r}, and links are not followed"
            elif entry.is_file() and entry.name.lower().endswith(NOTEBOOK):
                notebooks[name] = entry.stat().st_size
            elif entry.is_file():
                files[name] = entry.stat().st_size
            elif not entry.is_dir():
                passed_over[name] = "it is no plain file"
            elif name.count("/") < DEEPEST:
                pending.append(name)
            else:
                passed_over[name] = f"it lies more than {DEEPEST} folders deep"
        if room < 0:
            at_top = {name: size for name, size in notebooks.items() if "/" not in name}
            return at_top, {}, {"what lies beside the notebook": f"more than {MOST_ENTRIES} files, so none of them"}
    return notebooks, files, passed_over


def _that_fit(sizes: Mapping[str, int], megabytes: float, passed_over: dict[str, str]) -> Iterator[str]:
    """The paths, in their order, as far as there is room for the files."""
    room = (megabytes - SPARE_MEGABYTES) * MEGABYTE
    for name, size in sorted(sizes.items()):
        taken = max(1, math.ceil(size / PAGE)) * PAGE
        if taken < room:
            room -= taken
            yield name
        else:
            passed_over[name] = f"it has {size / MEGABYTE:.0f} MB, and all together may have {megabytes:g}"


def _replaced(name: str, masters: Collection[str]) -> str:
    """Which of the instructor's files a file would replace: lie in its place, or be imported in its place; "" for none."""
    path = PurePosixPath(name)
    module = path.parts[0].partition(".")[0] if len(path.parts) > 1 or path.suffix in IMPORTED else ""
    for master in masters:
        other = PurePosixPath(master)
        imported = other.parts[0].partition(".")[0] if len(other.parts) > 1 or other.suffix in IMPORTED else ""
        if path == other or path in other.parents or other in path.parents or (module and module == imported):
            return master
    return ""


def harmless_name(name: str) -> str:
    """A path under which a file may lie where people look: no terminal obeys it, and no browser runs what is in the file."""
    *folders, last = (_printable(part) for part in name.split("/"))
    return "/".join([*folders, last if PurePosixPath(last).suffix.lower() in AS_THEY_ARE else f"{last}.txt"])


def _printable(name: str) -> str:
    plain = "".join(c if c.isprintable() else "_" for c in name)
    path = PurePosixPath(plain)
    return plain if len(plain.encode()) <= LONGEST_NAME else f"{path.stem[: LONGEST_NAME // 4]}{path.suffix[:10]}"


def digest_of_file(path: Path) -> str:
    """The hash of a file, or why it may not be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return str(error)
