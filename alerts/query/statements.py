"""Rules → terms → one statement for each level and kind in use.

The number of statements depends on the levels and kinds, not on how many rules or devices there are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.query.bounds import scan_times, windows_of_all
from alerts.query.compiler import Clocks, Instants, metric_statement
from alerts.query.grouping import (
    TermGroup,
    metric_groups,
    screened_groups,
    screened_terms,
    silence_terms,
    terms_by_kind,
)
from alerts.query.screening import screening_statement, windows_in
from alerts.query.series_statements import ask_series
from alerts.query.term_queries import EPOCH, EvaluationRequest, Screen, TermQuery
from alerts.rules.terms import Rule, RuleList
from db.hypertables.policies import LEVELS, Level
from db.pools import Source
from db.sql import load_beside
from rollups.history import read_watermarks

QUERIES = load_beside(__file__, "statements.sql")

MIN_LOOKBACK = timedelta(minutes=15)
NO_OFFSET = timedelta(0)

Watermarks = Mapping[str, datetime]  # until when a rollup is complete, by relation


@dataclass(frozen=True, slots=True)
class ClockGroup:
    """A group of devices by their clocks, and how far the clocks are off: behind is negative."""

    clocks: Clocks
    lowest: timedelta = NO_OFFSET
    highest: timedelta = NO_OFFSET


async def statements_for(connection: Source, rules: Iterable[Rule], question: EvaluationRequest) -> list[TermQuery]:
    """Return the statements that evaluate the rules' conditions."""
    kept = rules if isinstance(rules, RuleList) else RuleList(rules)
    longest = timedelta(seconds=await connection.fetchval(QUERIES["longest_interval"]))
    watermarks = await read_watermarks(connection)
    clock_groups = await read_clock_groups(connection, question)
    screen = screen_of(kept, question, watermarks) if may_be_screened(question) else None
    groups = metric_groups(kept, question.level, many=len(question.instants) > 1)
    queries = [
        ask_metrics(group, question, longest, watermarks, devices, screen, place)
        for place, group in enumerate(groups)
        for devices in clock_groups
    ]
    queries += ask_silence(silence_terms(kept), question, watermarks, screen, len(groups))
    of_kind = terms_by_kind(kept)
    queries += await ask_series(connection, of_kind, question, min(devices.lowest for devices in clock_groups))
    for kind in ("service", "forecast"):
        for at in question.instants if kind in of_kind else ():
            parameters = {"tenant": question.tenant, "now": at, "among": question.among}
            queries.append(TermQuery(QUERIES.statements[f"{kind}_results"], parameters, of_kind[kind]))
    return queries


def may_be_screened(question: EvaluationRequest) -> bool:
    """Return whether only conditions that have begun or are open are evaluated.

    Not without any device: such a question shows which rules can't be evaluated at all (`isolated.py`).
    """
    everything = question.everything or question.level is not None or len(question.instants) > 1
    return not everything and (question.among is None or len(question.among) > 0)


async def read_clock_groups(connection: Source, question: EvaluationRequest) -> list[ClockGroup]:
    """Return the groups of devices to evaluate: one group, and so one statement, as long as all clocks are right.

    The past is read as it was measured.
    """
    row = (
        None
        if question.everything
        else await connection.fetchrow(*QUERIES.bind("clock_shifts", tenant=question.tenant))
    )
    if row is None or row["lowest"] is None:
        return [ClockGroup("all")]
    return [ClockGroup("right"), ClockGroup("wrong", min(row["lowest"], NO_OFFSET), max(row["highest"], NO_OFFSET))]


def screen_of(rules: RuleList, question: EvaluationRequest, watermarks: Watermarks) -> Screen | None:
    """Ask on which devices the newest value, the bound of a window or silence may be beyond a threshold."""
    groups, scoped = screened_groups(rules), screened_terms(rules)
    if not groups:
        return None
    readings = tuple((group.level, group.instants == "one, stitched") for group in groups)
    statement = screening_statement(readings, scoped.sides)
    (at,) = question.instants
    values = {"scopes": scoped.scopes, "tenant": question.tenant, "among": question.among, "highest": at}
    scanned = False
    for place, (level, stitched) in enumerate(readings):
        windows = windows_of_all([feature for _, feature, _ in windows_in(place, scoped.sides)])
        if level and windows:
            scanned = True
            values |= scan_times(place, level, windows, at, cuts(level, question, watermarks), stitched=stitched)
    bound = {name: value for name, value in values.items() if name in statement.parameters}
    return Screen(statement, bound, scoped, scanned)


def ask_metrics(
    group: TermGroup, question: EvaluationRequest, longest: timedelta, watermarks: Watermarks, devices: ClockGroup,
    screen: Screen | None, place: int,
) -> TermQuery:  # fmt: skip
    """Ask for the conditions on metrics of one level."""
    assert group.level
    instants: Instants = "one" if devices.clocks == "wrong" else group.instants
    statement = metric_statement(group.level, group.features, instants, devices.clocks)
    hour_cut, cut = cuts(group.level, question, watermarks)
    lookback = max([
        MIN_LOOKBACK, 2.5 * longest + timedelta(minutes=1), *(feature.window for feature in group.features),
    ])  # fmt: skip
    values = {
        "tenant": question.tenant, "among": question.among, "instants": list(question.instants), "lookback": lookback,
        "cut": cut, "hour_cut": hour_cut,
        "lowest": question.instants[0] + devices.lowest - lookback, "highest": question.instants[-1] + devices.highest,
        "everything": question.everything,
    }  # fmt: skip
    bound = {name: values[name] for name in statement.parameters if name in values}
    return TermQuery(statement, bound, group, screen, place)


def cuts(level: Level, question: EvaluationRequest, watermarks: Watermarks) -> tuple[datetime, datetime]:
    """Return until when hours are read, and until when the level's buckets are."""
    if level.bucket is None:
        return EPOCH, question.instants[0]
    cut = watermarks[level.relation]
    # The hours lack five-minute buckets that are not written yet, and the hour of the instant itself has not ended.
    whole = min(cut, question.instants[0]).replace(minute=0, second=0, microsecond=0)
    return min(watermarks[LEVELS[2].relation], whole), cut


def ask_silence(
    group: TermGroup, question: EvaluationRequest, watermarks: Watermarks, screen: Screen | None, place: int
) -> list[TermQuery]:
    """Ask which devices are silent, by their samples or by any sign of life; in the past by samples only."""
    if not group.terms:
        return []
    first = {"tenant": question.tenant, "among": question.among}
    if question.everything:
        five = LEVELS[1]
        cut = EPOCH if question.level is LEVELS[0] else watermarks[five.relation]
        parameters = first | {"instants": list(question.instants), "cut": cut, "bucket": five.bucket}
        return [TermQuery(QUERIES.statements["past_silence_results"], parameters, group)]
    statement, unsure = QUERIES.statements["silence_results"], {"unsure_until": question.unsure_until}
    return [TermQuery(statement, first | unsure | {"now": at}, group, screen, place) for at in question.instants]
