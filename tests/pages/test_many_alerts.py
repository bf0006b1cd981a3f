"""More open alerts than the page reads at once: a filter looks at all of them."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from playwright.async_api import expect

from tests.conftest import MakeDevice
from tests.pages.builds import needs_browser
from tests.pages.conftest import OpenTab
from tests.people import Employee, Tenant
from tests.rules import Rules, open_alert

pytestmark = needs_browser
MANY = 1_100


@pytest.fixture
async def many(
    client: httpx.AsyncClient, pool: asyncpg.Pool, employee: Employee, make_device: MakeDevice, dora: Tenant
) -> AsyncIterator[None]:
    """An old alert of a quiet device behind many new ones of a busy one."""
    rule = await Rules(client, pool, employee).make(dora, alert_name="Behind many", severity="critical")
    quiet, busy = await make_device(dora, "the-quiet-one"), await make_device(dora, "the-busy-one")
    alert, other = await open_alert(pool, quiet, rule), await open_alert(pool, busy, rule)
    await pool.execute("UPDATE agent_alert_history SET triggered_at = now() - interval '9 days' WHERE id = $1", alert)
    await pool.execute(
        "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, severity, instance) "
        "SELECT agent_alert_id, agent_device_id, triggered_at, severity, 'disk ' || n "
        "FROM agent_alert_history, generate_series(1, $2::integer) n WHERE id = $1",
        other, MANY,
    )  # fmt: skip
    yield
    await pool.execute("DELETE FROM agent_alert_history WHERE agent_device_id = $1", busy.agent_id)


async def test_a_filter_finds_an_alert_behind_the_first_thousand(open_tab: OpenTab, dora: Tenant, many: None) -> None:
    page = await (await open_tab(dora)).open("/dashboard/agents/alerts?q=the-quiet-one")
    await expect(page.get_by_role("link", name="the-quiet-one").first).to_be_visible(timeout=60_000)
    await expect(page.locator("main .counts")).to_have_text("1 alert")
    await expect(page.get_by_role("button", name="Load more")).to_have_count(0)
