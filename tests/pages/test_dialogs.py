"""Dialogs that keep something: a maintenance window and a saved view."""

import re
from datetime import UTC, datetime

import asyncpg
from playwright.async_api import expect

from tests.conftest import MakeDevice
from tests.pages.builds import needs_browser
from tests.pages.conftest import OpenTab, Tab
from tests.people import Employee, Tenant

pytestmark = needs_browser


async def test_a_window_is_made_changed_and_deleted(tab: Tab, dora: Tenant, pool: asyncpg.Pool) -> None:
    page = await tab.open("/dashboard/maintenance")
    await page.get_by_role("button", name="New window").click()
    dialog = page.get_by_role("dialog")
    save = dialog.get_by_role("button", name="Save")
    await dialog.get_by_label("Name").fill("Patch night")
    await expect(save).to_be_disabled()
    await dialog.get_by_label("Customer").select_option(str(dora.business_id))
    await dialog.get_by_role("button", name="Weekly").click()
    await dialog.get_by_label("Begins at").fill("22:30")
    await dialog.get_by_label("Minutes").fill("90")
    await dialog.get_by_label("Time zone").select_option("America/New_York")
    await save.click()
    row = page.get_by_role("row", name=re.compile("Patch night"))
    await expect(row).to_contain_text("Sat 22:30, 1 h 30 min (America/New_York)")
    await expect(row).to_contain_text(re.compile(r"Next|Running now"))
    query = (
        "SELECT id, local_start::text, weekdays, duration_minutes, time_zone FROM agent_maintenance_windows "
        "WHERE business_id = $1 AND window_name LIKE 'Patch night%'"
    )
    stored = await pool.fetchrow(query, dora.business_id)
    assert stored is not None
    assert tuple(stored)[1:] == ("22:30:00", [6], 90, "America/New_York")

    await row.get_by_role("button", name="Change").click()
    await dialog.get_by_role("button", name="Once").click()
    await dialog.get_by_label("From", exact=True).fill("2030-03-30T23:00")
    await dialog.get_by_label("To", exact=True).fill("2030-03-31T04:00")
    await save.click()
    await expect(row).to_contain_text("30 Mar 2030")
    times = await pool.fetchrow("SELECT starts_at, ends_at FROM agent_maintenance_windows WHERE id = $1", stored["id"])
    assert times is not None  # Berlin: four hours, since an hour is missing in that night
    assert tuple(times) == (datetime(2030, 3, 30, 22, tzinfo=UTC), datetime(2030, 3, 31, 2, tzinfo=UTC))

    await row.get_by_role("button", name="Delete").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(row).to_have_count(0)
    assert await pool.fetchrow(query, dora.business_id) is None


async def test_a_view_is_saved_shared_and_deleted_by_its_owner(
    open_tab: OpenTab, employee: Employee, dora: Tenant, make_device: MakeDevice
) -> None:
    await make_device(dora, "viewed-1")
    page = await (await open_tab(employee)).open("/dashboard/agents?q=viewed&sort=-cpu")
    await page.get_by_role("button", name="Save view").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("<b>Mine & theirs</b>")
    await dialog.get_by_label("Share it with colleagues").check()
    await dialog.get_by_role("button", name="Save").click()
    views = page.get_by_role("navigation", name="Views")
    saved = views.get_by_role("link", name="<b>Mine & theirs</b>")
    await expect(saved).to_have_attribute("aria-current", "true")

    await views.get_by_role("link", name="All").click()
    await expect(page).to_have_url(re.compile("/dashboard/agents$"))
    await saved.click()
    await expect(page).to_have_url(re.compile("q=viewed&sort=-cpu"))
    await expect(page.get_by_role("link", name="viewed-1")).to_be_visible()

    foreign = await (await open_tab(dora)).open("/dashboard/agents")
    await expect(foreign.get_by_role("link", name="viewed-1")).to_be_visible()
    await expect(foreign.get_by_text("Mine & theirs")).to_have_count(0)

    await page.get_by_role("button", name="Delete a view").click()
    await page.get_by_role("button", name="Delete “<b>Mine & theirs</b>”").click()
    await expect(saved).to_have_count(0)
