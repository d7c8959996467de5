"""What the matchers of several attention checks share."""

from collections.abc import Collection
from typing import Any

from grader.judging import Check, Judged


def shows(check: Check, judged: Judged, parts: Collection[str], **switches: Any) -> bool:
    """Whether at least one of these parts failed, and each that did shows what the oracle gives with the switches.

    For mistakes that can come out in more than one way in the other parts, such as NaN or a uniform row under a mask.
    """
    failed = [case for case in judged.cases if case.part in judged.failed and case.part in parts]
    return bool(failed) and all(
        case.part in judged.received and check.close(judged.received[case.part], check.expected(case, **switches))
        for case in failed
    )
