"""The page of gateways: a token is made and shown once, waiting hosts are confirmed or refused, a token is revoked."""

import asyncio
import re

import httpx
from playwright.async_api import expect

from core.clock import utc_now
from tests.pages.builds import needs_browser
from tests.pages.conftest import OpenTab, Tab
from tests.pages.pictures import picture
from tests.people import Tenant

pytestmark = needs_browser


async def test_a_gateway_brings_hosts_that_an_employee_decides_on(
    tab: Tab, client: httpx.AsyncClient, dora: Tenant
) -> None:
    page = await tab.open("/admin/agents/gateways")
    await page.get_by_role("button", name="New gateway").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Customer", exact=True).select_option(str(dora.business_id))
    await dialog.get_by_label("Name", exact=True).fill("telegraf-of-dora")
    await dialog.get_by_role("button", name="New gateway").click()
    created_dialog = page.get_by_role("dialog", name="telegraf-of-dora is created")
    token = await created_dialog.locator(".token code").inner_text()
    await created_dialog.get_by_role("button", name="Close").click()
    assert token not in await page.locator("body").inner_text()

    at = int(utc_now().timestamp()) - 60
    body = "".join(f"cpu,host={host} usage_idle=40 {at}\n" for host in ("till-1", "till-2")).encode()
    headers = {"Authorization": f"Token {token}"}
    answer = await client.post("/api/v2/write?precision=s", content=body, headers=headers)
    assert answer.status_code < 500, answer.text
    await page.reload()
    await page.get_by_role("link", name="telegraf-of-dora").click()
    hosts = page.get_by_role("table", name="Hosts")
    await expect(hosts).to_contain_text("till-1")
    await picture(page, "gateways")
    await hosts.get_by_role("row", name=re.compile("till-1")).get_by_role("button", name="Confirm").click()
    confirm = page.get_by_role("dialog", name="Confirm till-1")
    await confirm.get_by_label("Device name").fill("Till 1")
    await confirm.get_by_role("button", name="Confirm").click()
    await expect(hosts.get_by_role("row", name=re.compile("till-1"))).to_have_count(0)  # no row moves under the click
    await hosts.get_by_role("row", name=re.compile("till-2")).get_by_role("button", name="Refuse").click()
    await expect(page.get_by_text("No host waits")).to_be_visible()
    await page.get_by_role("link", name="Confirmed").click()
    await hosts.get_by_role("link", name="Till 1").click()
    await expect(page.get_by_role("heading", name="Till 1", level=1)).to_be_visible()

    await page.go_back()
    row = page.get_by_role("row", name=re.compile("telegraf-of-dora")).first
    await row.get_by_role("button", name="Revoke").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(row).to_contain_text("revoked")
    async with asyncio.timeout(60):  # processes read what gateways there are every 5 seconds
        while answer.status_code != 401:
            answer = await client.post("/api/v2/write?precision=s", content=body, headers=headers)


async def test_the_page_is_unknown_to_customers(open_tab: OpenTab, alice: Tenant) -> None:
    tab = await open_tab(alice)
    page = await tab.open("/admin/agents/gateways")
    await expect(page.get_by_role("heading", name="This page does not exist")).to_be_visible()
