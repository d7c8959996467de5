"""What is wrong with an answer whose mistake nobody listed: how its evidence differs from what is right, as a whole.

A diagnosis is a relation between what came out and what should have, that holds for all evidence of a check, or, if some of
it is right, for all that is not. Relations may be told, values may not: inputs are drawn anew for each submission, so that
nobody can answer with a relation. The most specific one is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from grader.judging.as_if import Others, inputs
from grader.judging.circumstances import circumstances
from grader.judging.counts import counts
from grader.judging.form import wrong_form
from grader.judging.pairs import Pair, listed, pairs_of
from grader.judging.places import kinds, places
from grader.judging.precision import precision
from grader.judging.relations import elsewhere, mapped, multiple, multiples, order, sums, tendency
from grader.judging.scaled import Scaled
from grader.judging.vocabulary import Check, Judged, LayerCall, ModelCall

Finder = Callable[[Check, Sequence[Pair]], str]
"""Says what is so of all these arrays; "" if it is not."""
WEAK: tuple[Finder, ...] = (sums, kinds, tendency)
"""Those that say little: the runs that go wrong are told apart from the others, too."""


def diagnose(judged: Judged) -> str:
    """A sentence that is true of the evidence and says how it is wrong; "" if none is known."""
    with np.errstate(all="ignore"):  # evidence may hold NaN and numbers that overflow
        if judged.errors:
            return wrong_form(judged)
        pairs = list(pairs_of(judged))
        spoilt = [pair for pair in pairs if not np.isfinite(pair.given[np.isfinite(pair.right)]).all()]
        found = [_not_finite(pairs, spoilt)] if spoilt else []
        rest = [pair for pair in pairs if pair not in spoilt]
        if not all(pair.fits for pair in rest):
            said = _of_values(judged.check, rest).removeprefix("There, " if spoilt else "")
            found.append(f"Elsewhere, {said[0].lower()}{said[1:]}" if spoilt and said else said)
        elif spoilt:
            found.append(circumstances(pairs))
        return " ".join(filter(None, found))


def _of_values(check: Check, pairs: Sequence[Pair]) -> str:
    wrong = [pair for pair in pairs if not pair.fits]
    if said := order(check, pairs):
        return said
    others, scaled = Others(check), Scaled(check)
    exact: tuple[Finder, ...] = (inputs, mapped, multiple, precision, others.taken, counts, others.cut, scaled.find)
    whole, parts = _scopes(pairs, wrong), list(_by_name(wrong))
    return (
        _first(check, [*whole, *parts], (*exact, elsewhere, multiples, places))
        or _first(check, list(_by_arguments(wrong)), (others.taken,))
        or " ".join(filter(None, (_first(check, whole, WEAK) or _alone(pairs, wrong), circumstances(pairs), _between(wrong))))
    )


def _first(check: Check, scopes: Sequence[Scope], finders: Sequence[Finder]) -> str:
    for begin, some in scopes:
        for find in finders:
            if said := find(check, some):
                return f"{begin}{said[0].lower()}{said[1:]}" if begin else said
    return ""


Scope = tuple[str, Sequence[Pair]]
"""How a sentence begins, and what arrays it is about."""


def _scopes(pairs: Sequence[Pair], wrong: Sequence[Pair]) -> list[Scope]:
    """All evidence but that of values that are right everywhere, and what is wrong."""
    groups = dict.fromkeys(pair.group for pair in wrong)
    about = [pair for pair in pairs if pair.group in groups]
    alone = _alone(pairs, wrong)
    found: list[Scope] = [(f"{alone[:-1]}: " if alone else "", about)]
    if len(wrong) < len(about):
        found.append((f"Where {alone.replace(' alone ', ' ')[:-1]}, " if alone else "There, ", wrong))
    return found


def _by_name(wrong: Sequence[Pair]) -> Iterator[Scope]:
    """What is wrong, one value after the other."""
    groups = dict.fromkeys(pair.group for pair in wrong)
    for group in groups if len(groups) > 1 else ():
        yield f"As for `{group}`, ", [pair for pair in wrong if pair.group == group]


def _by_arguments(wrong: Sequence[Pair]) -> Iterator[Scope]:
    """What is wrong, by the arguments that were given: one that is given by its name in some runs has none in others."""
    kinds: dict[tuple[int, tuple[str, ...]], list[Pair]] = {}
    for pair in wrong:
        kinds.setdefault((len(pair.case.run.args), tuple(pair.case.run.kwargs)), []).append(pair)
    for some in kinds.values() if len(kinds) > 1 else ():
        yield f"In {listed(list(dict.fromkeys(f'“{pair.case.part}”' for pair in some)))}, ", some


def _alone(pairs: Sequence[Pair], wrong: Sequence[Pair]) -> str:
    """Which of several values are wrong, if others never are."""
    groups = list(dict.fromkeys(pair.group for pair in wrong))
    if len(groups) == len({pair.group for pair in pairs}):
        return ""
    return f"{listed([f'`{group}`' for group in groups])} alone {'is' if len(groups) == 1 else 'are'} wrong."


def _between(wrong: Sequence[Pair]) -> str:
    """What is known of layers and models that were given weights."""
    if all(isinstance(pair.case.run, LayerCall | ModelCall) and pair.case.run.weights for pair in wrong):
        return (
            "All weights have the right shapes and were set to given numbers, so what differs lies between them: an "
            "activation, a factor, or the order of what is done?"
        )
    return ""


def _not_finite(pairs: Sequence[Pair], spoilt: Sequence[Pair]) -> str:
    """Where NaN or infinity comes out."""
    what = "NaN" if any(np.isnan(pair.given).any() for pair in spoilt) else "Infinity"
    parts = listed(list(dict.fromkeys(f"“{pair.case.part}”" for pair in spoilt)))
    where = f"in {parts}" if any(not pair.fits for pair in pairs if pair not in spoilt) else "there"
    if all(not np.isfinite(pair.given).any() for pair in spoilt):
        return f"All that comes out {where} is {what}."
    return f"{what} comes out {where}, in some places."
