"""The fleet's health as a real database tells it, for `db status` and for /metrics."""

import os
import subprocess
import sys

import asyncpg

from core.clock import utc_now
from health.fleet import read_fleet
from tests.callers import CallerFactory
from tests.devices import Device, sample


async def test_devices_and_agents_are_counted(database: str, factory: CallerFactory, device: Device) -> None:
    target = await factory.target()
    await device.accepted(sample(cpu_percent=1))
    connection = await asyncpg.connect(database)
    fleet = await read_fleet(connection, utc_now())
    await connection.close()
    facts = fleet.facts
    assert sum(facts.devices.values()) >= 2
    assert facts.open_alerts["info"] >= 1
    assert {"pending", "sent"} <= set(facts.commands)
    assert facts.database.bytes > 1_000_000
    assert facts.database.connections_max > 0
    assert facts.database.timescaledb
    assert [level.level.name for level in fleet.levels] == ["raw", "5m", "1h", "1d"]
    assert [level.level.relation for level in fleet.series_levels][:2] == ["agent_series_samples", "agent_series_5m"]
    assert target.marker not in str(facts)


def test_status_shows_it_to_people_and_its_exit_status_says_whether_all_is_well(database: str) -> None:
    command = [sys.executable, "-m", "cli", "db", "status"]
    environment = os.environ | {"DATABASE_URL": database, "COLUMNS": "160"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    for words in ("Levels", "in columnstore", "Policies", "Fleet", "last evaluation of alerts", "Database server"):
        assert words in ended.stdout, ended.stdout + ended.stderr
    assert ended.returncode == ("! " in ended.stdout)
