"""A repeated chart is planned with what is remembered of its device, and gives what it would give without."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from core.clock import utc_now
from core.errors import AgentNotFoundError
from core.metrics import METRICS
from rollups.charted_devices import MAX_AGE, MAX_REMEMBERED, ChartedDevice, ChartMemory, read_device, still_holds
from rollups.errors import InvalidRangeError
from rollups.history import History, read_history
from rollups.plans import ROLLUPS, HistoryQuery
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Tenant

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NOW = utc_now()


@pytest.fixture
async def charted(make_device: MakeDevice) -> Device:
    """A device of Alice's with a sample every five minutes of nearly four hours, which touch four hours at least."""
    device = await make_device(interval=300)
    await device.accepted(*(sample(utc_now() - 5 * n * MINUTE, cpu_percent=n, network_rx_bytes=n) for n in range(47)))
    return device


async def read(
    pool: asyncpg.Pool, device: Device, memory: ChartMemory | None, now: datetime, **changes: Any
) -> History:
    query = replace(HistoryQuery(device.agent_id, now - 12 * HOUR, now, METRICS), **changes)
    return await read_history(pool, device.tenant.business_id, query, now, memory=memory)


async def remembered(pool: asyncpg.Pool, device: Device, **changes: Any) -> ChartedDevice:
    async with pool.acquire() as connection:
        present = await read_device(connection, device.tenant.business_id, device.agent_id, ROLLUPS)
    return {**present, **changes}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"metrics_interval_seconds": 60},
        {"metrics_interval_seconds": 86_400},
        {"business_id": uuid4()},
        {"former": [[None, 30]]},
        {"late_from": NOW - 5 * HOUR, "late_at": NOW},
        {"watermarks": {}},
        {"watermarks": dict.fromkeys(ROLLUPS, NOW + 400 * 24 * HOUR)},
        {"watermarks": dict.fromkeys(ROLLUPS, NOW - 3 * HOUR)},
    ],
    ids=lambda wrong: ",".join(wrong) or "as it is",
)
@pytest.mark.parametrize("span", [12 * HOUR, 8 * 24 * HOUR])
async def test_points_are_the_same_whatever_is_remembered(
    pool: asyncpg.Pool, charted: Device, wrong: dict[str, Any], span: timedelta
) -> None:
    now, memory = utc_now(), ChartMemory()
    key = (charted.tenant.business_id, charted.agent_id)
    memory.keep(key, await remembered(pool, charted, **wrong), now)
    fresh, repeated = [await read(pool, charted, each, now, start=now - span) for each in (None, memory)]
    assert len(fresh.points.times) > 3
    assert (repeated.points, repeated.grid, repeated.choice) == (fresh.points, fresh.grid, fresh.choice)
    present = memory.recall(key, now)
    assert present is not None
    assert still_holds(present, await remembered(pool, charted))  # a refresh may have come between


async def test_a_late_sample_shows_in_the_next_chart(pool: asyncpg.Pool, charted: Device) -> None:
    memory = ChartMemory()
    before = await read(pool, charted, memory, utc_now())
    await charted.accepted(sample(utc_now() - 9 * HOUR, cpu_percent=99))
    after = await read(pool, charted, memory, utc_now())
    assert sum(after.points.samples) == sum(before.points.samples) + 1


async def test_a_device_that_is_gone_is_not_found_and_forgotten(
    pool: asyncpg.Pool, charted: Device, bob: Tenant
) -> None:
    now, memory = utc_now(), ChartMemory()
    key = (bob.business_id, charted.agent_id)
    memory.keep(key, await remembered(pool, charted), now)  # as if Bob had had it
    query = HistoryQuery(charted.agent_id, now - HOUR, now, METRICS)
    with pytest.raises(AgentNotFoundError):
        await read_history(pool, bob.business_id, query, now, memory=memory)
    assert memory.recall(key, now) is None
    # Without a device a range is not looked at.
    memory.keep(key, await remembered(pool, charted), now)
    with pytest.raises(AgentNotFoundError):
        await read_history(pool, bob.business_id, replace(query, end=query.start), now, memory=memory)


async def test_a_range_that_is_refused_is_refused_again(pool: asyncpg.Pool, charted: Device) -> None:
    now, memory = utc_now(), ChartMemory()
    await read(pool, charted, memory, now)
    with pytest.raises(InvalidRangeError):
        await read(pool, charted, memory, now, start=now)


class CountingPool:
    """A pool that counts the statements on its connections."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.statements = 0
        self._pool = pool

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["CountingPool"]:
        """Lend this pool: a statement on it is one on a connection."""
        yield self

    def __getattr__(self, name: str) -> Any:
        self.statements += 1
        return getattr(self._pool, name)


async def test_a_repeated_chart_is_one_statement(pool: asyncpg.Pool, charted: Device) -> None:
    counting: Any = CountingPool(pool)
    memory, counts = ChartMemory(), []
    for _ in range(3):
        await read(counting, charted, memory, utc_now())
        counts.append(counting.statements)
    assert counts == [2, 3, 4]


def test_a_level_may_be_complete_for_longer_than_planned_but_not_for_less() -> None:
    device = ChartedDevice(
        business_id=uuid4(), metrics_interval_seconds=60, owned_since=None, former=None, late_from=None, late_at=None,
        late_before=None, late_since=None, watermarks={"a": NOW, "b": NOW},
    )  # fmt: skip
    assert still_holds(device, {**device, "watermarks": {"a": NOW + HOUR, "b": NOW}})
    assert not still_holds(device, {**device, "watermarks": {"a": NOW + HOUR, "b": NOW - HOUR}})
    assert not still_holds(device, {**device, "watermarks": {"a": NOW}})
    assert not still_holds(device, {**device, "late_from": NOW})


def test_the_device_charted_longest_ago_is_forgotten() -> None:
    memory, tenant = ChartMemory(), uuid4()
    device: Any = {}
    keys = [(tenant, uuid4()) for _ in range(MAX_REMEMBERED + 2)]
    for key in [*keys[:MAX_REMEMBERED], keys[0], *keys[MAX_REMEMBERED:]]:
        memory.keep(key, device, NOW)
    assert [memory.recall(key, NOW) is None for key in keys[:4]] == [False, True, True, False]
    assert memory.recall(keys[0], NOW + MAX_AGE) is None
