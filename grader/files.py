"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def made_whole(path: Path) -> Iterator[Path]:
    """A place, beside a path, for what belongs there: moved there when the block ends, and forgotten if it fails.

    A file replaces an older one. A folder does not: who was faster has made the one that is there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as folder:
        new = Path(folder, path.name)
        yield new
        if not (new.is_dir() and path.exists()):
            os.replace(new, path)


def write_whole(path: Path, text: str) -> None:
    """Write a file that its owner alone can read and that holds all of the text or, if that fails, what it held before."""
    with made_whole(path) as new, open(os.open(new, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # else a name that is there after a power cut may have nothing behind it


def files_in(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, by path, without what programs leave there."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in paths
        if not any(part == "__pycache__" or part.startswith(".") for part in path.relative_to(folder).parts)
    }


def read_plain(path: Path, most: int = -1) -> bytes:
    """Read a file of which nobody knows what it is, without waiting and without following it elsewhere.

    Args:
        path: The file.
        most: Bytes to read of it; all by default.

    Raises:
        OSError: If it is a link, a pipe, a device or the like, or may not be read.
    """
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise OSError(errno.EINVAL, "no plain file", str(path))
    with open(path, "rb", opener=_no_further) as file:
        return file.read(most)


def digest_of_file(path: Path) -> str:
    """The hash of a file, or why it may not be read."""
    try:
        with open(path, "rb", opener=_no_further) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return str(error)


def _no_further(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
