"""Retention on the storage page: what-if, plan, sign-off, undo, history, holds; and who may."""

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from db.hypertables.policies import DAY
from tests.pages.builds import CHROMIUM, needs_browser
from tests.pages.conftest import ARGUMENTS, COOKIE, WIDE, Tab
from tests.pages.pictures import picture
from tests.people import Employee
from tests.retention.conftest import Server, store_days
from tests.serving import serving

pytestmark = needs_browser


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def tab(browser: Browser, server: Server) -> AsyncIterator[Tab]:
    """A tab of nobody on the server whose retention may be changed; at the end it may have had no fault."""
    async with serving(server.application) as port:
        context = await browser.new_context(viewport=WIDE, locale="en-GB", timezone_id="Europe/Berlin")  # type: ignore[arg-type]
        opened = Tab(await context.new_page(), f"http://127.0.0.1:{port}")
        yield opened
        await context.close()
        assert opened.faults == []


async def open_retention(tab: Tab, who: Employee) -> Page:
    cookie = {"name": COOKIE, "value": who.token, "url": tab.site, "httpOnly": True}
    await tab.page.context.add_cookies([cookie])  # type: ignore[list-item]
    page = await tab.open("/admin/agents/storage?tab=retention")
    await expect(page.get_by_role("table", name="How long each level is kept")).to_be_visible()
    return page


async def test_a_dba_plans_signs_off_and_undoes(
    tab: Tab,
    server: Server,
    connection: asyncpg.Connection,
) -> None:
    await store_days(connection)
    name = await connection.fetchval("SELECT current_database()")
    page = await open_retention(tab, server.dba)
    await page.get_by_label("Keep raw").fill("14d")
    await page.get_by_role("button", name="Create a plan").click()
    plan = page.get_by_role("region", name="Plan")
    await expect(plan).to_contain_text("This plan cannot be applied")
    await expect(plan.get_by_role("button", name="Sign off and apply")).to_have_count(0)

    await page.get_by_label("Allow to drop more than a quarter of a table").check()
    await page.get_by_role("button", name="Create a plan").click()
    await expect(plan).to_contain_text("raw is kept for 14 days instead of 30")
    await expect(plan.get_by_role("table", name="What is dropped")).to_contain_text("agent_metrics")
    apply = plan.get_by_role("button", name="Sign off and apply")
    await expect(apply).to_be_disabled()
    await plan.get_by_label("Reason").fill("ticket 4711")
    await plan.get_by_label(re.compile("Type the name of the database")).fill(name)
    await picture(page, "retention-plan")
    await apply.click()
    waiting = page.get_by_role("status").filter(has_text="A change waits.")
    await expect(waiting).to_contain_text("raw 30 d → 14 d")
    row = await connection.fetchrow("SELECT state, reason FROM agent_retention_changes")
    assert row is not None
    assert tuple(row) == ("waiting", "ticket 4711")

    await waiting.get_by_role("button", name="Undo").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name of the database").fill("another")
    await dialog.get_by_role("button", name="Undo").click()
    await expect(page.get_by_text(re.compile("wrong_database"))).to_be_visible()
    await dialog.get_by_label("Name of the database").fill(name)
    await dialog.get_by_role("button", name="Undo").click()
    await expect(waiting).to_have_count(0)
    await expect(page.get_by_role("table", name="Changes")).to_contain_text("Undone")
    assert await connection.fetchval("SELECT keep FROM agent_storage_levels WHERE level = 'raw'") == 30 * DAY


async def test_a_hold_is_placed_on_a_customer_and_released(
    tab: Tab,
    server: Server,
    connection: asyncpg.Connection,
) -> None:
    page = await open_retention(tab, server.dba)
    await expect(page.get_by_text("No legal holds")).to_be_visible()
    await page.get_by_role("button", name="Place a hold").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Held").select_option(label="Alice")
    await dialog.get_by_label("Reason").fill("litigation 17/26")
    await dialog.get_by_role("button", name="Place a hold").click()
    held = page.get_by_role("table", name="Legal holds")
    await expect(held).to_contain_text("litigation 17/26")
    assert await connection.fetchval("SELECT count(*) FROM agent_legal_holds WHERE released_at IS NULL") == 1
    await held.get_by_role("button", name="Release").click()
    await expect(held.get_by_role("button", name="Release")).to_have_count(0)
    await expect(held).to_contain_text("released")
    assert await connection.fetchval("SELECT count(*) FROM agent_legal_holds WHERE released_at IS NULL") == 0


async def test_a_technician_reads_and_changes_nothing(tab: Tab, server: Server) -> None:
    page = await open_retention(tab, server.technician)
    await expect(page.get_by_text("Changes need the right “dba”.")).to_be_visible()
    await expect(page.get_by_role("button", name="Create a plan")).to_have_count(0)
    await expect(page.get_by_role("button", name="Place a hold")).to_have_count(0)
