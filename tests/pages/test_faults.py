"""Devices and names at the edges: no data ever, five years of it, odd names; what a person sees on the device page."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import quote

import asyncpg
import httpx
import pytest
from playwright.async_api import Page, expect

from core.clock import utc_now
from rollups.refresh import refresh_range
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.pages.builds import needs_browser
from tests.pages.conftest import NARROW, WIDE, OpenTab, Tab, content_of, resize
from tests.pages.pictures import picture
from tests.people import Employee, Tenant
from tests.rules import Rules, open_alert

pytestmark = needs_browser

NAMES = {
    "markup": "<img src=x onerror=alert(1)><b>bold",
    "right-to-left": "שרת-הנהלת-חשבונות \u202egnp.exe",
    "zero-width": "till\u200b\u200d\u2060-7",
    "255-letters": "l" + "o" * 253 + "g",
}
# Characters that hide or turn round what is written show as what they are.
SHOWN = NAMES | {
    "right-to-left": "שרת-הנהלת-חשבונות [U+202E]gnp.exe",
    "zero-width": "till[U+200B][U+200D][U+2060]-7",
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
    hypertable = await pool.fetchrow(
        "SELECT materialization_hypertable_schema, materialization_hypertable_name "
        "FROM timescaledb_information.continuous_aggregates WHERE view_name = 'agent_metrics_1d'"
    )
    assert hypertable is not None
    schema, table = hypertable
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
    await expect(page.locator(".charts")).to_contain_text("from averages of 1 d")
    await picture(page, f"faults/five-years-{size['width']}")
    await chart.get_by_role("button", name="as a table").first.click()
    rows = chart.locator(".chart-table").first.locator("tbody tr")
    assert await rows.count() > 100
    await expect(chart.locator(".chart-table").first).to_contain_text("5 % – 95 %")  # noqa: RUF001
    assert await widths_fit(page)


@pytest.mark.parametrize("kind", NAMES)
async def test_an_odd_name_is_text_on_each_page_that_has_it(
    tab: Tab, make_device: MakeDevice, dora: Tenant, kind: str
) -> None:
    device = await make_device(dora, NAMES[kind])
    await device.accepted(sample(utc_now(), cpu_percent=50))
    search = f"q={quote(NAMES[kind][:4])}"  # other tests' devices may fill the first rows
    sizes = [WIDE, NARROW]
    for path in (f"/dashboard/agents?{search}", f"/admin/agents?{search}", f"/dashboard/agents/{device.agent_id}"):
        page = await tab.open(path)
        for size in sizes:
            await resize(page, size)
            await expect(page.get_by_text(SHOWN[kind], exact=True).first).to_be_attached()
            assert await widths_fit(page), path
            assert await page.evaluate("document.images.length") == 0
            if path.startswith("/dashboard/agents/"):
                await expect(page.locator("canvas").first).to_be_visible()
                await picture(page, f"faults/name-{kind}-{size['width']}")
        sizes.reverse()  # every second page is loaded in the narrow one


REVERSED = "safe\u202egpj.exe"


async def test_a_reversed_name_is_shown_in_its_order_wherever_it_stands(
    tab: Tab, employee: Employee, make_device: MakeDevice, dora: Tenant, client: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    shown = "safe[U+202E]gpj.exe"
    device = await make_device(dora, REVERSED)
    rule = await Rules(client, pool, employee).make(dora, alert_name=REVERSED)
    await open_alert(pool, device, rule)
    page = await tab.open(f"/dashboard/agents/{device.agent_id}")
    await expect(page.get_by_role("heading", name=shown, level=1)).to_be_visible()
    await expect(page).to_have_title(re.compile(re.escape(shown)))
    await page.get_by_role("button", name="Command").click()
    await expect(page.get_by_role("dialog", name=re.compile(re.escape(shown)))).to_be_visible()
    for path in (f"/dashboard/agents/alerts?rule={rule['id']}", f"/admin/agents/alerts/{rule['id']}"):
        page = await tab.open(path)
        await expect(page.get_by_text(shown, exact=True).first).to_be_visible()
        assert "\u202e" not in await page.locator("body").inner_text()
    page = await tab.open(f"/dashboard/agents/alerts?rule={rule['id']}")
    assert shown in await saved_csv(page)
    page = await tab.open("/dashboard/agents?q=gpj.exe")
    await expect(page.get_by_role("link", name=shown, exact=True).first).to_be_visible()
    assert shown in await saved_csv(page)


async def saved_csv(page: Page) -> str:
    """Save the rows of a page and return the file, which has no character of direction."""
    async with page.expect_download() as saving:
        await page.get_by_role("button", name="CSV").click()
    text = await content_of(await saving.value)
    assert "\u202e" not in text
    return text


async def test_a_name_that_no_keyboard_has_can_be_confirmed(tab: Tab, make_device: MakeDevice, dora: Tenant) -> None:
    device = await make_device(dora, "till\u200b-8")
    page = await tab.open(f"/dashboard/agents/{device.agent_id}?tab=settings")
    await page.get_by_role("button", name="Decommission").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill("sold")
    await dialog.get_by_label("Type “till[U+200B]-8” to confirm").fill("till-8")
    await expect(dialog.get_by_role("button", name="Decommission")).to_be_enabled()


async def widths_fit(page: Page) -> bool:
    fits: bool = await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return fits
