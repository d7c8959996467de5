"""What of a submission people are shown: in notebooks, feedback, Formgrader and reports.

nbconvert and Formgrader put Markdown, the metadata of outputs, comments and students' ids into their pages as they are. So
nothing that a student wrote reaches them in a form that a browser would run, or that would make it fetch something.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from traitlets.log import get_logger

PNG_SIGNATURE, JPEG_SIGNATURE = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")
"""What colours a terminal or sets its title."""
CONTROL = re.compile(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that move a terminal, and halves of characters, which no file can hold. Progress bars need \\b and \\r."""
LOOK_ALIKES = str.maketrans("<>[]`&", "‹›()'+")


def as_written(source: str) -> str:
    """Markdown that shows a student's text as it was written: what is between fences is never read as Markdown or HTML."""
    longest = max((len(run) for run in re.findall(r"`+", source)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{source}\n{fence}"


def without_markup(text: str) -> str:
    """A comment as nbgrader's pages may have it, which read comments as Markdown, and as its database takes it."""
    return printable(text).translate(LOOK_ALIKES)


def printable(text: str) -> str:
    """Text that no terminal obeys: neither colours, titles, nor a cursor that moves."""
    return CONTROL.sub("", ANSI.sub("", text)).replace("\b", "").replace("\r", "")


def output_content(kind: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """The content of a kernel's message as far as it is plain text or a PNG picture; None if nothing of it is.

    Args:
        kind: The message's type.
        content: As it came, from whoever can write to the kernel's sockets.
    """
    if kind == "stream":
        return {"name": "stderr" if content.get("name") == "stderr" else "stdout", "text": _text(content.get("text"))}
    if kind == "error":
        lines = content.get("traceback")
        traceback = [_text(line) for line in lines] if isinstance(lines, list) else []
        return {"ename": _text(content.get("ename")), "evalue": _text(content.get("evalue")), "traceback": traceback}
    if kind in ("display_data", "execute_result", "update_display_data"):
        shown = _display(content)
        if shown and kind == "execute_result":
            shown["execution_count"] = _count(content)
        return shown
    if kind == "status":
        return {"execution_state": content.get("execution_state")}
    if kind == "execute_input":
        return {"execution_count": _count(content)}
    if kind == "clear_output":
        return {"wait": bool(content.get("wait"))}
    return None  # widgets, debuggers and what nobody has heard of


def _display(content: Mapping[str, Any]) -> dict[str, Any] | None:
    given = content.get("data")
    data = {}
    if isinstance(given, dict):
        if isinstance(text := given.get("text/plain"), str):
            data["text/plain"] = _text(text)
        if isinstance(picture := given.get("image/png"), str) and _is_png(picture):
            data["image/png"] = picture.strip()
    if not data:
        return None
    shown: dict[str, Any] = {"data": data, "metadata": {}}
    transient = content.get("transient")
    if isinstance(transient, dict) and isinstance(name := transient.get("display_id"), str):
        shown["transient"] = {"display_id": name}
    return shown


def _text(value: Any) -> str:
    """Text without colours: nbconvert stops at a colour that does not exist."""
    return CONTROL.sub("", ANSI.sub("", value)) if isinstance(value, str) else ""


def _count(content: Mapping[str, Any]) -> int | None:
    """The number of the cell, which nbconvert puts into its pages as it is."""
    count = content.get("execution_count")
    return count if type(count) is int and count >= 0 else None


def is_picture(content: bytes) -> bool:
    """Whether a file is a PNG or JPEG picture, whatever its name says."""
    return content.startswith((PNG_SIGNATURE, JPEG_SIGNATURE))


def _is_png(text: str) -> bool:
    try:
        return base64.b64decode(text.strip(), validate=True).startswith(PNG_SIGNATURE)
    except (binascii.Error, ValueError):
        return False


def is_plain(student: str) -> bool:
    """Whether an id can stand in a page, a path and a table: of letters with their marks, digits, blanks and a few signs."""
    return (
        bool(student.strip("._ "))
        and student == student.strip()
        and all(c in "._-@+ " or unicodedata.category(c)[0] in "LMN" for c in student)
    )


class NotPlain(str):
    """For nbgrader's `student_id_exclude`: everyone whose id is not plain, since Formgrader's pages hold ids unescaped."""

    def split(self, *separator: Any) -> Any:
        """nbgrader splits the names at commas; no list holds all the names that a folder might have."""
        return self

    def __contains__(self, student: object) -> bool:
        if student == "." or is_plain(str(student)):  # a release is nbgrader's submission of "."
            return False
        get_logger().error(
            f"Not graded: {student!r}. A student's id may hold letters, digits and . _ - @ + alone, and blanks in between; "
            "rename the folder."
        )
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())
