"""A part of a scope that cannot be read keeps nothing else from its followers."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from api.live.clients import FollowedScope
from api.live.hub import Hub
from api.live.scope_poller import QUERIES, ScopePoller
from api.live.scopes import ScopeChanges, Scopes
from core.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.live.test_scopes import open_alert
from tests.people import Tenant

SECOND = timedelta(seconds=1)


class PoolWithFault:
    """A pool whose database refuses some of the queries while `refused` names them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.refused: Sequence[str] = ()

    async def fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """Fetch, or raise as the driver does for a value that it cannot convert."""
        if query in [QUERIES.statements[name].sql for name in self.refused]:
            raise asyncpg.NumericValueOutOfRangeError("a value that another program wrote")
        return await self._pool.fetch(query, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)


def devices_in(news: ScopeChanges) -> set[str]:
    return {content["id"] for _, content in news.devices if "cpu_percent" in content}


def alerts_in(news: ScopeChanges) -> list[str]:
    return [content["id"] for _, content in news.alerts]


async def first_poll(pool: asyncpg.Pool) -> tuple[PoolWithFault, ScopePoller, datetime]:
    faulty, now = PoolWithFault(pool), utc_now()
    poller = ScopePoller(faulty)  # type: ignore[arg-type]
    await poller.poll(now)
    return faulty, poller, now


async def test_alerts_that_cannot_be_read_leave_the_devices(
    pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    device: Device = await make_device(dora)
    faulty, poller, now = await first_poll(pool)
    faulty.refused = ["open_alerts"]
    alert = await open_alert(pool, device)
    await device.accepted(sample(cpu_percent=11))
    with caplog.at_level(logging.ERROR):
        news = await poller.poll(now + SECOND)
        assert str(device.agent_id) in devices_in(news)
        assert (alerts_in(news), set(news.more)) == ([], set())
        await poller.poll(now + 2 * SECOND)
    assert len([one for one in caplog.records if "part alerts" in one.getMessage()]) == 1
    faulty.refused = []
    news = await poller.poll(now + 3 * SECOND)
    assert (alerts_in(news), set(news.more)) == ([], {"alerts"})
    later = await open_alert(pool, device)
    news = await poller.poll(now + 4 * SECOND)
    assert str(later) in alerts_in(news)
    assert str(alert) not in alerts_in(news)
    assert news.more == frozenset()


@pytest.mark.parametrize("part", ["changed_devices", "registration_tokens"])
async def test_a_part_of_the_fleet_that_cannot_be_read_leaves_the_alerts(
    pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant, part: str
) -> None:
    device = await make_device(dora)
    faulty, poller, now = await first_poll(pool)
    faulty.refused = [part]
    alert = await open_alert(pool, device)
    news = await poller.poll(now + SECOND)
    assert str(alert) in alerts_in(news)
    faulty.refused = []
    assert (await poller.poll(now + 2 * SECOND)).more == {"fleet"}


async def test_a_first_poll_that_fails_in_part_announces_nothing_old(
    pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant
) -> None:
    alert = await open_alert(pool, await make_device(dora))
    faulty, now = PoolWithFault(pool), utc_now()
    poller = ScopePoller(faulty)  # type: ignore[arg-type]
    faulty.refused = ["open_alerts"]
    await poller.poll(now)
    faulty.refused = []
    news = await poller.poll(now + SECOND)
    assert str(alert) not in alerts_in(news)
    assert news.more == {"alerts"}


class CountedPoller(ScopePoller):
    """Counts how often the tables are read."""

    polls = 0

    async def poll(self, now: datetime) -> ScopeChanges:
        self.polls += 1
        return await super().poll(now)


class Follower:
    """What `Scopes.follow` needs of a client."""

    def __init__(self) -> None:
        self.scopes: set[FollowedScope] = set()


async def test_followers_that_begin_at_once_share_one_read_of_the_tables(pool: asyncpg.Pool) -> None:
    poller = CountedPoller(pool)
    scopes = Scopes(Hub(), poller, utc_now)
    followers = [Follower() for _ in range(5)]
    await asyncio.gather(*(scopes.follow(one, FollowedScope("fleet", None)) for one in followers))  # type: ignore[arg-type]
    assert poller.polls == 1
    assert all(one.scopes for one in followers)
