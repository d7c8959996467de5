"""Pictures that are pasted into Markdown: they travel with their cell, and one that is missing breaks no page."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

from grader.shown import JPEG_SIGNATURE, PNG_SIGNATURE, as_written

SIGNATURES = {"image/png": PNG_SIGNATURE, "image/jpeg": JPEG_SIGNATURE}
MAX_BYTES = 5_000_000
"""Of all pictures of a cell."""
MAX_TEXT = 100_000
"""Characters of a text that is read as Markdown, which may take long; a longer one is shown as it was written."""
NAME = re.compile(r"[\w.,()@+%~ -]{1,255}")
REFERENCE = re.compile(r"!\[[^\]\n]*\]\(\s*<?attachment:([^)>\n]*)>?\s*\)")
"""How Jupyter shows a picture that was pasted."""


def harmless_pictures(attachments: Any) -> dict[str, dict[str, str]]:
    """What of a cell's attachments is a PNG or JPEG picture by its signature, and not too large."""
    found: dict[str, dict[str, str]] = {}
    room = MAX_BYTES
    for name, bundle in attachments.items() if isinstance(attachments, dict) else ():
        for kind, signature in SIGNATURES.items():
            picture = _decoded(bundle.get(kind)) if isinstance(bundle, dict) else b""
            if NAME.fullmatch(name) and picture.startswith(signature) and len(picture) <= room:
                found[name] = {kind: base64.b64encode(picture).decode()}
                room -= len(picture)
                break
    return found


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""


def written_with_pictures(source: str, pictures: Mapping[str, Mapping[str, str]]) -> tuple[str, dict[str, Mapping[str, str]]]:
    """A student's text as it was written, and below it its pictures under names of our own."""
    numbered = {f"picture-{number}": picture for number, picture in enumerate(pictures.values(), 1)}
    shown = [f"![{name.replace('-', ' ')} of the text above](attachment:{name})" for name in numbered]
    return "\n\n".join([as_written(source), *shown]), numbered


class MissingPictures(Preprocessor):
    """Last of the sanitising preprocessors, since nbgrader puts released texts back: shows what refers to no picture as text.

    nbconvert makes no page of a notebook with such a reference: nobody would get feedback, and Formgrader would fail.
    """

    enabled = True

    def preprocess_cell(self, cell: NotebookNode, resources: dict[str, Any], index: int) -> tuple[NotebookNode, dict[str, Any]]:
        """nbconvert calls this on each cell."""
        if cell.cell_type == "markdown" and "![" in cell.source and not _can_be_shown(cell):
            pictures = cell.get("attachments", {})
            written = cell.source
            cell.source = REFERENCE.sub(lambda found: found[0] if found[1] in pictures else f"`{found[0]}`", written)
            if not _can_be_shown(cell):  # it refers to it in some other way
                cell.source = as_written(written)
        return cell, resources


def _can_be_shown(cell: NotebookNode) -> bool:
    if len(cell.source) > MAX_TEXT:
        return False
    renderer = IPythonRenderer(escape=False, attachments=cell.get("attachments", {}))
    try:
        MarkdownWithMath(renderer=renderer).render(cell.source)
    except Exception:  # whatever stops this stops the page
        return False
    return True
