"""Evaluates conditions in the database: rules → terms → one statement for each level and kind in use → facts.

The number of statements depends on the levels and kinds, not on how many rules or devices there are.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from alerts.query.compiler import Clocks, Instants, can_stitch, level_for, metric_statement
from alerts.query.facts import ConditionResult, ResultsByKey
from alerts.query.screening import sides_of
from alerts.rules.terms import Feature, Rule, Term
from db.hypertables.policies import LEVELS, SERIES_LEVELS, Level
from db.pools import Source
from db.sql import Statement, load_beside
from rollups.history import read_watermarks
from rollups.series_history import read_series_watermarks

QUERIES, SERIES = load_beside(__file__, "runner.sql"), load_beside(__file__, "series.sql")
SERIES_PAST = load_beside(__file__, "series_past.sql")

MAX_FEATURES = 60  # columns of one statement; PostgreSQL takes 1,600, planning takes longer with each
MIN_LOOKBACK = timedelta(minutes=15)
MAX_LEAD = timedelta(days=6)  # of the newest sample of the slowest device, and the one before it
NO_SHIFT = timedelta(0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # before all samples: nothing is read from rollups

Group = dict[Feature, list[Term]]  # terms by what is computed for them
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
class TermQuery:
    """A statement with the values of its parameters, and the terms and level that it is for.

    `scans`: whether it may read the rows of the whole fleet (`screening.py`).
    """

    statement: Statement
    values: dict[str, Any]
    terms: Sequence[Term]
    level: Level | None = None
    scans: bool = False


async def run_queries(connection: Source, rules: Iterable[Rule], question: EvaluationRequest) -> ResultsByKey:
    """Return what is known of the rules' conditions."""
    facts, scans = ResultsByKey(), False
    for query in await statements_for(connection, rules, question):
        if scans != query.scans:
            scans = query.scans
            await connection.execute(*QUERIES.bind("plan_for_scans", scans=scans))
        take(facts, await connection.fetch(*query.statement.bind(**query.values)))
    if scans:
        await connection.execute(*QUERIES.bind("plan_for_scans", scans=False))
    return facts


async def statements_for(connection: Source, rules: Iterable[Rule], question: EvaluationRequest) -> list[TermQuery]:
    """Return the statements that evaluate the rules' conditions."""
    terms = [round_window(term, question.level) for rule in rules for term in rule.terms]
    longest = timedelta(seconds=await connection.fetchval(QUERIES["longest_interval"]))
    watermarks = await read_watermarks(connection)
    shifts = await read_shifts(connection, question)
    queries = []
    for level in LEVELS[:3]:
        of_level = [term for term in terms if term.feature and (question.level or level_for(term.window)) is level]
        groups = by_features(of_level, level, question)
        queries += [
            ask_metrics(level, group, question, longest, watermarks, shift) for group in groups for shift in shifts
        ]
    queries += ask_silence(terms, question, watermarks)
    queries += await ask_series(connection, terms, question, min(shift.lowest for shift in shifts))
    for kind in ("service", "forecast"):
        of_kind = [term for term in terms if term.kind == kind]
        for at in question.instants if of_kind else ():
            parameters = {"terms": as_json(of_kind, {}), "tenant": question.tenant, "now": at, "among": question.among}
            queries.append(TermQuery(QUERIES.statements[f"{kind}_facts"], parameters, of_kind))
    return queries


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


def round_window(term: Term, level: Level | None) -> Term:
    """Return a term whose feature is read over whole buckets of a level; how much data it needs stays as it was."""
    if term.feature is None or level is None or level.bucket is None:
        return term
    window = -(-term.feature.window // level.bucket) * level.bucket
    return replace(term, feature=replace(term.feature, window=window))


def by_features(terms: Iterable[Term], level: Level, question: EvaluationRequest) -> list[Group]:
    """Split terms into groups whose features fit one statement: those that are stitched, then the others."""
    of_feature: Group = defaultdict(list)
    for term in terms:
        assert term.feature
        of_feature[term.feature].append(term)
    stitched = [feature for feature in of_feature if instants_of(feature, level, question) == "one, stitched"]
    separate = [feature for feature in of_feature if feature not in stitched]
    return [
        {feature: of_feature[feature] for feature in kind[start : start + MAX_FEATURES]}
        for kind in (stitched, separate)
        for start in range(0, len(kind), MAX_FEATURES)
    ]


def instants_of(feature: Feature, level: Level, question: EvaluationRequest) -> Instants:
    """Return how a feature is asked for: hours are read too at one instant, from the level of a live evaluation."""
    if len(question.instants) > 1:
        return "many"
    return "one, stitched" if question.level is None and can_stitch(level, feature) else "one"


def ask_metrics(
    level: Level,
    group: Group,
    question: EvaluationRequest,
    longest: timedelta,
    watermarks: Watermarks,
    shift: Shift,
) -> TermQuery:
    """Ask for the conditions on metrics of one level."""
    features = sorted(group, key=repr)  # one order: one statement to keep
    terms = [term for feature in features for term in group[feature]]
    instants: Instants = "one" if shift.clocks == "wrong" else instants_of(features[0], level, question)
    sides = () if question.everything or instants == "many" or shift.clocks == "wrong" else sides_of(terms)
    statement = metric_statement(level, tuple(features), instants, shift.clocks, sides)
    hour_cut, cut = cuts(level, question, watermarks)
    lookback = max([
        MIN_LOOKBACK, 2.5 * longest + timedelta(minutes=1), *(feature.window for feature in features),
    ])  # fmt: skip
    values = {
        "terms": as_json(terms, {feature: number for number, feature in enumerate(features)}),
        "tenant": question.tenant, "among": question.among, "instants": list(question.instants), "lookback": lookback,
        "cut": cut, "hour_cut": hour_cut,
        "lowest": question.instants[0] + shift.lowest - lookback, "highest": question.instants[-1] + shift.highest,
        "everything": question.everything,
        "earliest": question.instants[0] - max((feature.window for feature, _ in sides), default=NO_SHIFT),
    }  # fmt: skip
    bound = {name: values[name] for name in statement.parameters if name in values}
    return TermQuery(statement, bound, terms, level, scans=bool(sides))


def cuts(level: Level, question: EvaluationRequest, watermarks: Watermarks) -> tuple[datetime, datetime]:
    """Return until when hours are read, and until when the level's buckets are."""
    if level.bucket is None:
        return EPOCH, question.instants[0]
    cut = watermarks[level.relation]
    # The hours lack five-minute buckets that are not written yet, and the hour of the instant itself has not ended.
    whole = min(cut, question.instants[0]).replace(minute=0, second=0, microsecond=0)
    return min(watermarks[LEVELS[2].relation], whole), cut


def ask_silence(terms: list[Term], question: EvaluationRequest, watermarks: Watermarks) -> list[TermQuery]:
    """Ask which devices are silent, by their samples or by any sign of life; in the past by samples only."""
    of_kind = [term for term in terms if term.kind in ("no_data", "offline")]
    if not of_kind:
        return []
    first, among = {"terms": as_json(of_kind, {}), "tenant": question.tenant}, {"among": question.among}
    if question.everything:
        five = LEVELS[1]
        cut = EPOCH if question.level is LEVELS[0] else watermarks[five.relation]
        parameters = first | {"instants": list(question.instants), "cut": cut, "bucket": five.bucket, **among}
        return [TermQuery(QUERIES.statements["past_silence_facts"], parameters, of_kind)]
    statement, unsure = QUERIES.statements["silence_facts"], {"unsure_until": question.unsure_until}
    return [TermQuery(statement, first | among | unsure | {"now": at}, of_kind) for at in question.instants]


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
    connection: Source, terms: Sequence[Term], question: EvaluationRequest, behind: timedelta
) -> list[TermQuery]:
    """Ask for the conditions on instances: a statement for each level in use, and one for forecasts.

    `behind`: the lowest shift of a device's clock, zero or less.
    """
    queries = []
    of_kind = [term for term in terms if term.kind == "series"]
    watermarks = await read_series_watermarks(connection) if of_kind else {}
    for level in SERIES_LEVELS[:3]:
        of_level = [term for term in of_kind if series_level(term, question) == level.name]
        if of_level:
            longest = max(term.window for term in of_level)
            parameters = {
                "terms": as_json(of_level, {}), "tenant": question.tenant, "instants": list(question.instants),
                "everything": question.everything, "level": level.name,
                "cut": watermarks.get(level.relation, EPOCH), "width": level.bucket or timedelta(0),
                "lowest": question.instants[0] + behind - longest - MAX_LEAD, "among": question.among,
            }  # fmt: skip
            queries.append(TermQuery(SERIES.statements["series_facts"], parameters, of_level, level))
    ahead = [term for term in terms if term.kind == "series_forecast"]
    return queries + (await ask_series_forecasts(connection, ahead, question) if ahead else [])


async def ask_series_forecasts(
    connection: Source, terms: Sequence[Term], question: EvaluationRequest
) -> list[TermQuery]:
    """Ask for forecasts of instances: of the past by the rollups and samples up to each instant."""
    bounds: dict[str, Any] = {"terms": as_json(terms, {}), "tenant": question.tenant}
    if question.everything:
        hours = SERIES_LEVELS[2].relation
        from_samples = question.level is not None and question.level.bucket is None
        cut = EPOCH if from_samples else (await read_series_watermarks(connection)).get(hours, EPOCH)
        bounds |= {"instants": list(question.instants), "cut": cut, "among": question.among}
        return [TermQuery(SERIES_PAST.statements["past_series_forecast_facts"], bounds, terms)]
    return [
        TermQuery(SERIES.statements["series_forecast_facts"], bounds | {"now": at, "among": question.among}, terms)
        for at in question.instants
    ]


def series_level(term: Term, question: EvaluationRequest) -> str:
    """Return the name of the level that a condition on instances is read from."""
    return (question.level or level_for(term.window)).name
