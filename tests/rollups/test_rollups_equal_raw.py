"""The invariant of the rollups: at every level they equal the same aggregates computed from the raw samples."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.clock import utc_now
from db.hypertables.policies import LEVELS, RAW, Level
from rollups.choose import bucket_start
from rollups.refresh import refresh_range
from tests.conftest import MakeDevice
from tests.devices import sample

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

# Minutes before a fixed hour some days ago; few distinct ones, so that duplicates and crowded buckets happen.
ages = st.integers(0, 600).map(lambda step: timedelta(minutes=step // 2, seconds=30 * (step % 2)))
values = st.fixed_dictionaries(
    {"age": ages},
    optional={
        "cpu_percent": st.floats(0, 100),
        "uptime_seconds": st.integers(0, 10**6),
        "network_rx_bytes": st.integers(0, 2**53),
    },
)
uploads = st.lists(st.lists(values, min_size=1, max_size=8), min_size=1, max_size=6)


@given(uploads=uploads, refresh_between=st.booleans())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
async def test_after_late_and_duplicate_uploads_rollups_equal_raw(
    make_device: MakeDevice, database: str, uploads: list[list[dict[str, Any]]], refresh_between: bool
) -> None:
    device = await make_device(name="property")
    base = bucket_start(utc_now(), DAY) - 3 * DAY
    connection = await asyncpg.connect(database)
    for upload in uploads:
        samples = [sample(base - entry["age"], **without_age(entry)) for entry in upload]
        receipt = await device.accepted(*samples)
        assert receipt["accepted"] + receipt["duplicates"] == len(samples)
        if refresh_between:
            await refresh_range(connection, base - DAY, base + DAY, utc_now())
    await refresh_range(connection, base - DAY, base + DAY, utc_now())
    raw = await connection.fetch(
        "SELECT * FROM agent_metrics WHERE agent_device_id = $1 ORDER BY collected_at", device.agent_id
    )
    for level in LEVELS[1:]:
        await assert_level_equals_raw(connection, level, device.agent_id, raw)
    await connection.close()


def without_age(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "age"}


async def assert_level_equals_raw(
    connection: asyncpg.Connection, level: Level, agent_id: Any, raw: list[asyncpg.Record]
) -> None:
    assert level.bucket
    buckets: dict[datetime, list[asyncpg.Record]] = defaultdict(list)
    for row in raw:
        buckets[bucket_start(row["collected_at"], level.bucket)].append(row)
    query = f"SELECT * FROM {level.relation} WHERE agent_device_id = $1 ORDER BY bucket"
    rows = await connection.fetch(query, agent_id)
    assert [row["bucket"] for row in rows] == sorted(buckets)
    for row in rows:
        assert_bucket(row, buckets[row["bucket"]])


def assert_bucket(row: asyncpg.Record, samples: list[asyncpg.Record]) -> None:
    assert row["sample_count"] == len(samples)
    for name in ("cpu_percent", "uptime_seconds", "disk_percent"):
        measured = [entry[name] for entry in samples if entry[name] is not None]
        assert row[f"{name}_count"] == len(measured)
        assert row[f"{name}_sum"] == (pytest.approx(sum(measured), rel=1e-9) if measured else None)
        assert row[f"{name}_min"] == (min(measured) if measured else None)
        assert row[f"{name}_max"] == (max(measured) if measured else None)
    counted = [entry["network_rx_bytes"] for entry in samples if entry["network_rx_bytes"] is not None]
    assert row["network_rx_bytes_first"] == (counted[0] if counted else None)
    times = [entry["collected_at"] for entry in samples if entry["network_rx_bytes"] is not None]
    assert row["network_rx_bytes_first_at"] == (times[0] if times else None)
    assert row["network_rx_bytes_last_at"] == (times[-1] if times else None)
    assert row["network_rx_bytes_last"] == (counted[-1] if counted else None)
    assert row["network_rx_bytes_increase"] == (pytest.approx(increase(counted), rel=1e-9) if counted else None)


def increase(counter: list[int]) -> int:
    """How much a counter grew: by the difference, or from 0 where it was reset; a break (below 0) adds nothing."""
    stood_at = [-value - 1 if value < 0 else value for value in counter]
    pairs = zip(counter[1:], pairwise(stood_at), strict=True)
    return sum(0 if value < 0 else after - before if after >= before else after for value, (before, after) in pairs)


async def test_a_late_sample_in_a_columnstore_chunk_reaches_every_level(make_device: MakeDevice, database: str) -> None:
    device = await make_device(name="late")
    then = bucket_start(utc_now(), DAY) - 20 * DAY
    await device.accepted(*(sample(then + step * timedelta(minutes=5), cpu_percent=10) for step in range(24)))
    connection = await asyncpg.connect(database)
    await refresh_range(connection, then, then + DAY, utc_now())
    for relation in (RAW.relation, "agent_metrics_5m"):
        await connection.execute(
            "SELECT compress_chunk(c, true) FROM show_chunks($1::text::regclass, older_than => $2::timestamptz) c",
            relation, then + 8 * DAY,
        )  # fmt: skip
    receipt = await device.accepted(sample(then + timedelta(minutes=1), cpu_percent=90), sample(then, cpu_percent=10))
    assert (receipt["accepted"], receipt["duplicates"]) == (1, 1)
    await refresh_range(connection, then, then + DAY, utc_now())
    for level in LEVELS[1:]:
        highest = await connection.fetchval(
            f"SELECT max(cpu_percent_max) FROM {level.relation} WHERE agent_device_id = $1 AND bucket >= $2",
            device.agent_id, then.replace(hour=0),
        )  # fmt: skip
        assert highest == 90, level.relation
    await connection.close()


def test_the_origin_of_buckets_is_a_monday() -> None:
    assert bucket_start(datetime(2026, 11, 25, 13, tzinfo=UTC), timedelta(days=7)) == datetime(2026, 11, 23, tzinfo=UTC)
