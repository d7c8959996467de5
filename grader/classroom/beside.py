"""What lies in a submission's folder: its notebooks, the files that go with them, what is passed over, and why.

Nothing there is believed. Folders may be deep or full, files huge or no files at all, names whatever a disk takes. So it is
looked at within limits, before anything is opened; nothing is changed; and what is used, by kernels and in nbgrader's copy, is
what is named here and nothing else.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from grader.files import digest_of_file
from grader.running.kernels.limits import MEGABYTE

MOST_ENTRIES = 2000
"""Files and folders in one another, over which none of them is used: nobody needs as many, and to go on takes time."""
DEEPEST = 20
"""Folders in one another."""
PAGE = 4096
"""Bytes: what a file takes of a disk in memory is a multiple of it."""
SPARE_MEGABYTES = 8
"""Of the kernel's disk: it writes files of its own when it starts."""
LEFTOVERS = frozenset({".ipynb_checkpoints", "__pycache__", "__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"})
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

    def digests(self) -> Iterator[tuple[str, object]]:
        """All of it, by what changes with it: hashes of files; when notebooks changed, which may be many."""
        for name in self.notebooks:
            with suppress(OSError):
                now = (self.folder / name).stat()
                yield name, (now.st_size, now.st_mtime_ns, now.st_ctime_ns)
        for name in self.files:
            yield name, digest_of_file(self.folder / name)
        yield from self.passed_over.items()


def look(folder: Path, megabytes: float) -> HandedIn:
    """Look at what was handed in.

    Args:
        folder: A submission's; one that is missing is empty.
        megabytes: What a kernel's disk holds. Files that it does not hold, too, are passed over.
    """
    notebooks, files, passed_over = _sizes(folder)
    return HandedIn(folder, tuple(sorted(notebooks)), tuple(_that_fit(files, megabytes, passed_over)), passed_over)


def _sizes(folder: Path) -> tuple[list[str], dict[str, int], dict[str, str]]:
    """Notebooks, the sizes of other files in bytes, and why the rest is passed over."""
    notebooks: list[str] = []
    files: dict[str, int] = {}
    passed_over: dict[str, str] = {}
    pending, room = [""], MOST_ENTRIES
    while pending:
        place = pending.pop()
        found: list[os.DirEntry[str]] = []
        with _noted(passed_over, place or "."):
            found += os.scandir(folder / place) if (folder / place).is_dir() else ()
        room -= len(found)
        for entry in found:
            name = f"{place}/{entry.name}" if place else entry.name
            if entry.name in LEFTOVERS:
                continue
            with _noted(passed_over, name):
                if entry.is_symlink():
                    passed_over[name] = f"it is a link, to {os.readlink(entry.path)!r}, and links are not followed"
                elif entry.is_file() and entry.name.lower().endswith(NOTEBOOK):
                    notebooks.append(name)
                elif entry.is_file():
                    files[name] = entry.stat().st_size
                elif not entry.is_dir():
                    passed_over[name] = "it is no plain file"
                elif name.count("/") < DEEPEST:
                    pending.append(name)
                else:
                    passed_over[name] = f"it lies more than {DEEPEST} folders deep"
        if room < 0:
            at_top = [name for name in notebooks if "/" not in name]
            return at_top, {}, {"what lies beside the notebook": f"more than {MOST_ENTRIES} files, so none of them"}
    return notebooks, files, passed_over


@contextmanager
def _noted(passed_over: dict[str, str], name: str) -> Iterator[None]:
    """Whatever the system refuses to tell of a file or folder is a reason to pass it over."""
    try:
        yield
    except OSError as error:
        passed_over[name] = f"it may not be looked at ({error.strerror})"


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
