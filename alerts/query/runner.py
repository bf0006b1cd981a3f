"""Evaluates conditions in the database: rules → terms → one statement for each level and kind in use → facts.

The number of statements depends on the levels and kinds, not on how many rules or devices there are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from alerts.query.compiler import Clocks, Instants, level_for, metric_statement
from alerts.query.facts import ConditionResult, ResultsByKey
from alerts.query.grouping import TermGroup, metric_groups, silence_terms, terms_by_kind
from alerts.query.screening import screening_statement
from alerts.rules.terms import Feature, Kind, Rule, RuleList, Term
from db.hypertables.policies import LEVELS, SERIES_LEVELS, Level
from db.pools import Source
from db.sql import Statement, load_beside
from rollups.history import read_watermarks
from rollups.series_history import read_series_watermarks

QUERIES, SERIES = load_beside(__file__, "runner.sql"), load_beside(__file__, "series.sql")
SERIES_PAST = load_beside(__file__, "series_past.sql")

MIN_LOOKBACK = timedelta(minutes=15)
MAX_LEAD = timedelta(days=6)  # of the newest sample of the slowest device, and the one before it
NO_SHIFT = timedelta(0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # before all samples: nothing is read from rollups

Watermarks = Mapping[str, datetime]  # until when a rollup is complete, by relation


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """At which instants (UTC, in order) facts are asked for.

    `tenant` and `among` bound the devices. `unsure_until`: until when silence is no evidence against the devices,
    because the silence was on our side.

    The past needs two things more. `everything`: also what is unknown or holds on where nothing has begun; silence is
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
class Shift:
    """A group of devices by their clocks, and how far the clocks are off: behind is negative."""

    clocks: Clocks
    lowest: timedelta = NO_SHIFT
    highest: timedelta = NO_SHIFT


@dataclass(frozen=True, slots=True)
class Screen:
    """The statement that finds scopes and devices on which a term may hold; `scans` when it reads a fleet's rows."""

    statement: Statement
    values: dict[str, Any]
    scans: bool


@dataclass(frozen=True, slots=True)
class TermQuery:
    """A statement with the values of its parameters, without its terms, and the terms that it is for.

    `screen`: what is asked first; None: the statement is for all terms on all devices.
    """

    statement: Statement
    values: dict[str, Any]
    group: TermGroup
    screen: Screen | None = None

    def bind(self, terms: Sequence[Term] | None = None, **other: Any) -> tuple[Any, ...]:
        """Return SQL and arguments, for some of the terms or all, and with other values."""
        asked = as_json(self.group.terms if terms is None else terms, self.group.numbers)
        return self.statement.bind(**{**self.values, "terms": asked, **other})


async def run_queries(connection: Source, rules: Iterable[Rule], question: EvaluationRequest) -> ResultsByKey:
    """Return what is known of the rules' conditions."""
    facts, queries = ResultsByKey(), await statements_for(connection, rules, question)
    screened = any(query.screen for query in queries)
    open_places = await connection.fetch(QUERIES["open_places"]) if screened else []
    screen, found = None, list[asyncpg.Record]()
    for query in queries:
        if query.screen is None:
            take(facts, await connection.fetch(*query.bind()))
            continue
        if query.screen is not screen:
            screen, found = query.screen, await run_screen(connection, query.screen, query.group, open_places)
            facts.statements += 1
        if found:
            take(facts, await connection.fetch(*narrow(query, found)))
    return facts


async def run_screen(
    connection: Source, screen: Screen, group: TermGroup, open_places: Iterable[asyncpg.Record]
) -> list[asyncpg.Record]:
    """Return the scopes and devices on which a term of a group may hold, or one of its rules is open."""
    rules = group.scoped.rules
    is_open = {row["agent_device_id"] for row in open_places if row["agent_alert_id"] in rules}
    if screen.scans:
        await connection.execute(*QUERIES.bind("plan_for_scans", scans=True))
    found = await connection.fetch(*screen.statement.bind(**screen.values, open=list(is_open)))
    if screen.scans:
        await connection.execute(*QUERIES.bind("plan_for_scans", scans=False))
    return found


def narrow(query: TermQuery, found: Iterable[asyncpg.Record]) -> tuple[Any, ...]:
    """Return SQL and arguments for the scopes and devices that a screen has found."""
    scopes = sorted({row["scope"] for row in found})
    terms = [term for scope in scopes for term in query.group.scoped.terms[scope]]
    return query.bind(terms, among=list({row["device_id"] for row in found}))


async def statements_for(connection: Source, rules: Iterable[Rule], question: EvaluationRequest) -> list[TermQuery]:
    """Return the statements that evaluate the rules' conditions."""
    kept = rules if isinstance(rules, RuleList) else RuleList(rules)
    longest = timedelta(seconds=await connection.fetchval(QUERIES["longest_interval"]))
    watermarks = await read_watermarks(connection)
    shifts = await read_shifts(connection, question)
    queries = []
    for group in metric_groups(kept, question.level, many=len(question.instants) > 1):
        screen = screen_metrics(group, question, watermarks) if may_be_screened(question) else None
        queries += [ask_metrics(group, question, longest, watermarks, shift, screen) for shift in shifts]
    queries += ask_silence(silence_terms(kept), question, watermarks)
    of_kind = terms_by_kind(kept)
    queries += await ask_series(connection, of_kind, question, min(shift.lowest for shift in shifts))
    for kind in ("service", "forecast"):
        for at in question.instants if kind in of_kind else ():
            parameters = {"tenant": question.tenant, "now": at, "among": question.among}
            queries.append(TermQuery(QUERIES.statements[f"{kind}_facts"], parameters, of_kind[kind]))
    return queries


def may_be_screened(question: EvaluationRequest) -> bool:
    """Return whether only what has begun or is open is asked for.

    Not without any device: such a question shows which rules can't be evaluated at all (`apart.py`).
    """
    everything = question.everything or question.level is not None or len(question.instants) > 1
    return not everything and (question.among is None or len(question.among) > 0)


async def read_shifts(connection: Source, question: EvaluationRequest) -> list[Shift]:
    """Return which groups of devices are asked for: by one statement as long as all clocks are right.

    The past is read as it was measured.
    """
    row = (
        None
        if question.everything
        else await connection.fetchrow(*QUERIES.bind("clock_shifts", tenant=question.tenant))
    )
    if row is None or row["lowest"] is None:
        return [Shift("all")]
    return [Shift("right"), Shift("wrong", min(row["lowest"], NO_SHIFT), max(row["highest"], NO_SHIFT))]


def screen_metrics(group: TermGroup, question: EvaluationRequest, watermarks: Watermarks) -> Screen:
    """Ask on which devices the newest value or the bound of a window may be beyond a threshold."""
    assert group.level
    scoped = group.scoped
    statement = screening_statement(group.level, scoped.sides, stitched=group.instants == "one, stitched")
    (at,) = question.instants
    hour_cut, cut = cuts(group.level, question, watermarks)
    windows = [side.window for side, _ in scoped.sides if isinstance(side, Feature)]
    values = {
        "scopes": scoped.scopes, "tenant": question.tenant, "among": question.among, "highest": at,
        "earliest": at - max(windows, default=NO_SHIFT), "cut": cut, "hour_cut": hour_cut,
    }  # fmt: skip
    bound = {name: value for name, value in values.items() if name in statement.parameters}
    return Screen(statement, bound, scans=bool(windows))


def ask_metrics(
    group: TermGroup, question: EvaluationRequest, longest: timedelta, watermarks: Watermarks, shift: Shift,
    screen: Screen | None,
) -> TermQuery:  # fmt: skip
    """Ask for the conditions on metrics of one level."""
    assert group.level
    instants: Instants = "one" if shift.clocks == "wrong" else group.instants
    statement = metric_statement(group.level, group.features, instants, shift.clocks)
    hour_cut, cut = cuts(group.level, question, watermarks)
    lookback = max([
        MIN_LOOKBACK, 2.5 * longest + timedelta(minutes=1), *(feature.window for feature in group.features),
    ])  # fmt: skip
    values = {
        "tenant": question.tenant, "among": question.among, "instants": list(question.instants), "lookback": lookback,
        "cut": cut, "hour_cut": hour_cut,
        "lowest": question.instants[0] + shift.lowest - lookback, "highest": question.instants[-1] + shift.highest,
        "everything": question.everything,
    }  # fmt: skip
    bound = {name: values[name] for name in statement.parameters if name in values}
    return TermQuery(statement, bound, group, screen)


def cuts(level: Level, question: EvaluationRequest, watermarks: Watermarks) -> tuple[datetime, datetime]:
    """Return until when hours are read, and until when the level's buckets are."""
    if level.bucket is None:
        return EPOCH, question.instants[0]
    cut = watermarks[level.relation]
    # The hours lack five-minute buckets that are not written yet, and the hour of the instant itself has not ended.
    whole = min(cut, question.instants[0]).replace(minute=0, second=0, microsecond=0)
    return min(watermarks[LEVELS[2].relation], whole), cut


def ask_silence(group: TermGroup, question: EvaluationRequest, watermarks: Watermarks) -> list[TermQuery]:
    """Ask which devices are silent, by their samples or by any sign of life; in the past by samples only."""
    if not group.terms:
        return []
    first = {"tenant": question.tenant, "among": question.among}
    if question.everything:
        five = LEVELS[1]
        cut = EPOCH if question.level is LEVELS[0] else watermarks[five.relation]
        parameters = first | {"instants": list(question.instants), "cut": cut, "bucket": five.bucket}
        return [TermQuery(QUERIES.statements["past_silence_facts"], parameters, group)]
    statement, unsure = QUERIES.statements["silence_facts"], {"unsure_until": question.unsure_until}
    return [
        TermQuery(statement, first | unsure | {"now": at}, group, screen_silence(group, first | {"now": at}, question))
        for at in question.instants
    ]


def screen_silence(group: TermGroup, values: Mapping[str, Any], question: EvaluationRequest) -> Screen | None:
    """Ask which devices have been silent for the shortest span of their scopes."""
    if not may_be_screened(question):
        return None
    statement = QUERIES.statements["silent_devices"]
    return Screen(statement, {**values, "scopes": group.scoped.scopes}, scans=False)


def take(facts: ResultsByKey, rows: list[asyncpg.Record]) -> None:
    """Keep the rows of a statement as facts."""
    facts.statements += 1
    for row in rows:
        value = number(row["value"])
        result = ConditionResult(row["breached"], row["begun"], row["holding"], value, row["threshold"], row["note"])
        if "instance" in row:
            facts.of_instances[row["rule_id"], row["device_id"], row["instance"], row["at"]][row["leaf"]] = result
        else:
            facts.of[row["rule_id"], row["device_id"], row["at"]][row["leaf"]] = result


def number(value: Any) -> float | None:
    """Return a number of the database as a float."""
    return None if value is None else float(value)


def as_json(terms: Iterable[Term], features: Mapping[Feature, int]) -> str:
    """Return terms in the form of the function alert_pairs; `features`: the numbers of those that are computed."""
    return "[" + ",".join([text_of(term, features) for term in terms]) + "]"


def text_of(term: Term, features: Mapping[Feature, int]) -> str:
    """Return a term as a JSON object; most of it is kept with its rule."""
    text, feature = term.rule.term_texts[term.number], features.get(term.feature) if term.feature else None
    return f"{{{text}}}" if feature is None else f'{{"feature":{feature},{text}}}'


async def ask_series(
    connection: Source, of_kind: Mapping[Kind, TermGroup], question: EvaluationRequest, behind: timedelta
) -> list[TermQuery]:
    """Ask for the conditions on instances: a statement for each level in use, and one for forecasts.

    `behind`: the lowest shift of a device's clock, zero or less.
    """
    queries = []
    series = of_kind["series"].terms if "series" in of_kind else []
    watermarks = await read_series_watermarks(connection) if series else {}
    for level in SERIES_LEVELS[:3]:
        of_level = [term for term in series if series_level(term, question) == level.name]
        if of_level:
            longest = max(term.window for term in of_level)
            parameters = {
                "tenant": question.tenant, "instants": list(question.instants), "everything": question.everything,
                "level": level.name, "cut": watermarks.get(level.relation, EPOCH),
                "width": level.bucket or timedelta(0),
                "lowest": question.instants[0] + behind - longest - MAX_LEAD, "among": question.among,
            }  # fmt: skip
            queries.append(TermQuery(SERIES.statements["series_facts"], parameters, TermGroup(of_level, level)))
    ahead = of_kind.get("series_forecast")
    return queries + (await ask_series_forecasts(connection, ahead, question) if ahead else [])


async def ask_series_forecasts(connection: Source, group: TermGroup, question: EvaluationRequest) -> list[TermQuery]:
    """Ask for forecasts of instances: of the past by the rollups and samples up to each instant."""
    bounds: dict[str, Any] = {"tenant": question.tenant, "among": question.among}
    if question.everything:
        hours = SERIES_LEVELS[2].relation
        from_samples = question.level is not None and question.level.bucket is None
        cut = EPOCH if from_samples else (await read_series_watermarks(connection)).get(hours, EPOCH)
        bounds |= {"instants": list(question.instants), "cut": cut}
        return [TermQuery(SERIES_PAST.statements["past_series_forecast_facts"], bounds, group)]
    return [
        TermQuery(SERIES.statements["series_forecast_facts"], bounds | {"now": at}, group) for at in question.instants
    ]


def series_level(term: Term, question: EvaluationRequest) -> str:
    """Return the name of the level that a condition on instances is read from."""
    return (question.level or level_for(term.window)).name
