"""When something was handed in: what people and programs write into `timestamp.txt`, and what nbgrader makes of it.

nbgrader passes over the offset in `12:00 +02:00`, reads `12:00 +0200` as 200 seconds and `12:00 PST` as UTC, and fails where
there is no date. So it never sees such a file: a date is rewritten in UTC, and what is none is set aside for a person.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path

from dateutil import parser, tz

from grader.files import read_plain, write_whole

TIMESTAMP, SET_ASIDE = "timestamp.txt", "timestamp-unreadable.txt"
"""What nbgrader reads in a submission, and what it is renamed to where that would mislead."""
HOURS = {
    **dict.fromkeys(("Z", "UTC", "UT", "GMT", "WET"), 0),
    **{"CET": 1, "WEST": 1, "CEST": 2, "EET": 2, "EEST": 3},
    **{"EDT": -4, "EST": -5, "CDT": -5, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8},
}
"""Hours from UTC of the abbreviations that are taken as they are mostly meant. CST, IST, BST and AST mean several."""
FIRST = datetime(1990, 1, 1, tzinfo=UTC)
LONGEST, SHOWN = 200, 80
"""Characters of which a date consists at most, and of which people are shown as many."""
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
ZONE = r"[A-Z]{1,5}|[A-Z]\w+/[\w/+-]+|[+-]\d\d(?::?\d\d)?"
ISO = re.compile(rf"(\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?) ?({ZONE})", re.IGNORECASE)


def read_date(text: str, here: tzinfo = UTC) -> datetime:
    """The moment that a text names, in UTC.

    Args:
        text: ISO 8601, as nbgrader writes it, or as people do where it can mean but one moment.
        here: The time zone of a date that names none: UTC, as for nbgrader.

    Raises:
        ValueError: If it is no date, or may mean several.
    """
    text = " ".join(text.strip("\ufeff\0 \t\r\n").split())
    text = re.sub(r"\b(?:UTC|GMT) ?(?=[+-]\d)| \([\w ]+\)$", "", text)  # a browser's GMT+0100 (Central European Time)
    shown = f"{text[:SHOWN]!r}{'…' if len(text) > SHOWN else ''}"
    try:
        if len(text) > LONGEST or re.fullmatch(r"-?[\d.,]*", text):  # a number counts from whenever
            raise ValueError("a number")
        moment = _moment(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=here)
        return moment.astimezone(UTC)
    except _AmbiguousError as error:
        raise ValueError(f"{shown} may mean several dates ({error}); expected one such as 2027-01-31 23:59 UTC.") from error
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"{shown} is no date; expected one such as 2027-01-31 23:59 UTC.") from error


class _AmbiguousError(Exception):
    """What may be meant differently."""


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        pass
    if found := ISO.fullmatch(text):
        if found[2][0] in "+-":
            return datetime.fromisoformat(f"{found[1]}{found[2]}".upper())
        return datetime.fromisoformat(found[1].upper()).replace(tzinfo=_zone(found[2], None))
    ordered = bool(re.match(r"\d{4}\D", text))  # who begins with the year goes on with the month
    readings = {
        parser.parse(text, default=default, dayfirst=dayfirst, tzinfos=_zone)
        for default in (datetime(2001, 1, 1), datetime(2002, 2, 2))  # what is not said must not matter
        for dayfirst in ((False,) if ordered else (False, True))
    }
    if len(readings) > 1:
        raise _AmbiguousError("day, month or year")
    moment: datetime = readings.pop()
    return moment


def _zone(name: str | None, seconds: int | None) -> tzinfo | None:
    """A time zone by its name or distance; `dateutil` asks for it, also where none is written."""
    if name is None:
        return None if seconds is None else timezone(timedelta(seconds=seconds))
    if name.upper() in HOURS and not seconds:
        return timezone(timedelta(hours=HOURS[name.upper()]))
    if "/" in name:
        zone: tzinfo | None = tz.gettz(name)
        if zone is None:
            raise ValueError(f"no time zone {name}")
        return zone
    raise _AmbiguousError(f"{name} is a time zone of several places, or of none that is known here")


def read_timestamp(path: Path) -> datetime:
    """The moment that a file names, in UTC.

    Raises:
        ValueError: If it holds no date, or cannot be read.
    """
    try:
        content = read_plain(path, 4 * LONGEST)
    except OSError as error:
        raise ValueError(f"it is no file that can be read ({error.strerror}).") from error
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8")
    return read_date(content.decode(encoding, "replace"))


def written(moment: datetime) -> str:
    """A moment as nbgrader writes it, and reads it right."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"


def normalize(timestamp: Path) -> None:
    """Rewrite a submission's date in UTC, if there is one.

    Raises:
        OSError: If it cannot be read or written.
        ValueError: If there is something else in its place.
    """
    if os.path.lexists(timestamp):
        text = written(read_timestamp(timestamp))
        if read_plain(timestamp, len(text) + 1) != text.encode():
            mode = stat.S_IMODE(timestamp.stat().st_mode)
            write_whole(timestamp, text)
            timestamp.chmod(mode)  # colleagues read it as before


def doubt(submission: Path) -> str:
    """Why a person has to say when something was handed in; "" if the date is clear, or nobody has written one.

    Args:
        submission: The folder, as `normalize` has left it.
    """
    timestamp = submission / TIMESTAMP
    try:
        if os.path.lexists(timestamp):
            moment = read_timestamp(timestamp)
            if moment < FIRST or moment > datetime.now(UTC) + timedelta(days=1):
                return f"{TIMESTAMP} says {moment:%Y-%m-%d %H:%M} UTC, when nothing can have been handed in."
            return ""
        aside = next(iter(sorted(submission.glob(f"{Path(SET_ASIDE).stem}*"))), None)
        if aside:
            read_timestamp(aside)
            return f"{aside.name} holds a date, but counts for nothing: call it {TIMESTAMP}, or delete it."
    except (OSError, ValueError) as error:
        return f"The date of the submission cannot be read, so it counts as on time: {error} Write it into {TIMESTAMP}."
    return ""
