"""The invariant of the rollups of series: at every level they equal the same aggregates of the samples."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.clock import utc_now
from db.hypertables.policies import SERIES_LEVELS, Level
from rollups.choose import bucket_start
from rollups.refresh import refresh_range
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.rollups.test_rollups_equal_raw import increase

DAY = timedelta(days=1)

ages = st.integers(0, 600).map(lambda step: timedelta(minutes=step // 2, seconds=30 * (step % 2)))
disks = st.dictionaries(st.sampled_from(["C:", "D:"]), st.floats(0, 100))
interfaces = st.dictionaries(st.sampled_from(["eth0", "eth1"]), st.integers(0, 2**53))
uploads = st.lists(st.lists(st.tuples(ages, disks, interfaces), min_size=1, max_size=8), min_size=1, max_size=6)


def as_sample(at: datetime, percents: dict[str, float], received: dict[str, int]) -> dict[str, Any]:
    return sample(
        at,
        disks=[{"name": name, "percent": value} for name, value in percents.items()],
        interfaces=[{"name": name, "rx_bytes": value} for name, value in received.items()],
    )


@given(uploads=uploads, refresh_between=st.booleans())
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
async def test_after_late_duplicate_and_unordered_uploads_rollups_equal_raw(
    make_device: MakeDevice,
    database: str,
    uploads: list[list[tuple[timedelta, dict[str, float], dict[str, int]]]],
    refresh_between: bool,
) -> None:
    device = await make_device(name="property")
    base = bucket_start(utc_now(), DAY) - 3 * DAY
    sent: dict[datetime, tuple[dict[str, float], dict[str, int]]] = {}
    connection = await asyncpg.connect(database)
    for upload in uploads:
        await device.accepted(*(as_sample(base - age, percents, received) for age, percents, received in upload))
        for age, percents, received in upload:
            sent.setdefault(base - age, (percents, received))  # the first of a time stays
        if refresh_between:
            await refresh_range(connection, base - DAY, base + DAY, utc_now())
    await refresh_range(connection, base - DAY, base + DAY, utc_now())
    raw = await connection.fetch(
        "SELECT s.id, s.metric, s.instance, v.collected_at, v.value FROM agent_series s"
        " JOIN agent_series_samples v ON v.series_id = s.id WHERE s.agent_device_id = $1 ORDER BY collected_at",
        device.agent_id,
    )
    assert len(raw) == sum(len(percents) + len(received) for percents, received in sent.values())
    for level in SERIES_LEVELS[1:]:
        await assert_level_equals_raw(connection, level, raw)
    await connection.close()


async def assert_level_equals_raw(connection: asyncpg.Connection, level: Level, raw: list[asyncpg.Record]) -> None:
    assert level.bucket
    buckets: dict[tuple[int, datetime], list[asyncpg.Record]] = defaultdict(list)
    for row in raw:
        buckets[row["id"], bucket_start(row["collected_at"], level.bucket)].append(row)
    ids = list({row["id"] for row in raw})
    rows = await connection.fetch(f"SELECT * FROM {level.relation} WHERE series_id = ANY ($1)", ids)
    assert {(row["series_id"], row["bucket"]) for row in rows} == set(buckets)
    for row in rows:
        assert_bucket(row, buckets[row["series_id"], row["bucket"]])


def assert_bucket(row: asyncpg.Record, samples: list[asyncpg.Record]) -> None:
    values = [sample["value"] for sample in samples]
    times = [sample["collected_at"] for sample in samples]
    assert row["sample_count"] == len(values)
    gauge = [row["value_sum"], row["value_min"], row["value_max"]]
    counter = [row[f"value_{part}"] for part in ("first", "last", "first_at", "last_at", "increase")]
    if samples[0]["metric"] == "disk.percent":
        assert gauge == [pytest.approx(sum(values)), min(values), max(values)]
        assert counter == [None] * 5
    else:
        assert gauge == [None] * 3
        assert counter == [values[0], values[-1], times[0], times[-1], pytest.approx(increase(values), rel=1e-9)]
