"""Charts from a standby: what fails there or isn't there yet is read from the primary."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from api.server.chart_reader import ChartReader
from api.services import Services
from core.database_urls import with_schema, with_setting
from core.metrics import METRICS
from core.settings import Settings
from db.server_check import UnsuitableServerError, check_writable, describe_server
from rollups.plans import HistoryQuery
from tests.databases import fresh_database
from tests.devices import Device, sample


async def test_a_standby_that_is_away_or_has_no_schema_leaves_charts_to_the_primary(
    services: Services, device: Device, tmp_path: Path
) -> None:
    now = services.clock()
    await device.accepted(sample(now - timedelta(minutes=1), cpu_percent=42))
    asked = HistoryQuery(device.agent_id, now - timedelta(hours=1), now, METRICS, None, 800, ("avg",))
    with fresh_database(tmp_path) as empty:
        for url in ("postgresql://nobody@127.0.0.1:1/none", empty, services.settings.database_url, ""):
            reader = ChartReader(services.pool, services.storage, url, 1, 20)
            try:
                for _ in range(2):  # at rest too
                    history = await reader.read(None, asked, now)
                    assert "42" in str(history), url
            finally:
                await reader.close()


async def test_a_standby_takes_no_uploads(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        server = await describe_server(connection)
    check_writable(server)
    with pytest.raises(UnsuitableServerError, match="RTS_READ_DATABASE_URL"):
        check_writable(replace(server, standby=True))


def test_a_schema_is_added_to_both_urls_and_keeps_what_is_there() -> None:
    url = "postgresql://app:p%40ss@db.example:5432/platform?sslmode=verify-full&options=-c%20jit%3Doff"
    settings = Settings(DATABASE_URL=url, read_database_url=url, RTS_SCHEMA="monitoring")
    for configured in (settings.database_url, settings.read_database_url):
        assert configured.startswith("postgresql://app:p%40ss@db.example:5432/platform?sslmode=verify-full&options=")
        assert "jit%3Doff" in configured
        assert "search_path%3Dmonitoring%2Cpublic" in configured
    assert with_schema(url, "") == url
    assert "a%5C%20b" in with_setting("postgresql://h/d", "application_name", "a b")
