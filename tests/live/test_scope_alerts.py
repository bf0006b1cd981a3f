"""The scope of alerts with many open ones, and with alerts that were over when they were found."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from api.live.scope_poller import ScopePoller
from core.clock import utc_now
from tests.alerts.replay.test_late_data import BACK, HOUR, come_back, look, make_rule
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.live.conftest import Open
from tests.live.test_scopes import followed, open_alert
from tests.people import Tenant
from tests.rules import Rules, only_alert

SECOND = timedelta(seconds=1)
MANY = 6_000


@pytest.fixture
async def oldest(pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant) -> AsyncIterator[tuple[Device, UUID]]:
    """An alert that is older than thousands of other open ones, and its device."""
    device, busy = await make_device(dora), await make_device(dora)
    alert, other = await open_alert(pool, device), await open_alert(pool, busy)
    await pool.execute("UPDATE agent_alert_history SET triggered_at = now() - interval '9 days' WHERE id = $1", alert)
    await pool.execute(
        "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, severity, instance) "
        "SELECT agent_alert_id, agent_device_id, triggered_at, severity, 'disk ' || n "
        "FROM agent_alert_history, generate_series(1, $2::integer) n WHERE id = $1",
        other, MANY,
    )  # fmt: skip
    yield device, alert
    await pool.execute("DELETE FROM agent_alert_history WHERE agent_device_id = $1", busy.agent_id)


async def test_the_oldest_of_thousands_of_alerts_is_followed_too(
    pool: asyncpg.Pool, oldest: tuple[Device, UUID]
) -> None:
    device, alert = oldest
    follower, now = ScopePoller(pool), utc_now()
    await follower.poll(now)
    counts: list[int] = []
    for change, event in (
        ("status = 'acknowledged', acknowledged_at = now()", "acknowledged"),
        ("snoozed_until = now() + interval '1 hour'", "snoozed"),
        ("snoozed_until = NULL", "snoozed"),
        ("status = 'resolved', resolved_at = now()", "resolved"),
    ):
        await pool.execute(f"UPDATE agent_alert_history SET {change} WHERE id = $1", alert)
        now += SECOND
        news = await follower.poll(now)
        assert [content["event"] for _, content in news.alerts if content["id"] == str(alert)] == [event]
        own = [content for _, content in news.devices if content["id"] == str(device.agent_id)]
        counts += [one["open_alerts"] for one in own if "open_alerts" in one]
    assert counts == [0, 1, 0]


async def test_an_alert_that_was_over_when_it_was_found_is_sent_to_its_followers_only(
    pool: asyncpg.Pool, rules: Rules, make_device: MakeDevice, open_socket: Open, dora: Tenant, charlie: Tenant
) -> None:
    device = await make_device(dora)
    now = utc_now().replace(microsecond=0)
    await make_rule(rules, pool, dora, severity="critical")
    socket, stranger = [await followed(open_socket, who.user_token, "alerts") for who in (dora, charlie)]
    await pool.execute("UPDATE agent_devices SET late_at = NULL")  # a pass reads twenty, those of other tests first
    await come_back(device, now - 3 * HOUR, BACK)
    await look(pool, now)
    alert = await only_alert(device)
    (change,) = (await socket.next("alerts"))["changed"]
    assert (change["id"], change["event"], change["status"]) == (alert["id"], "found_late", "auto_resolved")
    assert [one for one in await stranger.quiet(2) if one["type"] == "alerts"] == []
