"""A new device on the registration page: token, install command, and each step up to the first sample."""

import re

import httpx
from playwright.async_api import expect

from core.clock import utc_now
from tests.devices import sample
from tests.pages.builds import needs_browser
from tests.pages.conftest import Tab
from tests.people import Tenant

pytestmark = needs_browser


async def test_the_page_follows_the_steps_of_a_new_device(tab: Tab, client: httpx.AsyncClient, dora: Tenant) -> None:
    page = await tab.open("/admin/agents/registration")
    await page.get_by_label("Customer").select_option(str(dora.business_id))
    await page.get_by_label("Device name").fill("till-7")
    await page.get_by_role("button", name="Create a token").click()
    await expect(page.get_by_role("heading", name="The token is created")).to_be_visible()
    token = await page.locator(".token code").inner_text()
    await expect(page.get_by_label("Install command")).to_contain_text(token)
    steps = page.get_by_role("list", name="Progress").get_by_role("listitem")
    done = page.locator(".ladder li.done")
    await expect(done).to_have_count(1)
    await expect(page.locator(".ladder li.next")).to_contain_text("Registered")

    facts = {"token": token, "hostname": "till-7.shop", "os_type": "windows"}
    registered = (await client.post("/api/agents/register", json=facts)).json()
    agent, headers = registered["agent_id"], {"Authorization": f"Bearer {registered['agent_token']}"}
    await expect(done).to_have_count(2)
    await expect(steps.filter(has_text="Registered")).to_contain_text("till-7.shop, windows")

    beat = {"timestamp": utc_now().isoformat(), "status": "online", "agent_version": "1.4.2"}
    answer = await client.post(f"/api/agents/{agent}/heartbeat", json=beat, headers=headers)
    assert answer.status_code == 200, answer.text
    await expect(done).to_have_count(3)

    answer = await client.post(f"/api/agents/{agent}/metrics", json={"metrics": [sample()]}, headers=headers)
    assert answer.is_success, answer.text
    await expect(done).to_have_count(4)
    await page.get_by_role("link", name="Open the device").click()
    await expect(page).to_have_url(re.compile(f"/dashboard/agents/{agent}"))
    await expect(page.get_by_role("heading", name="till-7", level=1)).to_be_visible()


async def test_an_open_token_is_revoked(tab: Tab, client: httpx.AsyncClient, dora: Tenant) -> None:
    page = await tab.open("/admin/agents/registration")
    await page.get_by_label("Customer").select_option(str(dora.business_id))
    await page.get_by_label("Device name").fill("never-used")
    await page.get_by_role("button", name="Create a token").click()
    token = await page.locator(".token code").inner_text()
    row = page.get_by_role("row", name=re.compile("never-used"))
    await row.get_by_role("button", name="Revoke").click()
    await expect(row).to_have_count(0)
    facts = {"token": token, "hostname": "never-used", "os_type": "linux"}
    assert (await client.post("/api/agents/register", json=facts)).status_code in (401, 403, 410)
