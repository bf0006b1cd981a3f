"""Terms by the scope of their rules, with the loosest threshold on each side, for the screening of a fleet.

Ten rules of a business on its ten devices are a hundred pairs, but one scope: one comparison for each metric and window
excludes a device on which none of its rules can hold.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from alerts.rules.terms import Feature, Scope, Term

# The value that is compared with a limit, and whether beyond means above: a feature, the newest value of a metric
# (by its name), or the time since a device was last heard from.
Side = tuple[Feature | str, bool]
SILENCE: frozenset[Side] = frozenset([("no_data", True), ("offline", True)])  # limit_0, limit_1 in silent_devices


@dataclass(frozen=True, slots=True, eq=False)
class ScopedTerms:
    """Terms by scope; `scopes` is JSON for the function alert_pairs, with the number of a scope as its leaf.

    A scope has `limit_N` for each side N of `sides` that one of its terms compares, and `always` if one of its terms
    has no limit.
    """

    terms: tuple[tuple[Term, ...], ...]
    sides: tuple[Side, ...]
    scopes: str
    rules: frozenset[UUID]


def by_scope(terms: Iterable[Term]) -> ScopedTerms:
    """Group terms of one statement by scope."""
    of_scope: dict[Scope, list[Term]] = defaultdict(list)
    for term in terms:
        of_scope[term.rule.reach].append(term)
    found = {side for each in of_scope.values() for term in each if (side := side_of(term))}
    sides = sorted(found | SILENCE if found & SILENCE else found, key=repr)
    numbers = {side: number for number, side in enumerate(sides)}
    scopes = [members_of(leaf, scope, each, numbers) for leaf, (scope, each) in enumerate(of_scope.items())]
    rules = frozenset(term.rule.id for each in of_scope.values() for term in each)
    text = msgspec.json.encode(scopes).decode()
    return ScopedTerms(tuple(tuple(each) for each in of_scope.values()), tuple(sides), text, rules)


def side_of(term: Term) -> Side | None:
    """Return the one value that decides a term: its feature, its metric's newest value, or silence; None if none."""
    if term.is_silence:
        return term.kind, True
    if term.feature and term.by_value:
        return term.feature, term.up
    return (term.newest_of, term.up) if term.newest_of else None


def limit_of(term: Term) -> float:
    """Return the threshold of a term on its side, in the unit of its metric; of silence in seconds."""
    if term.is_silence:
        return term.window.total_seconds()
    return term.value_threshold if term.by_value else term.last_threshold


def members_of(leaf: int, scope: Scope, terms: Iterable[Term], numbers: dict[Side, int]) -> dict[str, Any]:
    """Return a scope as a JSON object: its devices and the loosest limit of its terms on each side."""
    members: dict[str, Any] = {
        "leaf": leaf, "business_id": scope.business_id, "service_location_id": scope.service_location_id,
        "device_id": scope.device_id, "device_type": scope.device_type,
    }  # fmt: skip
    for term in terms:
        side = side_of(term)
        if side is None:
            members["always"] = True
            continue
        name, limit = f"limit_{numbers[side]}", limit_of(term)
        members[name] = (min if side[1] else max)(limit, members.get(name, limit))
    return {name: value for name, value in members.items() if value is not None}
