"""A command that a second employee must approve, on the pages of both."""

import asyncpg
import httpx
from playwright.async_api import expect

from auth.tokens import Tokens
from tests.conftest import MakeDevice
from tests.pages.builds import needs_browser
from tests.pages.conftest import OpenTab
from tests.people import Employee, Tenant, make_employee

pytestmark = needs_browser


async def test_only_the_second_employee_can_approve_a_command(
    open_tab: OpenTab, client: httpx.AsyncClient, make_device: MakeDevice, dora: Tenant, employee: Employee,
    pool: asyncpg.Pool, tokens: Tokens,
) -> None:  # fmt: skip
    device = await make_device(dora, "to-be-approved")
    url = f"/api/agents/{device.agent_id}/commands"
    body = {"command_type": "collect_now", "params": {}, "approval_required": True}
    ordered = await client.post(url, json=body, headers=employee.headers)
    assert ordered.status_code == 201, ordered.text
    command = ordered.json()["command_id"]
    path = f"/dashboard/commands?state=approval&command={command}"

    first = await (await open_tab(employee)).open(path)
    await expect(first.get_by_text("You ordered it: another employee must approve it.")).to_be_visible()
    await expect(first.get_by_role("button", name="Approve", exact=True)).to_have_count(0)

    second = await make_employee(pool, tokens)
    page = await (await open_tab(second)).open(path)
    await page.get_by_role("button", name="Approve", exact=True).click()
    await expect(page.get_by_text("Approved", exact=True).first).to_be_visible()
    row = await pool.fetchrow("SELECT approved_by, approved_at FROM agent_commands WHERE id = $1::uuid", command)
    assert row is not None
    assert (row["approved_by"], row["approved_at"] is not None) == (second.employee_id, True)
