"""Scenarios in short: a device's samples as a series, rules as JSON, and the path that a rule's state takes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from alerts.replay.replayer import replay
from alerts.replay.series import parse_series
from alerts.rules.conditions import parse_condition
from alerts.rules.terms import Rule, Scope
from alerts.state.machine import Transition
from core.clock import utc_now

MINUTE = timedelta(minutes=1)
INSERT_SAMPLES = """
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, {metric})
SELECT $1, t.at, t.at, t.value FROM unnest($2::timestamptz[], $3::float8[]) AS t (at, value)
"""


class Scenario:
    """One device of a tenant, whose samples begin some hours ago, one every five minutes."""

    def __init__(self, connection: asyncpg.Connection, device_id: UUID, every: timedelta = 5 * MINUTE) -> None:
        self.connection = connection
        self.device_id = device_id
        self.every = every
        self.begin = utc_now().replace(second=0, microsecond=0) - timedelta(hours=20)

    def at(self, number: float) -> datetime:
        """The time of a sample by its number."""
        return self.begin + number * self.every

    async def measure(self, metric: str, notation: str, first: int = 0) -> int:
        """Store a series, and return how many samples it has, the missing ones too."""
        samples = parse_series(notation)
        measured = [(self.at(first + number), value) for number, value in enumerate(samples) if value is not None]
        query = INSERT_SAMPLES.format(metric=metric)
        await self.connection.execute(
            query, self.device_id, [at for at, _ in measured], [value for _, value in measured]
        )
        return len(samples)

    async def transitions(self, conditions: Any, samples: int, keep: float = 5) -> list[Transition]:
        """Run a rule over every minute of the series."""
        rule = self.rule(conditions, keep)
        minutes = int(samples * self.every / MINUTE)
        instants = [self.begin + minute * MINUTE for minute in range(minutes + 1)]
        return await replay(self.connection, [rule], instants)

    def rule(self, conditions: Any, keep: float = 5) -> Rule:
        return Rule(uuid4(), Scope(device_id=self.device_id), parse_condition(conditions), keep * MINUTE)

    async def path(self, conditions: Any, notation: str, metric: str = "cpu_percent", keep: float = 5) -> str:
        """Measure a series and return the path of a rule's state: `pending=>firing=>recovering=>inactive`."""
        samples = await self.measure(metric, notation)
        return path_of(await self.transitions(conditions, samples, keep))


def path_of(transitions: Sequence[Transition]) -> str:
    return "=>".join(transition.after.state for transition in transitions)


def when(transitions: Sequence[Transition], state: str, scenario: Scenario) -> float:
    """In minutes from the beginning, when a state was first reached."""
    first = next(transition for transition in transitions if transition.after.state == state)
    return (first.at - scenario.begin) / MINUTE


def simple(threshold: float = 90, minutes: float = 10, **more: Any) -> dict[str, Any]:
    """The plan's own form."""
    return {
        "metric": "cpu_percent", "operator": ">", "threshold": threshold, "duration_minutes": minutes, **more,
    }  # fmt: skip


NOW = datetime(2026, 5, 3, tzinfo=UTC)
