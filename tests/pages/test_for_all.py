"""Pages for everybody: axe, keyboard, narrow screens, both schemes, both languages, zones."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.conftest import MakeDevice
from tests.pages.axe import run_axe
from tests.pages.builds import needs_browser
from tests.pages.conftest import NARROW, WIDE, OpenTab, Tab
from tests.pages.test_states import PAGES
from tests.people import Employee

pytestmark = needs_browser

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
EDITOR = "/admin/agents/alerts/new"


async def settled(page: Page) -> None:
    """Wait until nothing loads any more."""
    await expect(page.locator("main h1")).to_be_visible()
    await expect(page.locator(".skeleton")).to_have_count(0, timeout=60_000)


async def violations(page: Page) -> list[str]:
    violations = await run_axe(page, RULES)
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in violations]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_no_page_has_a_violation_in_either_scheme_or_scrolls_sideways(
    open_tab: OpenTab, employee: Employee, make_device: MakeDevice, size: dict[str, int]
) -> None:
    device = await make_device(name="a-rather-long-name-of-a-device-in-a-branch-office")
    tab = await open_tab(employee, color_scheme="light", viewport=size)
    of_device = f"/dashboard/agents/{device.agent_id}"
    for path in (*PAGES, EDITOR, of_device, f"{of_device}?tab=settings"):
        page = await tab.open(path)
        await settled(page)
        assert await beyond(page) <= 0, path
        assert await violations(page) == [], path
        await page.emulate_media(color_scheme="dark")
        assert await violations(page) == [], f"{path} in the dark scheme"
        await page.emulate_media(color_scheme="light")


async def beyond(page: Page) -> int:
    """Return how many pixels of a page are beyond its right edge."""
    width: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


async def test_axe_finds_nothing_in_the_states_of_a_page(open_tab: OpenTab, employee: Employee) -> None:
    door = await open_tab()
    page = await door.open("/sign-in")
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert await violations(page) == []
    tab = await open_tab(employee)
    page = tab.page
    await page.route(re.compile("/api/agents"), lambda route: route.abort())
    for path in ("/dashboard", "/dashboard/agents", "/dashboard/nowhere"):
        await tab.open(path)
        await expect(page.locator("h1")).to_be_visible()
        assert await violations(page) == [], path


async def test_no_page_scrolls_sideways_at_320_pixels(
    open_tab: OpenTab, employee: Employee, make_device: MakeDevice
) -> None:
    device = await make_device(name="a-rather-long-name-of-a-device-in-a-branch-office")
    tab = await open_tab(employee, viewport={"width": 320, "height": 700})
    for path in (*PAGES, EDITOR, f"/dashboard/agents/{device.agent_id}"):
        page = await tab.open(path)
        await settled(page)
        assert await beyond(page) <= 0, path


async def test_by_keyboard_alone_from_sign_in_to_a_command(
    open_tab: OpenTab, employee: Employee, make_device: MakeDevice
) -> None:
    await make_device(name="by-keyboard-alone")
    tab = await open_tab()
    page = await tab.open("/sign-in")
    token = page.get_by_label("Platform token")
    await expect(token).to_be_visible()
    await reach(page, "Platform token")
    await page.keyboard.type(employee.token)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    await page.keyboard.press("/")
    await page.keyboard.type("by-keyboard-alone")
    await expect(page.get_by_role("link", name="by-keyboard-alone")).to_be_visible()
    await reach(page, "by-keyboard-alone")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="by-keyboard-alone")).to_be_visible()
    await reach(page, "Command")
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    await reach(page, "Send")
    await page.keyboard.press("Enter")
    await expect(dialog.get_by_role("list", name="Course")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_role("button", name="Command", exact=True)).to_be_focused()


async def focused(page: Page) -> str:
    """Return the name of what has the focus, as a person is told it."""
    name: str = await page.evaluate(
        """() => {
          const one = document.activeElement;
          const label = one.labels && one.labels[0];
          return (one.getAttribute("aria-label") || (label && label.innerText) || one.innerText || "").trim();
        }"""
    )
    return name


async def reach(page: Page, name: str, most: int = 80) -> None:
    """Press Tab until something of this name has the focus, which must be visible there."""
    for _ in range(most):
        if await focused(page) == name:
            outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"the focus on {name!r} can't be seen"
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{name!r} isn't reached by Tab")


async def test_spanish_is_chosen_by_the_browser_and_kept_when_chosen_by_hand(
    open_tab: OpenTab, employee: Employee
) -> None:
    tab = await open_tab(employee, locale="es-ES")
    page = await tab.open("/dashboard")
    await expect(page.get_by_role("heading", name="Resumen")).to_be_visible()
    assert await page.evaluate("document.documentElement.lang") == "es"
    await page.get_by_role("button", name="Tema e idioma").click()
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()


async def test_the_theme_follows_the_system_and_the_person(tab: Tab) -> None:
    page = await tab.open("/dashboard")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(ground)
    await page.emulate_media(color_scheme="dark")
    dark = await page.evaluate(ground)
    assert light != dark
    await page.get_by_role("button", name="Theme and language").click()
    await page.get_by_role("button", name="Light").click()
    assert await page.evaluate(ground) == light


@pytest.mark.parametrize(("zone", "word"), [("Pacific/Apia", "Apia"), ("Europe/Berlin", "Berlin")])
async def test_times_show_in_the_zone_of_the_person_or_in_that_of_the_address(
    open_tab: OpenTab, employee: Employee, zone: str, word: str
) -> None:
    tab = await open_tab(employee, timezone_id=zone)
    page = await tab.open("/dashboard")
    await expect(page.get_by_role("button", name=f"Time zone: {zone}")).to_contain_text(word)
    await page.goto(f"{tab.site}/dashboard?tz=utc")
    await expect(page.get_by_role("button", name="Time zone: UTC")).to_be_visible()
