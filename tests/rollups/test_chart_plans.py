"""What a chart reads: the right level, and only the chunks of its range."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from core.clock import utc_now
from core.metrics import BY_NAME
from rollups.choose import LevelQuestion, bucket_start, choose
from rollups.history import read_watermarks
from rollups.plans import HistoryQuery, complete_until, find_window, lead_time, plan_chart
from rollups.refresh import refresh_range
from tests.conftest import MakeDevice
from tests.devices import Device

DAY, FIVE = timedelta(days=1), timedelta(minutes=5)
METRICS = (BY_NAME["cpu_percent"], BY_NAME["network_rx_bytes"])
HISTORY = 26 * DAY

FILL = """
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, network_rx_bytes)
SELECT d, t, t, 50, extract(epoch FROM t)::bigint
FROM unnest($1::uuid[]) d, generate_series($2::timestamptz, $3::timestamptz, interval '5 minutes') t
"""
CHUNKS = """
SELECT k.chunk_name::text AS name, COALESCE(c.view_name, k.hypertable_name)::text AS relation,
       k.range_start, k.range_end
FROM timescaledb_information.chunks k
LEFT JOIN timescaledb_information.continuous_aggregates c ON c.materialization_hypertable_name = k.hypertable_name
"""


@dataclass(frozen=True)
class Chunk:
    relation: str
    start: datetime
    end: datetime


@pytest.fixture(scope="module")
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database, server_settings={"plan_cache_mode": "force_custom_plan"})
    yield connection
    await connection.close()


@pytest.fixture
async def charted(make_device: MakeDevice, connection: asyncpg.Connection) -> Device:
    """One of three devices with 26 days of five-minute samples, rolled up."""
    devices = [await make_device() for _ in range(3)]
    now = bucket_start(utc_now(), FIVE)
    await connection.execute(FILL, [device.agent_id for device in devices], now - HISTORY, now)
    await refresh_range(connection, now - HISTORY, now, utc_now())
    await connection.execute("ANALYZE")
    return devices[0]


async def chunks_of_chart(connection: asyncpg.Connection, device: Device, back: timedelta) -> list[Chunk]:
    """Run the chart of the time from `back` ago until now, and return the chunks that its plan scanned."""
    now = utc_now()
    asked = HistoryQuery(device.agent_id, now - back, now, METRICS)
    choice = choose(LevelQuestion(asked.start, asked.end, None, 800, FIVE), now)
    row = await connection.fetchrow("SELECT * FROM agent_devices WHERE id = $1", device.agent_id)
    assert row is not None
    complete = complete_until(choice, await read_watermarks(connection), row, now)
    window = find_window(choice, complete, lead_time(METRICS, choice, FIVE))
    sql, *arguments = plan_chart(asked, device.tenant.business_id, choice, window)
    plan = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *arguments))
    scanned = {node["Relation Name"] for node in nodes(plan[0]["Plan"]) if node.get("Actual Loops")}
    relations = {
        chunk["name"]: Chunk(chunk["relation"], chunk["range_start"], chunk["range_end"])
        for chunk in await connection.fetch(CHUNKS)
    }
    return [relations[name] for name in scanned if name in relations]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan:
        yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


async def test_a_chart_of_30_days_reads_the_1h_level_and_only_its_chunks(
    connection: asyncpg.Connection, charted: Device
) -> None:
    chunks = await chunks_of_chart(connection, charted, 30 * DAY)
    now = utc_now()
    assert {chunk.relation for chunk in chunks} == {"agent_metrics_1h", "agent_metrics"}
    for chunk in chunks:
        if chunk.relation == "agent_metrics":  # the tail: hours, not the month
            assert chunk.end > now - timedelta(hours=3)
    assert len(chunks) <= 5


async def test_a_chart_of_a_day_reads_the_5m_level_and_no_old_chunk(
    connection: asyncpg.Connection, charted: Device
) -> None:
    chunks = await chunks_of_chart(connection, charted, DAY)
    now = utc_now()
    assert "agent_metrics_5m" in {chunk.relation for chunk in chunks}
    assert "agent_metrics_1h" not in {chunk.relation for chunk in chunks}
    assert all(chunk.end > now - DAY - timedelta(minutes=10) for chunk in chunks)


async def test_a_chart_of_a_year_reads_the_1d_level(connection: asyncpg.Connection, charted: Device) -> None:
    chunks = await chunks_of_chart(connection, charted, 365 * DAY)
    assert {chunk.relation for chunk in chunks} <= {"agent_metrics_1d", "agent_metrics"}
    assert "agent_metrics_1d" in {chunk.relation for chunk in chunks}
    raw = [chunk for chunk in chunks if chunk.relation == "agent_metrics"]
    assert len(raw) <= 4
