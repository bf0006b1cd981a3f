"""What a pass asks the database: the request, and statements with the terms that they are for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from alerts.query.grouping import TermGroup
from alerts.query.scopes import ScopedTerms
from alerts.rules.terms import Feature, Term
from db.hypertables.policies import Level
from db.sql import Statement

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # before all samples: nothing is read from rollups


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """At which instants (UTC, in order) results are wanted.

    `tenant` and `among` bound the devices. `unsure_until`: until when silence is no evidence against the devices,
    because the silence was on our side.

    For the past: `everything` also returns unknown results, and those that hold although nothing has begun; silence is
    then judged by samples. `level`: read this one whatever the window: a rule test has only raw samples, and of a
    month ago there are only rollups.
    """

    instants: Sequence[datetime]
    tenant: UUID | None = None
    everything: bool = False
    unsure_until: datetime | None = None
    level: Level | None = None
    among: Sequence[UUID] | None = None


@dataclass(frozen=True, slots=True)
class Screen:
    """The statement that finds on which scopes and devices terms may hold; `scans` if it reads the rows of a fleet."""

    statement: Statement
    values: dict[str, Any]
    terms: ScopedTerms
    scans: bool


@dataclass(frozen=True, slots=True)
class TermQuery:
    """A statement with the values of its parameters, without its terms, and the terms that it is for.

    `screen`: the query that runs first, and the place of this statement in it; None: it is for all devices.
    """

    statement: Statement
    values: dict[str, Any]
    group: TermGroup
    screen: Screen | None = None
    place: int = 0

    def bind(self, terms: Sequence[Term] | None = None, **other: Any) -> tuple[Any, ...]:
        """Return SQL and arguments, for some of the terms or all, and with other values."""
        asked = as_json(self.group.terms if terms is None else terms, self.group.numbers)
        return self.statement.bind(**{**self.values, "terms": asked, **other})


def as_json(terms: Iterable[Term], features: Mapping[Feature, int]) -> str:
    """Return terms in the form of the function alert_pairs; `features`: the numbers of those that are computed."""
    return "[" + ",".join([text_of(term, features) for term in terms]) + "]"


def text_of(term: Term, features: Mapping[Feature, int]) -> str:
    """Return a term as a JSON object; most of it is kept with its rule."""
    text, feature = term.rule.term_texts[term.number], features.get(term.feature) if term.feature else None
    return f"{{{text}}}" if feature is None else f'{{"feature":{feature},{text}}}'
