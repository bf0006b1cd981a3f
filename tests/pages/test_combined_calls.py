"""Pages that need several facts at once: how many calls they make, and what they show of the answer."""

import re
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from playwright.async_api import Route, expect

from core.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.pages.builds import needs_browser
from tests.pages.conftest import OpenTab, Tab
from tests.people import Tenant

pytestmark = needs_browser


async def alert_on(pool: asyncpg.Pool, device: Device, name: str, message: str = "m") -> UUID:
    """Open an alert on a device, of a rule that the worker does not evaluate, and return its id."""
    rule = await pool.fetchval(
        "INSERT INTO agent_alerts (alert_name, alert_type, severity, agent_device_id, conditions, is_active) "
        """VALUES ($2, 'metric', 'warning', $1, '{"metric": "cpu_percent"}', false) RETURNING id""",
        device.agent_id, name,
    )  # fmt: skip
    alert_id: UUID = await pool.fetchval(
        "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, severity, status, "
        "alert_message) VALUES ($1, $2, now() - interval '1 hour', 'warning', 'active', $3) RETURNING id",
        rule, device.agent_id, message,
    )  # fmt: skip
    return alert_id


async def outage(pool: asyncpg.Pool, device: Device, why: str) -> None:
    """Write down that a device was offline from five to two hours ago."""
    now = utc_now()
    await pool.execute(
        "UPDATE agent_devices SET created_at = now() - interval '3 days', enrolled_at = now() - interval '3 days' "
        "WHERE id = $1",
        device.agent_id,
    )
    for hours, was, then, reason in (
        (5, "online", "offline", why),
        (2, "offline", "online", "it is back"),
    ):
        await pool.execute(
            "INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data) VALUES "
            "($1, 'status_changed', $2, $2, jsonb_build_object('from', $3::text, 'to', $4::text, 'why', $5::text))",
            device.agent_id, now - timedelta(hours=hours), was, then, reason,
        )  # fmt: skip


async def test_an_outage_shows_its_reason_from_one_call(
    tab: Tab, make_device: MakeDevice, dora: Tenant, pool: asyncpg.Pool
) -> None:
    device = await make_device(dora, "with-an-outage")
    await outage(pool, device, "the plug was pulled")
    paths: list[str] = []
    tab.page.on("request", lambda request: paths.append(request.url.partition("?")[0]))
    page = await tab.open(f"/dashboard/agents/{device.agent_id}")
    lane = page.locator(".lane-statuses")
    await expect(lane.get_by_title(re.compile("the plug was pulled"))).to_be_visible()
    of_device = [path.rpartition("/")[2] for path in paths if f"/api/agents/{device.agent_id}/" in path]
    assert "annotations" in of_device
    assert not {"events", "changes"} & set(of_device)
    assert not [path for path in paths if path.endswith("maintenance-windows")]


async def test_an_outage_is_in_words_of_the_chosen_language(
    open_tab: OpenTab, make_device: MakeDevice, dora: Tenant, pool: asyncpg.Pool
) -> None:
    device = await make_device(dora, "con-corte")
    await outage(pool, device, "it fell silent")
    page = await (await open_tab(dora, locale="es-ES")).open(f"/dashboard/agents/{device.agent_id}")
    await expect(page.locator(".lane-statuses").get_by_title(re.compile("dejó de responder"))).to_be_visible()


@pytest.mark.parametrize("status", [403, 422, 500])
async def test_charts_stand_without_their_marks(tab: Tab, make_device: MakeDevice, dora: Tenant, status: int) -> None:
    device = await make_device(dora, "without-marks")
    await device.accepted(sample(cpu_percent=12))
    page = tab.page

    async def refuse(route: Route) -> None:
        await route.fulfill(status=status, json={"error": {"code": "odd", "message": "no", "details": None}})

    await page.route("**/annotations?*", refuse)
    await tab.open(f"/dashboard/agents/{device.agent_id}")
    quiet = page.get_by_role("status").filter(has_text="reasons of gaps cannot be loaded at the moment")
    await expect(quiet).to_be_visible()
    await expect(page.locator(".chart canvas").first).to_be_visible()
    await expect(page.get_by_role("alert")).to_have_count(0)
    await page.unroute("**/annotations?*")
    await quiet.get_by_role("button", name="Try again").click()
    await expect(quiet).to_have_count(0)


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
    await expect(page.get_by_text("1 had already ended")).to_be_visible()
    assert [url.removeprefix(tab.site) for url in sent] == ["/api/agents/alerts/bulk"]
    query = "SELECT id, status FROM agent_alert_history WHERE agent_device_id = $1"
    stored = {row["id"]: row["status"] for row in await pool.fetch(query, device.agent_id)}
    assert stored == {ids[0]: "resolved", ids[1]: "acknowledged", ids[2]: "acknowledged"}


@pytest.mark.parametrize("message", ["word " * 60, "w" * 300], ids=["words", "one word"])
async def test_a_long_message_of_an_alert_keeps_to_a_narrow_screen(
    open_tab: OpenTab, make_device: MakeDevice, dora: Tenant, pool: asyncpg.Pool, message: str
) -> None:
    device = await make_device(dora, "with-a-long-alert")
    alert = await alert_on(pool, device, "long", message)
    pages = (f"/dashboard/agents/{device.agent_id}", f"/dashboard/agents/alerts?alert={alert}", "/dashboard")
    # Dora's own overview: others' alerts come first in an employee's.
    tab = await open_tab(dora, viewport={"width": 320, "height": 700})
    for path in pages:
        page = await tab.open(path)
        await expect(page.get_by_role("link", name="long").first).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320, path
