"""What counts as a fault of the fleet, and what a healthy or an empty one looks like."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from db.hypertables.policies import LEVELS
from health.faults import find_faults
from health.fleet import AlertPass, DatabaseHealth, FleetFacts, FleetHealth, WorkQueue
from rollups.status import LevelStatus

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
IDLE = WorkQueue(0, 0, None)
SERVER = DatabaseHealth(18, "2.29.2", 1_000_000, 20, 97, None, 1000)
WELL = FleetFacts({"online": 3}, {}, {}, None, IDLE, IDLE, AlertPass(NOW - MINUTE, 0.5, 4, 10), SERVER)


def faults(since: datetime | None = NOW - DAY, **changes: Any) -> list[str]:
    levels = [
        LevelStatus(level, 1, 1, 0, NOW - DAY, None, NOW - level.bucket if level.bucket else None, NOW, since)
        for level in LEVELS
    ]  # fmt: skip
    return find_faults(FleetHealth(msgspec.structs.replace(WELL, **changes), levels, NOW, 0.01))


def test_a_fleet_that_is_well_has_no_faults() -> None:
    assert faults() == []


def test_a_fleet_without_devices_needs_no_worker_yet() -> None:
    assert faults(since=None, alert_pass=AlertPass(None, None, None, None)) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alert_pass": AlertPass(NOW - HOUR, 0.5, 4, 10)}, "evaluated last 1:00:00 ago"),
        ({"alert_pass": AlertPass(None, None, None, None)}, "evaluated never"),
        ({"alert_pass": AlertPass(NOW, 31.0, 4, 10)}, "takes 31 s"),
        ({"commands_due_since": NOW - HOUR}, "commands are due since 2026-05-03 11:00"),
        ({"tickets": WorkQueue(2, 1, NOW - HOUR)}, "tickets are due since"),
        ({"database": msgspec.structs.replace(SERVER, connections=90)}, "90 of 97 connections"),
        ({"database": msgspec.structs.replace(SERVER, freeze_age=1_100_000_000)}, "1,100,000,000 transactions"),
    ],
)
def test_a_fault_says_what_to_do(changes: dict[str, Any], words: str) -> None:
    (fault,) = faults(**changes)
    assert words in fault


def test_paused_work_is_not_a_fault() -> None:
    """Notifications wait out quiet hours; work that is due just now is done within seconds."""
    assert faults(notifications=WorkQueue(5, 0, NOW - HOUR), commands_due_since=NOW - MINUTE) == []


def test_a_rollup_that_was_never_refreshed_is_as_late_as_its_first_device_is_old() -> None:
    never, five_minutes = datetime(1970, 1, 1, tzinfo=UTC), LEVELS[1]
    young = LevelStatus(five_minutes, 1, 1, 0, None, None, never, NOW, NOW - 5 * MINUTE)
    assert (young.lag(NOW), young.faults(NOW)) == (5 * MINUTE, [])
    old = LevelStatus(five_minutes, 1, 1, 0, None, None, never, NOW, NOW - 2 * HOUR)
    assert len(old.faults(NOW)) == 1
