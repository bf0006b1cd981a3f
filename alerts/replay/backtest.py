"""Backtests: the alerts and tickets that a rule would have caused in the last days, by device and threshold.

The compiler and the state machine are those of live evaluation (`replayer.py`). Rollups replace samples, because raw
samples are many and kept for a month only. One reading serves all thresholds. Instants come in batches; between them
only a state and a summary of each device are kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

from alerts.errors import AlertRuleNotFoundError, FaultyAlertRuleError
from alerts.query.term_queries import as_json
from alerts.replay.replayer import Replay
from alerts.replay.report import BacktestSummary
from alerts.replay.thresholds import check_past, describe_differences, variants
from alerts.rules.conditions import Condition
from alerts.rules.loader import UNREADABLE, as_row
from alerts.rules.terms import Rule, Scope, Term
from alerts.silences.past import read_past_silences
from core.errors import RtsError
from db.hypertables.policies import LEVELS, Level
from db.pools import Source
from db.sql import load_beside
from rollups.choose import bucket_start

QUERIES = load_beside(__file__, "backtest.sql")

MAX_DAYS, MAX_THRESHOLDS = 30, 20
MAX_READINGS = 200_000  # devices x instants, 30 to 60 µs each; windows of many buckets count several times
BUCKETS_IN_A_READING = 25
ROWS_AT_ONCE, INSTANTS_AT_ONCE = 20_000, 48
GROWTH = timedelta(days=31)  # what a forecast reads
CLOCK_STEP = timedelta(microseconds=1)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# (window, step): rules with windows up to `window` use this step, read from the coarsest level that fits it.
STEPS = ((2 * HOUR, 5 * MINUTE), (12 * HOUR, 15 * MINUTE), (timedelta.max, HOUR))

Progress = Callable[[int, int], None]  # instants done, instants in all


class BacktestTooLargeError(RtsError):
    """This backtest would read too much: use fewer days, fewer devices (site, type, one device) or shorter windows."""

    code: ClassVar[str] = "backtest_too_large"
    status: ClassVar[int] = 422


@dataclass(frozen=True, slots=True)
class BacktestSpec:
    """The rule and the thresholds to test; without thresholds the condition is not changed."""

    condition: Condition
    reach: Scope
    thresholds: Sequence[float] = ()
    days: int = 7
    keep_firing: timedelta = timedelta(minutes=5)
    active_hours: dict[str, Any] | None = None
    most_readings: int = MAX_READINGS
    sample_devices: int | None = None  # test at most so many devices of the reach; None: all


@dataclass(frozen=True, slots=True)
class BacktestPlan:
    """The range, the steps through it, and the amount of data to read."""

    begin: datetime
    end: datetime
    step: timedelta
    level: Level
    devices: int
    instants: int
    readings: int
    reach_devices: int  # `devices` are those that are tested: fewer where a sample was asked for

    def batches(self, size: int) -> Iterator[list[datetime]]:
        """Yield the instants, a moment before the ends of buckets: all earlier samples are then in closed buckets."""
        for start in range(0, self.instants, size):
            numbers = range(start, min(start + size, self.instants))
            yield [self.begin + (number + 1) * self.step - CLOCK_STEP for number in numbers]


@dataclass(frozen=True, slots=True)
class ThresholdOutcome:
    """The result of one threshold on each device or instance with an alert, the worst first."""

    threshold: float | None
    condition: Condition
    tallies: list[BacktestSummary]

    @property
    def alerts(self) -> int:
        """The number of alerts on all devices."""
        return sum(tally.alerts for tally in self.tallies)

    @property
    def tickets(self) -> int:
        """The number of tickets on all devices."""
        return sum(tally.tickets for tally in self.tallies)

    @property
    def devices(self) -> int:
        """The number of devices with an alert."""
        return len({tally.device_id for tally in self.tallies})

    @property
    def flapping(self) -> int:
        return sum(tally.is_flapping for tally in self.tallies)


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """The result of a backtest."""

    plan: BacktestPlan
    outcomes: list[ThresholdOutcome]
    names: dict[UUID, str]
    notes: list[str]


def no_progress(done: int, total: int) -> None:
    """Show no progress."""
    del done, total


async def read_spec(source: Source, rule_id: UUID, thresholds: Sequence[float], days: int) -> BacktestSpec:
    """Return the test of a stored rule, in force or not.

    Raises AlertRuleNotFoundError or FaultyAlertRuleError.
    """
    row = await source.fetchrow(*QUERIES.bind("read_rule", rule_id=rule_id))
    if row is None:
        raise AlertRuleNotFoundError
    try:
        rule_row = as_row(row)
    except UNREADABLE as fault:
        raise FaultyAlertRuleError from fault
    rule = rule_row.rule
    return BacktestSpec(rule.condition, rule.reach, thresholds, days, rule.keep_firing, rule_row.active_hours)


async def backtest(
    source: Source, spec: BacktestSpec, now: datetime, progress: Progress = no_progress
) -> BacktestResult:
    """Test a rule on the days before `now` (UTC).

    Raises NotInThePastError, ThresholdsDontFitError or BacktestTooLargeError.
    """
    check_past(spec.condition)
    conditions = variants(spec.condition, spec.thresholds)
    whole = [Rule(uuid4(), spec.reach, condition, spec.keep_firing) for _, condition in conditions]
    terms = [term for rule in whole for term in rule.terms]
    sample = await choose_devices(source, spec, terms)
    rules = [[rule] if sample is None else on_each(rule, sample) for rule in whole]
    plan = await make_plan(source, terms, spec, now, sample)
    tallies = await run(source, spec, plan, [rule for each in rules for rule in each], progress)
    outcomes = [
        ThresholdOutcome(
            threshold, condition, worst_first([tally for rule in each for tally in tallies[rule.id]], plan.end)
        )
        for (threshold, condition), each in zip(conditions, rules, strict=True)
    ]
    devices = {tally.device_id for outcome in outcomes for tally in outcome.tallies}
    names = await source.fetch(*QUERIES.bind("device_names", devices=list(devices)))
    assert plan.level.bucket
    return BacktestResult(
        plan,
        outcomes,
        {row["id"]: row["device_name"] for row in names},
        describe_differences(spec.condition, plan.level.bucket),
    )


def on_each(rule: Rule, devices: Sequence[UUID]) -> list[Rule]:
    return [replace(rule, id=uuid4(), reach=Scope(device_id=device_id)) for device_id in devices]


async def choose_devices(source: Source, spec: BacktestSpec, terms: Sequence[Term]) -> list[UUID] | None:
    """Return the devices to test if more are in scope than `spec` asks for, the same each time; None to test all."""
    most = spec.sample_devices
    if most is None:
        return None
    rows = await source.fetch(
        *QUERIES.bind("sample_devices", terms=as_json(terms, {}), business_id=spec.reach.business_id, limit=most + 1)
    )
    return [row["device_id"] for row in rows[:most]] if len(rows) > most else None


async def make_plan(
    source: Source, terms: Sequence[Term], spec: BacktestSpec, now: datetime, sample: Sequence[UUID] | None
) -> BacktestPlan:
    """Choose steps and level by the shortest window; raises BacktestTooLargeError."""
    windows = [term.window for term in terms]
    longest = max(GROWTH if term.kind == "series_forecast" else term.window for term in terms)
    step = next(step for most, step in STEPS if min(windows) <= most)
    level = next(level for level in reversed(LEVELS[1:]) if level.bucket and level.bucket <= step)
    assert level.bucket
    end = bucket_start(now, step)
    begin = end - timedelta(days=spec.days)
    in_reach = await source.fetchval(
        *QUERIES.bind("count_devices", terms=as_json(terms, {}), business_id=spec.reach.business_id)
    )
    devices = in_reach if sample is None else len(sample)
    instants = (end - begin) // step
    readings = devices * instants * max(1, longest // level.bucket // BUCKETS_IN_A_READING)
    if readings > spec.most_readings:
        details = {"devices": devices, "instants": instants, "readings": readings, "most": spec.most_readings}
        raise BacktestTooLargeError(details=details)
    return BacktestPlan(begin, end, step, level, devices, instants, readings, in_reach)


async def run(
    source: Source, spec: BacktestSpec, plan: BacktestPlan, rules: Sequence[Rule], progress: Progress
) -> dict[UUID, list[BacktestSummary]]:
    """Evaluate the rules at all instants, and return the summaries of each rule."""
    business = spec.reach.business_id
    muted = await read_past_silences(source, plan.begin, plan.end, business, spec.active_hours)
    replay = Replay(rules, business, plan.level, muted)
    tallies: dict[UUID, dict[tuple[UUID, str], BacktestSummary]] = {rule.id: {} for rule in rules}
    size = max(1, min(INSTANTS_AT_ONCE, ROWS_AT_ONCE // max(1, plan.devices * len(rules))))
    done = 0
    for instants in plan.batches(size):
        for transition in await replay.go_on(source, instants):
            of_rule = tallies[transition.rule_id]
            reported = replace(transition, at=transition.at + CLOCK_STEP)
            place = transition.device_id, transition.instance
            of_rule.setdefault(place, BacktestSummary(*place)).take(reported)
        done += len(instants)
        progress(done, plan.instants)
    return {rule_id: list(of_rule.values()) for rule_id, of_rule in tallies.items()}


def worst_first(tallies: list[BacktestSummary], end: datetime) -> list[BacktestSummary]:
    """Close the summaries at `end` (UTC), and return those with an alert, the worst first."""
    for tally in tallies:
        tally.until(end)
    alerted = [tally for tally in tallies if tally.alerts]
    return sorted(alerted, key=lambda tally: (-tally.alerts, -tally.firing, str(tally.device_id), tally.instance))
