"""The limits of a scope: as loose as the loosest of its terms on each side."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alerts.query.scopes import by_scope, limit_of, side_of
from alerts.rules.conditions import parse_condition
from alerts.rules.terms import Rule, Scope
from tests.alerts.scenarios import MINUTE, simple

BUSINESSES: Sequence[UUID | None] = (uuid4(), uuid4(), None)
thresholds = st.builds(
    simple, threshold=st.integers(0, 100), minutes=st.sampled_from([10, 60]), operator=st.sampled_from([">", "<="]),
    aggregate=st.sampled_from(["all", "avg", "max"]),
)  # fmt: skip
silences = st.builds(
    lambda kind, minutes: {f"{kind}_minutes": minutes}, st.sampled_from(["no_data", "offline"]), st.integers(2, 90)
)
baseline = st.just({"metric": "cpu_percent", "deviations": 3, "floor": 1, "duration_minutes": 10})


def make_rules(chosen: Sequence[tuple[dict[str, Any], UUID | None]]) -> list[Rule]:
    return [Rule(uuid4(), Scope(business), parse_condition(condition), MINUTE) for condition, business in chosen]


@given(st.lists(st.tuples(thresholds | silences | baseline, st.sampled_from(BUSINESSES)), min_size=1, max_size=40))
def test_no_term_has_a_looser_limit_than_its_scope(chosen: Any) -> None:
    rules = make_rules(chosen)
    statements = [[term for rule in some for term in rule.terms] for some in (rules[::2], rules[1::2])]
    scoped = by_scope(statements)
    scopes = msgspec.json.decode(scoped.scopes)
    assert scoped.rules == tuple(frozenset(rule.id for rule in some) for some in (rules[::2], rules[1::2]))
    assert sum(len(terms) for by_scopes in scoped.terms for terms in by_scopes) == len(rules)
    for scope, *each in zip(scopes, *scoped.terms, strict=True):
        limits: dict[str, list[float]] = {}
        for place, term in ((place, term) for place, terms in enumerate(each) for term in terms):
            assert term in statements[place]
            assert scope.get("business_id") == (
                str(term.rule.reach.business_id) if term.rule.reach.business_id else None
            )
            side = side_of(term)
            if side is None:
                assert scope[f"always_{place}"] is True
            else:
                limits.setdefault(f"limit_{scoped.sides.index((place, side))}", []).append(limit_of(term))
        for number, (_, (_, up)) in enumerate(scoped.sides):
            name = f"limit_{number}"
            assert scope.get(name) == ((min if up else max)(limits[name]) if name in limits else None)
