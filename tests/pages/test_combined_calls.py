"""Pages that need several facts at once: how many calls they make, and what they show of the answer."""

import re
from datetime import timedelta
from uuid import UUID

import asyncpg
from playwright.async_api import expect

from core.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.pages.builds import needs_browser
from tests.pages.conftest import Tab
from tests.people import Tenant

pytestmark = needs_browser


async def alert_on(pool: asyncpg.Pool, device: Device, name: str) -> UUID:
    """Open an alert on a device, of a rule that the worker does not evaluate, and return its id."""
    rule = await pool.fetchval(
        "INSERT INTO agent_alerts (alert_name, alert_type, severity, agent_device_id, conditions, is_active) "
        """VALUES ($2, 'metric', 'warning', $1, '{"metric": "cpu_percent"}', false) RETURNING id""",
        device.agent_id, name,
    )  # fmt: skip
    made: UUID = await pool.fetchval(
        "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, severity, status, "
        "alert_message) VALUES ($1, $2, now() - interval '1 hour', 'warning', 'active', 'm') RETURNING id",
        rule, device.agent_id,
    )  # fmt: skip
    return made


async def test_an_outage_shows_its_reason_from_one_call(
    tab: Tab, make_device: MakeDevice, dora: Tenant, pool: asyncpg.Pool
) -> None:
    device, now = await make_device(dora, "with-an-outage"), utc_now()
    await pool.execute(
        "UPDATE agent_devices SET created_at = now() - interval '3 days', enrolled_at = now() - interval '3 days' "
        "WHERE id = $1",
        device.agent_id,
    )
    for hours, was, then, why in (
        (5, "online", "offline", "the plug was pulled"),
        (2, "offline", "online", "it is back"),
    ):
        await pool.execute(
            "INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data) VALUES "
            "($1, 'status_changed', $2, $2, jsonb_build_object('from', $3::text, 'to', $4::text, 'why', $5::text))",
            device.agent_id, now - timedelta(hours=hours), was, then, why,
        )  # fmt: skip
    paths: list[str] = []
    tab.page.on("request", lambda request: paths.append(request.url.partition("?")[0]))
    page = await tab.open(f"/dashboard/agents/{device.agent_id}")
    lane = page.locator(".lane-statuses")
    await expect(lane.get_by_title(re.compile("the plug was pulled"))).to_be_visible()
    of_device = [path.rpartition("/")[2] for path in paths if f"/api/agents/{device.agent_id}/" in path]
    assert "annotations" in of_device
    assert not {"events", "changes"} & set(of_device)
    assert not [path for path in paths if path.endswith("maintenance-windows")]


async def test_many_alerts_are_acknowledged_with_one_call_and_an_ended_one_is_counted(
    tab: Tab, make_device: MakeDevice, dora: Tenant, pool: asyncpg.Pool
) -> None:
    device = await make_device(dora, "with-three-alerts")
    ids = [await alert_on(pool, device, f"together {number}") for number in range(3)]
    page = await tab.open(f"/dashboard/agents/alerts?agent={device.agent_id}")
    for number in range(3):
        await page.get_by_role("checkbox", name=re.compile(f"together {number}")).check()
    await pool.execute("UPDATE agent_alert_history SET status = 'resolved', resolved_at = now() WHERE id = $1", ids[0])
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    await page.get_by_role("region", name="3 selected").get_by_role("button", name="Acknowledge").click()
    await expect(page.get_by_text("1 had ended before")).to_be_visible(timeout=15_000)
    assert [url.removeprefix(tab.site) for url in sent] == ["/api/agents/alerts/bulk"]
    query = "SELECT id, status FROM agent_alert_history WHERE agent_device_id = $1"
    stored = {row["id"]: row["status"] for row in await pool.fetch(query, device.agent_id)}
    assert stored == {ids[0]: "resolved", ids[1]: "acknowledged", ids[2]: "acknowledged"}
