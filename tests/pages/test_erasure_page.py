"""The tab of erasures: counted, confirmed by name, cancelled, and the certificate of one that is proven."""

import json
import re
from datetime import timedelta

import asyncpg
import pytest
from playwright.async_api import Page, expect

from auth.tokens import Tokens
from core.clock import utc_now
from devices.erasure.work import erase, prove_due
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.pages.builds import needs_browser
from tests.pages.conftest import NARROW, WIDE, OpenTab, Tab, content_of
from tests.pages.pictures import picture
from tests.people import LIFETIME, Employee, Tenant, make_employee

pytestmark = needs_browser
PATH = "/admin/agents/storage?tab=erasure"


@pytest.fixture
async def dba(pool: asyncpg.Pool, tokens: Tokens) -> Employee:
    employee = await make_employee(pool, tokens)
    claims = {"sub": str(employee.employee_id), "employee_id": str(employee.employee_id), "role": "admin"}
    return Employee(employee.employee_id, tokens.issue_person(claims, utc_now(), LIFETIME))


async def ask(page: Page, device: Device, name: str, database: str) -> None:
    """Fill the dialog: the device is searched, counted, and confirmed by both names."""
    await page.get_by_role("button", name="Request an erasure").click()
    dialog = page.get_by_role("dialog", name="Request an erasure")
    await dialog.get_by_label("For", exact=True).select_option("device")
    await dialog.get_by_role("searchbox").fill(name)
    await expect(dialog.locator(f'option[value="{device.agent_id}"]')).to_be_attached()
    await dialog.get_by_label("Which one").select_option(str(device.agent_id))
    await dialog.get_by_role("button", name="Count what it deletes").click()
    await expect(dialog.get_by_role("row", name=re.compile("agent_metrics (Rows )?1$"))).to_be_visible()
    order = dialog.get_by_role("button", name="Request an erasure")
    await dialog.get_by_label("Reason").fill("request 1234")
    await dialog.get_by_label("Name of the database").fill(database)
    await expect(order).to_be_disabled()
    await dialog.get_by_label(f"Type “{name}” to confirm").fill(name)
    await order.click()


async def test_an_erasure_is_requested_by_both_names_and_cancelled(
    open_tab: OpenTab, dba: Employee, make_device: MakeDevice, dora: Tenant, pool: asyncpg.Pool
) -> None:
    device = await make_device(dora, "erased-or-not")
    await device.accepted(sample(cpu_percent=10))
    name = await pool.fetchval("SELECT current_database()")
    page = await (await open_tab(dba)).open(PATH)
    await ask(page, device, "erased-or-not", "another")
    await expect(page.get_by_role("status").filter(has_text="wrong_database")).to_be_visible()
    assert (await device.send(sample(cpu_percent=11))).status_code == 200
    await page.get_by_label("Name of the database").fill(name)
    await page.get_by_role("dialog").get_by_role("button", name="Request an erasure").click()
    row = page.get_by_role("row", name=str(device.agent_id))
    await expect(row).to_contain_text("Waits for the night's run")
    assert (await device.send(sample(cpu_percent=12))).status_code in (401, 403)
    await row.get_by_role("button", name="Cancel it").click()
    await expect(row).to_contain_text("Cancelled")
    await expect(row.get_by_role("button", name="Cancel it")).to_have_count(0)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1440", "375"])
async def test_the_certificate_says_what_was_deleted_and_is_saved(
    open_tab: OpenTab, dba: Employee, make_device: MakeDevice, dora: Tenant, pool: asyncpg.Pool, size: dict[str, int]
) -> None:
    device = await make_device(dora, "erased-and-proven")
    await device.accepted(sample(cpu_percent=10))
    name = await pool.fetchval("SELECT current_database()")
    page = await (await open_tab(dba, viewport=size)).open(PATH)
    await ask(page, device, "erased-and-proven", name)
    row = page.get_by_role("row", name=str(device.agent_id))
    await expect(row).to_contain_text("Waits")
    number = await pool.fetchval("SELECT id FROM agent_erasures WHERE subject_id = $1", device.agent_id)
    async with pool.acquire() as connection:
        await erase(connection, number, utc_now())
        await prove_due(connection, utc_now() + timedelta(hours=2))
    await page.reload()
    await expect(row).to_contain_text("Erased and proven")
    await row.get_by_role("button", name="Certificate").click()
    dialog = page.get_by_role("dialog", name=f"Certificate of erasure {number}")
    await expect(dialog.get_by_role("row", name=re.compile("agent_metrics (Rows )?1$"))).to_be_visible()
    await picture(page, f"erasure-{size['width']}")
    async with page.expect_download() as saving:
        await dialog.get_by_role("button", name="Save as a file").click()
    saved = await saving.value
    assert saved.suggested_filename == f"erasure-{number}.json"
    certificate = json.loads(await content_of(saved))
    assert (certificate["state"], certificate["deleted"]["agent_metrics"]) == ("proven", 1)


async def test_without_the_right_the_erasures_are_only_read(tab: Tab) -> None:
    page = await tab.open(PATH)
    await expect(page.get_by_text("Changes need the right “dba”.")).to_be_visible()
    await expect(page.get_by_role("button", name="Request an erasure")).to_have_count(0)
