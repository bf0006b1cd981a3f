"""The device list in a browser: found, filtered, sorted, selected."""

import re
from datetime import timedelta
from urllib.parse import quote

from playwright.async_api import expect

from core.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.pages.builds import needs_browser
from tests.pages.conftest import OpenTab, Tab
from tests.people import Employee, Tenant

pytestmark = needs_browser


async def test_a_device_is_found_by_its_name_and_opened(tab: Tab, make_device: MakeDevice, dora: Tenant) -> None:
    device = await make_device(dora, "needle-in-the-list")
    await device.accepted(sample(utc_now() - timedelta(minutes=1), cpu_percent=42.5))
    page = await tab.open("/dashboard/agents")
    await expect(page.get_by_role("table", name="Devices")).to_be_visible()
    await page.keyboard.press("/")
    await page.keyboard.type("needle-in")
    link = page.get_by_role("link", name="needle-in-the-list")
    await expect(link).to_be_visible()
    await expect(page.get_by_role("row")).to_have_count(2)  # the head and the one found
    await expect(page).to_have_url(re.compile(r"q=needle-in"))
    await link.click()
    await expect(page.get_by_role("heading", name="needle-in-the-list", level=1)).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("searchbox", name="Search devices")).to_have_value("needle-in")


async def test_nothing_that_matches_says_so_and_clears(tab: Tab, device: object) -> None:
    page = await tab.open("/dashboard/agents?q=there-is-no-such-device")
    await expect(page.get_by_text(re.compile("None of .* devices matches"))).to_be_visible()
    await page.get_by_role("button", name="Clear filters").last.click()
    await expect(page.get_by_role("table", name="Devices")).to_be_visible()


async def test_sorting_is_in_the_address_and_back_undoes_it(tab: Tab, make_device: MakeDevice, dora: Tenant) -> None:
    for name, load in (("calm", 3), ("busy", 97)):
        device = await make_device(dora, f"sorted-{name}")
        await device.accepted(sample(utc_now() - timedelta(minutes=1), cpu_percent=load))
    page = await tab.open("/dashboard/agents?q=sorted-")
    await page.get_by_role("button", name="CPU", exact=False).first.click()
    await expect(page).to_have_url(re.compile("sort=-cpu"))
    names = page.locator(".name-cell a")
    await expect(names).to_have_text(["sorted-busy", "sorted-calm"])
    await page.go_back()
    await expect(names).to_have_text(["sorted-busy", "sorted-calm"])  # by name: busy before calm
    await expect(page).not_to_have_url(re.compile("sort="))


async def test_select_all_takes_what_is_shown_and_stays_fixed_in_the_dialog(
    tab: Tab, make_device: MakeDevice, dora: Tenant
) -> None:
    for number in range(3):
        await make_device(dora, f"bulk-{number}")
    page = await tab.open("/dashboard/agents?q=bulk-")
    await page.get_by_role("checkbox", name="Select all 3 shown").check()
    await page.get_by_role("searchbox", name="Search devices").fill("bulk-1")
    await expect(page.get_by_text("2 of them do not match the filter.")).to_be_visible()
    await page.get_by_role("button", name="Command…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("listitem")).to_have_count(3)
    await expect(dialog.get_by_text("Targets (3)")).to_be_visible()
    await dialog.get_by_role("button", name="Send to 3 devices").click()
    await expect(dialog.get_by_text("3 of 3 devices have the command.")).to_be_visible()
    await dialog.get_by_role("link", name="Follow it").click()
    await expect(page.get_by_role("row")).to_have_count(4)


async def test_a_customer_sees_their_own_and_no_checkbox(
    open_tab: OpenTab, make_device: MakeDevice, alice: Tenant, bob: Tenant
) -> None:
    await make_device(alice, "alices-own")
    await make_device(bob, "bobs-own")
    tab = await open_tab(bob)
    page = await tab.open("/dashboard/agents?q=own")
    await expect(page.get_by_role("link", name="bobs-own")).to_be_visible()
    await expect(page.get_by_role("link", name="alices-own")).to_have_count(0)
    await expect(page.get_by_role("checkbox")).to_have_count(0)


async def test_a_customer_without_devices_is_told_whom_to_wait_for(open_tab: OpenTab, dora: Tenant) -> None:
    tab = await open_tab(dora)
    page = await tab.open("/dashboard/agents")
    await expect(page.get_by_text("Your provider has not enrolled a device yet")).to_be_visible()


async def test_odd_names_are_text_and_keep_to_their_place(tab: Tab, make_device: MakeDevice, dora: Tenant) -> None:
    names = {
        "<img src=x onerror=alert(1)>": "<img src=x onerror=alert(1)>",
        "עברית-اسم": "עברית-اسم",
        "zero\u200bwidth\u200d": "zero[U+200B]width[U+200D]",
        "l" + "o" * 252 + "ng": "l" + "o" * 252 + "ng",
    }
    for name in names:
        await make_device(dora, name)
    for name, shown in names.items():
        page = await tab.open(f"/dashboard/agents?q={quote(name[:4])}")
        await expect(page.get_by_role("link", name=shown, exact=True)).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_keys_move_select_and_open(tab: Tab, make_device: MakeDevice, dora: Tenant) -> None:
    for number in range(2):
        await make_device(dora, f"keyed-{number}")
    page = await tab.open("/dashboard/agents?q=keyed-")
    await expect(page.locator(".name-cell a")).to_have_count(2)
    await page.locator("body").press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("x")
    await expect(page.get_by_role("checkbox", name="Select keyed-1")).to_be_checked()
    await page.keyboard.press("o")
    await expect(page.get_by_role("heading", name="keyed-1", level=1)).to_be_visible()


async def test_employees_pages_are_unknown_to_customers(open_tab: OpenTab, alice: Tenant, employee: Employee) -> None:
    tab = await open_tab(alice)
    for path in ("/admin/agents", "/admin/agents/alerts", "/admin/agents/registration", "/admin/agents/storage"):
        page = await tab.open(path)
        await expect(page.get_by_role("heading", name="This page does not exist")).to_be_visible()
    await expect(page.get_by_text("Administration")).to_have_count(0)
