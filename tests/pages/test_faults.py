"""Devices and names at the edges: no data ever, five years of it, odd names; what a person sees on the device page."""

from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import quote

import asyncpg
import pytest
from playwright.async_api import Page, expect

from core.clock import utc_now
from rollups.refresh import refresh_range
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.pages.builds import needs_browser
from tests.pages.conftest import NARROW, WIDE, OpenTab, Tab
from tests.pages.pictures import picture
from tests.people import Employee, Tenant

pytestmark = needs_browser

NAMES = {
    "markup": "<img src=x onerror=alert(1)><b>bold",
    "right-to-left": "שרת-הנהלת-חשבונות \u202egnp.exe",
    "zero-width": "till\u200b\u200d\u2060-7",
    "255-letters": "l" + "o" * 253 + "g",
}


async def test_a_device_that_never_sent_anything_says_so(tab: Tab, make_device: MakeDevice, dora: Tenant) -> None:
    device = await make_device(dora, "never-sent-anything")
    page = await tab.open(f"/dashboard/agents/{device.agent_id}")
    await expect(page.get_by_role("heading", name="never-sent-anything", level=1)).to_be_visible()
    await expect(page.locator(".charts")).to_contain_text("No samples in this range")
    await expect(page.locator("canvas").first).to_be_visible()
    assert "NaN" not in await page.locator("body").inner_text()
    assert "Invalid" not in await page.locator("body").inner_text()
    await picture(page, "faults/no-data-ever")
    for name in ("Disks", "Software", "Commands", "Alerts", "Events"):
        await page.locator(".device-tabs nav").get_by_role("link", name=name).click()
        await expect(page.locator(".tab-body .skeleton")).to_have_count(0)
        await expect(page.locator(".tab-body").get_by_role("alert")).to_have_count(0)


@pytest.fixture
async def old_device(pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant) -> AsyncIterator[Device]:
    """A device whose days of five years are in the rollup that is kept so long."""
    device = await make_device(dora, "five-years-old")
    await pool.execute(
        "UPDATE agent_devices SET created_at = now() - interval '5 years' WHERE id = $1", device.agent_id
    )
    found = await pool.fetchrow(
        "SELECT materialization_hypertable_schema, materialization_hypertable_name "
        "FROM timescaledb_information.continuous_aggregates WHERE view_name = 'agent_metrics_1d'"
    )
    assert found is not None
    schema, table = found
    await pool.execute(
        f'INSERT INTO "{schema}"."{table}" (agent_device_id, bucket, sample_count, cpu_percent_sum, cpu_percent_count, '
        "cpu_percent_min, cpu_percent_max) "
        "SELECT $1, date_trunc('day', now(), 'UTC') - n * interval '1 day', 288, 288 * (30 + n % 40), 288, 5, 95 "
        "FROM generate_series(40, 5 * 365) n WHERE n NOT BETWEEN 700 AND 800",
        device.agent_id,
    )
    now = utc_now()
    await device.accepted(sample(now - timedelta(days=2), cpu_percent=33))
    async with pool.acquire() as connection:  # up to then closed buckets are read where they are stored
        await refresh_range(connection, now - timedelta(days=3), now, now)
    await device.accepted(sample(now - timedelta(minutes=1), cpu_percent=33))
    yield device
    await pool.execute(f'DELETE FROM "{schema}"."{table}" WHERE agent_device_id = $1', device.agent_id)


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_five_years_of_a_device_show_as_days_with_their_gap(
    open_tab: OpenTab, employee: Employee, old_device: Device, size: dict[str, int]
) -> None:
    tab = await open_tab(employee, viewport=size)
    page = await tab.open(f"/dashboard/agents/{old_device.agent_id}?from=now-5y")
    await expect(page.get_by_role("heading", name="five-years-old", level=1)).to_be_visible()
    chart = page.locator(".charts figure").first
    await expect(chart.locator("canvas")).to_be_visible()
    await expect(page.locator(".charts")).to_contain_text("1d")
    await picture(page, f"faults/five-years-{size['width']}")
    await chart.get_by_role("button", name="as a table").first.click()
    rows = chart.locator(".chart-table").first.locator("tbody tr")
    assert await rows.count() > 100
    await expect(chart.locator(".chart-table").first).to_contain_text("5 % – 95 %")  # noqa: RUF001
    assert await widths_fit(page)


@pytest.mark.parametrize("kind", NAMES)
async def test_an_odd_name_is_text_on_each_page_that_has_it(
    open_tab: OpenTab, employee: Employee, make_device: MakeDevice, dora: Tenant, kind: str
) -> None:
    device = await make_device(dora, NAMES[kind])
    await device.accepted(sample(utc_now(), cpu_percent=50))
    search = f"q={quote(NAMES[kind][:4])}"  # other tests' devices may fill the first rows
    for size in (WIDE, NARROW):
        tab = await open_tab(employee, viewport=size)
        for path in (f"/dashboard/agents?{search}", f"/admin/agents?{search}", f"/dashboard/agents/{device.agent_id}"):
            page = await tab.open(path)
            await expect(page.get_by_text(NAMES[kind].strip(), exact=True).first).to_be_attached()
            assert await widths_fit(page), path
            assert await page.evaluate("document.images.length") == 0
        await expect(page.locator("canvas").first).to_be_visible()
        await picture(page, f"faults/name-{kind}-{size['width']}")


async def widths_fit(page: Page) -> bool:
    fits: bool = await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return fits
