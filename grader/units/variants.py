"""The reference's answer with edits: how known mistakes and alternatives become cells of a notebook."""

from __future__ import annotations

from grader.errors import CheckError
from grader.judging.vocabulary import Edits


def vary(reference: str, variant: Edits | str) -> str:
    """Apply a variant to the reference's source.

    Args:
        reference: Source of the callable in `solutions/`.
        variant: Edits of it, or the whole source to use instead.

    Raises:
        CheckError: If an edit's old text does not occur exactly once.
    """
    if isinstance(variant, str):
        return variant.strip()
    for old, new in variant:
        if (count := reference.count(old)) != 1:
            raise CheckError(f"an edit's text occurs {count} times in the reference, expected once: {old!r}")
        reference = reference.replace(old, new)
    return reference
