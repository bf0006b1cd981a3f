"""Terms by the scope of their rules, with the loosest threshold on each side, for the screening of a fleet.

Ten rules of a business on its ten devices are a hundred pairs, but one scope: one comparison for each metric and window
excludes a device on which none of its rules can hold.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from alerts.rules.terms import Feature, Scope, Term

# The value that is compared with a limit, and whether beyond means above: a feature, the newest value of a metric
# (by its name), or the time since a device was last heard from.
Side = tuple[Feature | str, bool]
SILENCE: frozenset[Side] = frozenset([("no_data", True), ("offline", True)])


@dataclass(frozen=True, slots=True, eq=False)
class ScopedTerms:
    """The terms of some statements by scope; `scopes` is JSON for alert_pairs, with the number of a scope as its leaf.

    A scope has `limit_N` for each side N of `sides` that one of its terms compares, and `always_P` if one of its terms
    in the statement in place P has no limit. Each side has the place of its statement.
    """

    terms: tuple[tuple[tuple[Term, ...], ...], ...]  # of each statement, by scope
    sides: tuple[tuple[int, Side], ...]
    scopes: str
    rules: tuple[frozenset[UUID], ...]  # of each statement


def by_scope(statements: Sequence[Iterable[Term]]) -> ScopedTerms:
    """Group the terms of statements by scope."""
    of_scope: dict[Scope, list[list[Term]]] = defaultdict(lambda: [[] for _ in statements])
    for place, terms in enumerate(statements):
        for term in terms:
            of_scope[term.rule.reach][place].append(term)
    placed = [(place, term) for each in of_scope.values() for place, terms in enumerate(each) for term in terms]
    sides = sorted({(place, side) for place, term in placed if (side := side_of(term))}, key=repr)
    numbers = {side: number for number, side in enumerate(sides)}
    scopes = [members_of(leaf, scope, each, numbers) for leaf, (scope, each) in enumerate(of_scope.items())]
    rules = [frozenset(term.rule.id for owner, term in placed if owner == place) for place, _ in enumerate(statements)]
    by_place = [tuple(tuple(each[place]) for each in of_scope.values()) for place, _ in enumerate(statements)]
    return ScopedTerms(tuple(by_place), tuple(sides), msgspec.json.encode(scopes).decode(), tuple(rules))


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


def members_of(
    leaf: int, scope: Scope, statements: Sequence[Iterable[Term]], numbers: dict[tuple[int, Side], int]
) -> dict[str, Any]:
    """Return a scope as a JSON object: which devices it has, and the loosest limit of its terms on each side."""
    members: dict[str, Any] = {
        "leaf": leaf, "business_id": scope.business_id, "service_location_id": scope.service_location_id,
        "device_id": scope.device_id, "device_type": scope.device_type,
    }  # fmt: skip
    for place, terms in enumerate(statements):
        for term in terms:
            side = side_of(term)
            if side is None:
                members[f"always_{place}"] = True
                continue
            name, limit = f"limit_{numbers[place, side]}", limit_of(term)
            members[name] = (min if side[1] else max)(limit, members.get(name, limit))
    return {name: value for name, value in members.items() if value is not None}
