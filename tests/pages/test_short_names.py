"""Everything that a person names has one letter: whatever of it is a link or a button stays large enough to hit."""

from datetime import timedelta

import asyncpg
import httpx
import pytest
from playwright.async_api import Page

from auth.tokens import Tokens
from core.clock import utc_now
from tests.devices import Device, register_device, sample
from tests.pages.axe import run_axe
from tests.pages.builds import needs_browser
from tests.pages.conftest import NARROW, WIDE, OpenTab, resize
from tests.pages.showcase import install
from tests.pages.test_for_all import settled
from tests.people import Employee, Tenant, make_tenant
from tests.rules import Rules, open_alert

pytestmark = needs_browser

HITS = {"runOnly": {"type": "rule", "values": ["target-size", "link-name", "button-name"]}}
OF_ALL = (
    "/dashboard", "/dashboard/agents?q=z", "/dashboard/agents/alerts", "/dashboard/agents/alerts?group=device",
    "/dashboard/agents/alerts?group=rule", "/dashboard/commands", "/dashboard/maintenance", "/dashboard/software?q=s",
)  # fmt: skip
OF_EMPLOYEES = (
    "/admin/agents?q=z", "/admin/agents/alerts?q=a", "/admin/agents/registration", "/admin/agents/gateways",
    "/admin/agents/storage?tab=retention",
)  # fmt: skip
TABS = ("disks", "services", "software", "commands", "alerts", "events")


@pytest.fixture
async def short(client: httpx.AsyncClient, pool: asyncpg.Pool, tokens: Tokens, employee: Employee) -> Device:
    """A device of one letter, of a customer and a site of one letter, with an alert, a disk, a window and a view."""
    tenant = await make_tenant(pool, tokens, "x")
    await pool.execute("UPDATE service_locations SET location_name = 'y' WHERE id = $1", tenant.location_id)
    device = await register_device(client, employee, tenant, "z", 300)
    now = utc_now()
    for step in range(5):
        await device.accepted(
            sample(now - timedelta(minutes=5 * step), cpu_percent=97, disks=[{"name": "C", "percent": 40}])
        )
    await install(device)
    rule = await Rules(client, pool, employee).make(tenant, alert_name="a", severity="critical")
    await open_alert(pool, device, rule)
    view = {"page": "agents", "name": "v", "query": "q=z"}
    answer = await client.post("/api/views", json=view, headers=tenant.headers)
    assert answer.status_code < 300, answer.text
    for path, body in (
        ("/api/views", view),
        ("/api/agents/gateways", {"name": "g", "business_id": str(tenant.business_id)}),
        ("/api/agents/maintenance-windows", {
            "window_name": "w", "agent_device_id": str(device.agent_id),
            "starts_at": now.isoformat(), "ends_at": (now + timedelta(hours=1)).isoformat(),
        }),
    ):  # fmt: skip
        answer = await client.post(path, json=body, headers=employee.headers)
        assert answer.status_code < 300, (path, answer.text)
    return device


async def too_small(page: Page) -> list[str]:
    """Return what axe finds too small to hit on the page as it stands."""
    await settled(page)
    violations = await run_axe(page, HITS)
    return [f"{one['id']}: {node['html'][:160]}" for one in violations for node in one["nodes"]]


async def test_names_of_one_letter_can_be_hit(open_tab: OpenTab, employee: Employee, short: Device) -> None:
    device = f"/dashboard/agents/{short.agent_id}"
    of_device = tuple(f"{device}?tab={name}" for name in TABS)
    own: tuple[Tenant | Employee, tuple[str, ...]] = (short.tenant, (*OF_ALL, *of_device))
    sizes = [WIDE, NARROW]
    for who, paths in (own, (employee, (*OF_ALL[1:2], *of_device[:1], *OF_EMPLOYEES))):
        tab = await open_tab(who, viewport=sizes[0])
        for path in paths:
            page = await tab.open(path)
            for size in sizes:
                await resize(page, size)
                assert await too_small(page) == [], (path, size)
            sizes.reverse()  # every second page is loaded in the narrow one
