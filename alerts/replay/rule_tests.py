"""Tests of rules, kept beside them: a series of samples in, the states that the rule should go through out.

    version = 2

    [[test]]
    name = "CPU busy"
    every = "5m"
    rule = { metric = "cpu_percent", operator = ">", threshold = 90, duration_minutes = 10 }
    series = { cpu_percent = "50x2 95x3 50x3" }
    expect = ["15m pending", "20m firing", "35m recovering", "40m inactive"]

A series of an instance is named `"disk.percent D:"`; for a rule on instances `expect` names the instance too:
`"20m firing D:"`. Own metrics (`custom.*`) are gauges unless `counters = ["custom.jobs_done"]` lists them.

The samples are written to the real tables, for a new device, and the real statements and state machine run at
each minute from the first sample to one interval after the last; then everything is rolled back.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import ndiff
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID, uuid4

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from alerts.replay.replayer import replay
from alerts.replay.samples import known_name, samples_of, values_of
from alerts.replay.series import has_repetition, parse_series
from alerts.rules.conditions import (
    ChangeCondition,
    Condition,
    MetricCondition,
    NoDataCondition,
    parse_condition,
    terms_of,
)
from alerts.rules.series_conditions import SeriesChangeCondition, SeriesCondition, SeriesForecastCondition
from alerts.rules.terms import Rule, Scope
from alerts.state.machine import State, Transition
from core.errors import RtsError
from core.series import MAX_METRIC
from db.hypertables.policies import RAW
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "rule_tests.sql")

MINUTE = timedelta(minutes=1)
UNITS = {"s": timedelta(seconds=1), "m": MINUTE, "h": timedelta(hours=1), "d": timedelta(days=1)}
SPAN = re.compile(r"(?:\d+[smhd])+")
LONGEST = timedelta(days=14)
Name = Annotated[str, AfterValidator(known_name)]
CustomName = Annotated[str, Field(max_length=MAX_METRIC, pattern=r"^custom\.")]
Samples = Annotated[list[float | None], BeforeValidator(parse_series)]
TESTABLE = (
    MetricCondition
    | ChangeCondition
    | NoDataCondition
    | SeriesCondition
    | SeriesChangeCondition
    | SeriesForecastCondition
)
VERSION = 2


class RuleTestFileError(RtsError):
    """This is not a valid file of rule tests: see docs/alerts.md."""

    code: ClassVar[str] = "invalid_rule_tests"


def parse_span(text: Any) -> timedelta:
    """Return a span of time such as `5m` or `1h30m`; raises ValueError."""
    if not isinstance(text, str) or not SPAN.fullmatch(text):
        raise ValueError(f"{text!r} is not a time span: write 90s, 5m or 1h30m")
    return sum((int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)([smhd])", text)), timedelta())


def testable(value: Any) -> Condition:
    """Return `value` as conditions; raises ValueError if a series of samples cannot decide one of them."""
    condition = parse_condition(value)
    for term in terms_of(condition):
        if not isinstance(term, TESTABLE):
            raise ValueError(f"{term.in_words()}: a rule test has only samples and cannot decide this condition")
    return condition


class Expected(BaseModel):
    """A state that a rule reaches, and the time from the first sample; `instance` is "" for the device."""

    after: timedelta
    state: State
    instance: str = ""

    def __str__(self) -> str:
        """Return it in the notation of a test: `25m firing`, `25m firing D:`."""
        return f"{self.after / MINUTE:g}m {self.state} {self.instance}".rstrip()


def find_notations(file: dict[str, Any]) -> Iterator[str]:
    """Yield the notations of series in a file; parts of another form are skipped, the models refuse them."""
    tests = file.get("test")
    for test in tests if isinstance(tests, list) else ():
        series = test.get("series") if isinstance(test, dict) else None
        yield from (value for value in (series or {}).values() if isinstance(value, str))


def parse_expected(text: Any) -> Any:
    """Return `25m firing D:` as a span, a state and an instance; raises ValueError."""
    if isinstance(text, Expected):
        return text
    after, state, instance = (*str(text).split(maxsplit=2), "", "")[:3]
    return {"after": parse_span(after), "state": state, "instance": instance}


class RuleTest(BaseModel):
    """One test: a rule, the series of samples (one every `every`), and the expected changes of state."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=255)]
    every: Annotated[timedelta, BeforeValidator(parse_span), Field(ge=MINUTE, le=timedelta(days=1))] = 5 * MINUTE
    rule: Annotated[Any, BeforeValidator(testable)]
    series: Annotated[dict[Name, Samples], Field(min_length=1)]
    counters: list[CustomName] = []
    keep_firing_minutes: Annotated[float, Field(ge=0, le=1440)] = 5
    expect: list[Annotated[Expected, BeforeValidator(parse_expected)]]

    @model_validator(mode="after")
    def ends(self) -> Self:
        """Refuse counters without a series, and series so long that old samples would be in the columnstore."""
        missing = set(self.counters) - {name.partition(" ")[0] for name in self.series}
        if missing:
            raise ValueError(f"counters names {', '.join(sorted(missing))}, which has no series")
        if self.length > LONGEST:
            raise ValueError(f"the series last {self.length.days} days, at most {LONGEST.days}")
        return self

    @property
    def length(self) -> timedelta:
        """The length of the series: until one interval after the last sample."""
        return max(len(samples) for samples in self.series.values()) * self.every


class RuleTests(BaseModel):
    """A file of tests. Version 2 reads `50x3` as promtool does, 50 and three more; version 1 read three samples."""

    model_config = ConfigDict(extra="forbid")

    version: int | None = None
    test: Annotated[list[RuleTest], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def refuse_old_notation(cls, file: Any) -> Any:
        """Refuse another version, and a file without one whose series mean something else now."""
        version = file.get("version")
        if version not in (None, VERSION) or (version is None and any(map(has_repetition, find_notations(file)))):
            raise ValueError(
                f"this file is not version {VERSION}: `50x3` is four samples now, 50 and three more, as in promtool. "
                f"Subtract 1 from each number behind an x (not behind `_x`) and write `version = {VERSION}` at the top"
            )
        return file


@dataclass(frozen=True, slots=True)
class RuleTestResult:
    """The result of a test."""

    test: RuleTest
    found: list[Expected]

    @property
    def is_passed(self) -> bool:
        """Whether the changes of state are exactly those expected."""
        return self.found == self.test.expect

    def difference(self) -> list[str]:
        """Return the missing lines (`-`) and the surplus lines (`+`)."""
        lines = ndiff([str(one) for one in self.test.expect], [str(one) for one in self.found])
        return [line for line in lines if not line.startswith("?")]


def load_tests(path: Path) -> list[RuleTest]:
    """Read a file of tests; raises RuleTestFileError with the fault and its place."""
    try:
        return RuleTests.model_validate(tomllib.loads(path.read_text())).test
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise RuleTestFileError(f"{path}: " + "; ".join(faults)) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RuleTestFileError(f"{path}: {error}") from None


async def run_test(connection: Connection, test: RuleTest, now: datetime) -> RuleTestResult:
    """Run one test; nothing of it stays in the database."""
    begin = choose_begin(test, now)
    rolled_back = connection.transaction()
    await rolled_back.start()
    try:
        device_id = await connection.fetchval(
            *QUERIES.bind("make_device", interval_seconds=int(test.every.total_seconds()))
        )
        await connection.execute(
            *QUERIES.bind("put_samples", device_id=device_id, samples=samples_of(test.series, test.every, begin))
        )
        await connection.execute(
            *QUERIES.bind(
                "put_values",
                device_id=device_id,
                values=values_of(test.series, test.every, begin, test.counters),
            )
        )
        transitions = await run_transitions(connection, test, device_id, begin)
    finally:
        await rolled_back.rollback()
    actual = [
        Expected(after=one.at - begin, state=one.after.state, instance=one.instance)
        for one in sorted(transitions, key=lambda one: (one.at, one.instance))
    ]
    return RuleTestResult(test, actual)


def choose_begin(test: RuleTest, now: datetime) -> datetime:
    """Return the time of the first sample: 0:00 UTC for a forecast, which reads whole days."""
    begin = now.replace(second=0, microsecond=0) - test.length - MINUTE
    looks_ahead = any(isinstance(term, SeriesForecastCondition) for term in terms_of(test.rule))
    return begin.replace(hour=0, minute=0) if looks_ahead else begin


async def run_transitions(connection: Connection, test: RuleTest, device_id: UUID, begin: datetime) -> list[Transition]:
    """Evaluate the rule at each minute."""
    rule = Rule(uuid4(), Scope(device_id=device_id), test.rule, test.keep_firing_minutes * MINUTE)
    instants = [begin + number * MINUTE for number in range(test.length // MINUTE + 1)]
    return await replay(connection, [rule], instants, level=RAW)
