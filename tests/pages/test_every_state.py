"""Every page in its states: loading, empty, nothing that matches, error, not live, signed out, not for this person.

In each state a page says what the matter is, keeps its place and width, and axe finds nothing in both schemes: at 1440
pixels and at 375.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.conftest import MakeDevice
from tests.pages.axe import run_axe
from tests.pages.builds import needs_browser
from tests.pages.conftest import NARROW, WIDE, OpenTab, Tab, resize
from tests.pages.pictures import picture
from tests.pages.test_for_all import EDITOR, RULES
from tests.pages.test_states import API, PAGES, Cut, refusing
from tests.people import Tenant

pytestmark = needs_browser

CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
SEARCHED = (
    "/dashboard/agents", "/dashboard/agents/alerts", "/dashboard/software", "/admin/agents", "/admin/agents/alerts",
)  # fmt: skip
ONLY_EMPLOYEES = (EDITOR, *(path for path in PAGES if path.startswith("/admin")))
PICTURED = ("/dashboard", "/dashboard/agents", "/dashboard/agents/alerts", "/admin/agents/storage")  # of each state


async def check(page: Page, state: str) -> None:
    """Compare what must hold in every state: no axe violation, no sideways scroll; keep a picture of some."""
    violations = await run_axe(page, RULES)
    await page.emulate_media(color_scheme="dark")
    violations += await run_axe(page, CONTRAST)
    await page.emulate_media(color_scheme="light")
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in violations] == [], (page.url, state)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url
    path = re.sub(r"^https?://[^/]+|\?.*", "", page.url)
    if path in PICTURED and "tab=" not in page.url:
        width = "" if page.viewport_size == WIDE else "-375"
        await picture(page, f"states/{state}-{path.strip('/').replace('/', '-')}{width}")


Shows = Callable[[Page], Awaitable[None]]


async def walk(tab: Tab, paths: tuple[str, ...], state: str, shows: Shows) -> None:
    """Open each page and look at it in both sizes; every second one is loaded in the narrow one."""
    sizes = [WIDE, NARROW]
    for path in paths:
        await look(await tab.open(path), state, shows, sizes)
        sizes.reverse()


async def look(page: Page, state: str, shows: Shows, sizes: Sequence[dict[str, int]] = (WIDE, NARROW)) -> None:
    """Check a page that shows a state, in one size after the other."""
    for size in sizes:
        await resize(page, size)
        await shows(page)
        await check(page, state)


async def test_loading(tab: Tab) -> None:
    held: list[Route] = []
    await tab.page.route(API, lambda route: held.append(route))

    async def shows(page: Page) -> None:
        await expect(page.locator("main .skeleton").first).to_be_visible()

    await walk(tab, PAGES, "loading", shows)
    for route in held:
        await route.abort()


def emptied(value: Any) -> Any:
    """Return an answer without rows and with counts of nothing."""
    if isinstance(value, dict):
        return {name: emptied(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return []
    return 0 if isinstance(value, int) and not isinstance(value, bool) else value


async def test_empty(tab: Tab) -> None:
    async def without_rows(route: Route) -> None:
        if route.request.method != "GET":
            return await route.continue_()
        answer = await route.fetch()
        body = await answer.json()
        keep = {name: body[name] for name in ("columns",) if isinstance(body, dict) and name in body}
        empty = emptied(body)
        return await route.fulfill(response=answer, json=empty | keep | cursorless(empty) if keep else empty)

    await tab.page.route(API, without_rows)

    async def shows(page: Page) -> None:
        await expect(page.locator("main h1")).to_be_visible()
        await expect(page.locator("main .skeleton")).to_have_count(0, timeout=30_000)
        await expect(page.get_by_role("alert").filter(has_text="did not work")).to_have_count(0)

    await walk(tab, PAGES, "empty", shows)


def cursorless(body: dict[str, Any]) -> dict[str, Any]:
    """Return the end of a list."""
    return {"next_cursor": None} if "next_cursor" in body else {}


@pytest.mark.parametrize("path", SEARCHED)
async def test_nothing_that_matches(tab: Tab, device: object, path: str) -> None:
    async def shows(page: Page) -> None:
        await expect(page.locator("main .empty")).to_be_visible()

    await look(await tab.open(f"{path}?q=matches-nothing-at-all"), "no-match", shows)


async def test_an_error(tab: Tab) -> None:
    await tab.page.route(API, refusing(503, "database_unavailable", **{"Retry-After": "30"}))

    async def shows(page: Page) -> None:
        box = page.get_by_role("alert").first
        await expect(box).to_contain_text("The database is unavailable at the moment.")
        await expect(box.get_by_role("button", name=re.compile(r"Try again \(\d+ s\)"))).to_be_visible()
        await expect(page.get_by_role("navigation", name="Pages").first).to_be_visible()

    await walk(tab, PAGES, "error", shows)


async def test_not_live(tab: Tab, device: object) -> None:
    line = Cut()
    line.is_cut = True
    await tab.page.route_web_socket(re.compile("/ws$"), line.handle)

    async def shows(page: Page) -> None:
        await expect(page.get_by_text(re.compile("Not live since"))).to_be_visible()
        await expect(page.locator("main .skeleton")).to_have_count(0, timeout=30_000)

    await walk(tab, PICTURED, "not-live", shows)  # the banner is the shell's


async def test_signed_out(tab: Tab) -> None:
    await tab.page.route(API, refusing(401, "unauthorized"))

    async def shows(page: Page) -> None:
        await expect(page.get_by_role("dialog", name="Your session has ended")).to_be_visible()

    await walk(tab, PICTURED, "signed-out", shows)


async def test_not_for_this_person(open_tab: OpenTab, alice: Tenant) -> None:
    async def shows(page: Page) -> None:
        await expect(page.get_by_role("heading", name="This page does not exist")).to_be_visible()
        await expect(page.get_by_text("Administration")).to_have_count(0)

    await walk(await open_tab(alice), ONLY_EMPLOYEES, "no-permission", shows)


async def test_a_device_in_its_states(tab: Tab, make_device: MakeDevice) -> None:
    device = await make_device(name="in-all-states")
    path = f"/dashboard/agents/{device.agent_id}"
    await tab.page.route(re.compile(r"/metrics/history"), refusing(503, "database_unavailable"))
    page = await tab.open(path)

    async def shows_an_error(page: Page) -> None:
        await expect(page.locator(".charts").get_by_role("alert")).to_contain_text("The database is unavailable")
        await expect(page.get_by_role("heading", name="in-all-states", level=1)).to_be_visible()

    await look(page, "error", shows_an_error)
    await page.unroute(re.compile(r"/metrics/history"))
    await page.route(API, refusing(401, "unauthorized"))
    await page.reload()

    async def shows_the_end(page: Page) -> None:
        await expect(page.get_by_role("dialog", name="Your session has ended")).to_be_visible()

    await look(page, "signed-out", shows_the_end, (NARROW, WIDE))
