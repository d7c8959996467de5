"""What lies in archives and folders that came from elsewhere: nothing of it is believed, and no file costs another."""

from __future__ import annotations

import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from grader.classroom.beside import LEFTOVERS
from grader.running.kernels.limits import MEGABYTE
from grader.shown import CONTROL

FILES, BYTES, ALL_BYTES = 20_000, 64 * MEGABYTE, 16 * 1024 * MEGABYTE
"""Files of an archive, bytes of a file, and of all that a tar archive says that it holds: more is no class's work."""
TOO_LARGE = f"is larger than {BYTES // MEGABYTE} MB"
DEPTH, NAME_BYTES = 8, 200
"""Folders in one another, and bytes of a name."""
ENDS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
ENCRYPTED, UTF_8 = 0x1, 0x800
UNIX_TIME = 0x5455


class UnreadableError(Exception):
    """Why a file or an archive cannot be read."""


@dataclass(frozen=True)
class Member:
    """A file of an archive or folder.

    Args:
        place: The archive or folder, as people know it.
        path: Where it is in there.
        when: Its date, which is mostly that of the archive, in UTC.
        read: Gives its content, or raises `UnreadableError`.
    """

    place: Path
    path: PurePosixPath
    when: datetime
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Refused:
    """A file that is not read, and why."""

    place: Path
    name: str
    why: str


def is_archive(name: str) -> bool:
    """Whether a file is an archive, by its name."""
    return name.lower().endswith(ENDS)


def members(place: Path, opened: ExitStack) -> Iterator[Member | Refused]:
    """The files of an archive or folder, or a file by itself.

    Args:
        place: Where it is.
        opened: Closes what stays open, so that members can be read.

    Raises:
        UnreadableError: If it is no archive, or too much; what came before may be read.
    """
    try:
        if place.is_dir():
            yield from _of_folder(place)
        elif not is_archive(place.name):
            yield _on_disk(place.parent, place)
        elif place.name.lower().endswith(".zip"):
            yield from _of_zip(place, opened.enter_context(place.open("rb")), opened)
        else:
            yield from _of_tar(place, opened)
    except FileNotFoundError as error:
        raise UnreadableError("is not there") from error
    except Exception as error:  # any damage at all, and there are many kinds of it
        raise error if isinstance(error, UnreadableError) else UnreadableError(f"is damaged ({error})") from error


def unpacked(member: Member, opened: ExitStack) -> Iterator[Member | Refused]:
    """The files of a zip archive that is a member itself.

    Raises:
        UnreadableError: If it is none.
    """
    try:
        yield from _of_zip(member.place, io.BytesIO(member.read()), opened)
    except Exception as error:
        raise error if isinstance(error, UnreadableError) else UnreadableError(f"is damaged ({error})") from error


def _of_folder(folder: Path) -> Iterator[Member | Refused]:
    number = 0
    for root, folders, files in os.walk(folder):
        folders.sort()
        for path in (Path(root, name) for name in sorted(files)):
            name = path.relative_to(folder).as_posix()
            if _is_left_behind(name):
                continue
            if (number := number + 1) > FILES:
                raise UnreadableError(f"holds more than {FILES} files")
            if path.is_symlink() or not path.is_file():
                yield Refused(folder, name, "is a link, or no file")
            elif why := wrong(name):
                yield Refused(folder, name, why)
            else:
                yield _on_disk(folder, path)


def _on_disk(folder: Path, path: Path) -> Member:
    def read() -> bytes:
        try:
            with path.open("rb") as file:
                return _limited(file)
        except OSError as error:
            raise UnreadableError(f"cannot be read ({error.strerror})") from error

    when = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Member(folder, PurePosixPath(path.relative_to(folder).as_posix()), when, read)


def _of_zip(place: Path, file: IO[bytes], opened: ExitStack) -> Iterator[Member | Refused]:
    archive = opened.enter_context(zipfile.ZipFile(file))
    if len(archive.infolist()) > FILES:
        raise UnreadableError(f"holds more than {FILES} files")
    for info in archive.infolist():
        name = _name(info)
        if info.is_dir() or _is_left_behind(name):
            continue
        why = wrong(name)
        if not why and info.flag_bits & ENCRYPTED:
            why = "is encrypted"
        if not why and stat.S_ISLNK(info.external_attr >> 16):
            why = "is a link"
        if not why and info.file_size > BYTES:  # of which no more is read, whatever comes of it
            why = TOO_LARGE
        if why:
            yield Refused(place, name, why)
        else:
            yield Member(place, PurePosixPath(name), _when(info), partial(_of_member, archive.open, info))


def _of_tar(place: Path, opened: ExitStack) -> Iterator[Member | Refused]:
    archive = opened.enter_context(tarfile.open(place))  # noqa: SIM115 (it is)
    total = 0
    for number, info in enumerate(archive):
        total += info.size
        if number >= FILES or total > ALL_BYTES:
            raise UnreadableError(f"holds more than {FILES} files or {ALL_BYTES // MEGABYTE} MB")
        if info.isdir() or _is_left_behind(info.name):
            continue
        if why := wrong(info.name) or ("" if info.isfile() else "is a link, or no file"):
            yield Refused(place, info.name, why)
        else:
            try:
                when = datetime.fromtimestamp(info.mtime, UTC)
            except (ValueError, OverflowError, OSError):  # a damaged one
                when = datetime.fromtimestamp(0, UTC)
            yield Member(place, PurePosixPath(info.name), when, partial(_of_member, archive.extractfile, info))


def _of_member(open_member: Callable[[Any], IO[bytes] | None], info: Any) -> bytes:
    try:
        file = open_member(info)
        if file is None:
            raise UnreadableError("is no file")
        with file:
            return _limited(file)
    except UnreadableError:
        raise
    except Exception as error:  # of the archive's kind, of its compression's, of the system's
        raise UnreadableError(f"is damaged ({error})") from error


def _limited(file: IO[bytes]) -> bytes:
    content = file.read(BYTES + 1)  # whatever the archive says of its size
    if len(content) > BYTES:
        raise UnreadableError(TOO_LARGE)
    return content


def wrong(name: str) -> str:
    """What is wrong with a file's path, "" if nothing is."""
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or (len(name) > 1 and name[1] == ":") or {"", ".", ".."} & set(parts):
        return "has a path that leads elsewhere"
    if CONTROL.search(name) or max(len(part.encode("utf-8", "replace")) for part in parts) > NAME_BYTES:
        return "has a name that no file should have"
    return "lies too deep" if len(parts) > DEPTH else ""


def _is_left_behind(name: str) -> bool:
    return any(part in LEFTOVERS or part.startswith("._") for part in name.split("/"))


def _name(info: zipfile.ZipInfo) -> str:
    """A member's name: Canvas writes UTF-8 without saying so."""
    if info.flag_bits & UTF_8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def _when(info: zipfile.ZipInfo) -> datetime:
    """A member's date: in UTC where its archiver was so kind, else taken for this machine's time, since it names no zone."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        if kind == UNIX_TIME and size >= 5 and extra[4] & 1:
            return datetime.fromtimestamp(struct.unpack("<I", extra[5:9])[0], UTC)
        extra = extra[4 + size :]
    try:
        return datetime(*info.date_time).astimezone(UTC)
    except (ValueError, OverflowError):  # a damaged one
        return datetime.fromtimestamp(0, UTC)
