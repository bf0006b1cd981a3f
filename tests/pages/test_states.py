"""Every state that a page can be in besides its content: loading, errors, no contact, a wrong clock, a restart."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Page, Route, WebSocketRoute, expect

from core.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.pages.builds import needs_browser
from tests.pages.conftest import OpenTab, Tab
from tests.pages.pictures import picture
from tests.people import Employee, Tenant

pytestmark = needs_browser

PAGES = (
    "/dashboard", "/dashboard/agents", "/dashboard/agents/alerts", "/dashboard/commands", "/dashboard/software?q=py",
    "/dashboard/maintenance", "/admin/agents", "/admin/agents/alerts", "/admin/agents/registration",
    "/admin/agents/storage", "/admin/agents/storage?tab=retention", "/admin/agents/storage?tab=erasure",
    "/admin/agents/gateways",
)  # fmt: skip
API = re.compile(r"/api/(?!me$|session)")


def refusing(status: int, code: str, **headers: str) -> Callable[[Route], Any]:
    """Return what answers each call with an error."""
    body = json.dumps({"error": {"code": code, "message": "It says why.", "details": None}})

    async def refuse(route: Route) -> None:
        await route.fulfill(status=status, body=body, headers={"Content-Type": "application/json"} | headers)

    return refuse


async def test_an_error_goes_away_when_it_works_again(tab: Tab, device: object) -> None:
    await tab.page.route(API, refusing(503, "database_unavailable"))
    page = await tab.open("/dashboard/agents")
    await expect(page.get_by_role("alert")).to_be_visible()
    await picture(page, "faults/database-away")
    await page.unroute(API)
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("table", name="Devices")).to_be_visible()
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_a_server_that_is_not_reached_leaves_the_page_there(tab: Tab, device: object) -> None:
    page = await tab.open("/dashboard/agents")
    await expect(page.get_by_role("table", name="Devices")).to_be_visible()
    await page.route(API, lambda route: route.abort())
    await page.get_by_role("link", name="Overview").first.click()
    await expect(page.get_by_role("alert").first).to_contain_text("The server cannot be reached")


async def test_an_unknown_address_is_a_page_that_leads_back(tab: Tab) -> None:
    for path in ("/dashboard/nowhere", "/dashboard/agents/no-such-device"):
        page = await tab.open(path)
        await expect(page.get_by_role("heading", name="This page does not exist")).to_be_visible()
    await page.get_by_role("link", name="To the overview").click()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()


class Cut:
    """The live channel of a page, which a test cuts and lets through."""

    def __init__(self) -> None:
        self.is_cut = False
        self.sockets: list[WebSocketRoute] = []
        self.tries = 0

    def handle(self, socket: WebSocketRoute) -> Any:
        self.tries += 1
        if self.is_cut:
            return socket.close(code=1013)
        socket.connect_to_server()
        self.sockets.append(socket)
        return None

    async def cut(self) -> None:
        self.is_cut = True
        for socket in self.sockets:
            await socket.close(code=1001)


async def test_a_cut_socket_is_said_and_comes_back_by_itself(tab: Tab, device: object) -> None:
    line = Cut()
    await tab.page.route_web_socket(re.compile("/ws$"), line.handle)
    page = await tab.open("/dashboard/agents")
    await expect(page.locator(".live-dot.live")).to_be_visible()
    await line.cut()
    banner = page.get_by_text(re.compile("Not live since"))
    await expect(banner).to_be_visible()
    await expect(page.locator(".live-dot.away")).to_be_visible()
    line.is_cut = False
    await page.get_by_role("button", name="Try now").click()
    await expect(page.locator(".live-dot.live")).to_be_visible()
    await expect(banner).to_have_count(0)


async def test_without_contact_for_long_no_status_stays_green(tab: Tab, make_device: MakeDevice, dora: Tenant) -> None:
    device = await make_device(dora, "green-or-not")
    await device.accepted(sample(utc_now(), cpu_percent=5))
    page = tab.page
    await page.clock.install()
    line = Cut()
    await page.route_web_socket(re.compile("/ws$"), line.handle)
    await tab.open("/dashboard/agents?q=green-or-not")
    mark = page.locator(".virtual-row .mark").first
    await expect(mark).not_to_have_class(re.compile("stale"))
    await line.cut()
    await page.route(API, lambda route: route.abort())
    await page.clock.run_for(95_000)
    await expect(mark).to_have_class(re.compile("stale"))
    await expect(page.get_by_text(re.compile("Not live since"))).to_be_visible()
    await picture(page, "faults/cut-for-90-s")


@pytest.mark.parametrize("hours", [-3, 3])
async def test_a_browsers_clock_that_is_hours_wrong_changes_no_age(
    tab: Tab, make_device: MakeDevice, dora: Tenant, hours: int
) -> None:
    device = await make_device(dora, f"clock-is-wrong-by{hours}")
    await device.accepted(sample(utc_now() - timedelta(seconds=5), cpu_percent=50))
    await tab.page.clock.install(time=utc_now() + timedelta(hours=hours))
    page = await tab.open(f"/dashboard/agents?q=clock-is-wrong-by{hours}")
    age = page.locator(".c-seen time").first
    await expect(age).to_have_text(re.compile(r"^(\d+ s ago|1 min ago|just now)$"))
    await page.get_by_role("link", name=f"clock-is-wrong-by{hours}").click()
    await expect(page.locator(".charts figure").first.locator(".readout")).to_contain_text("50")
    if hours > 0:
        await picture(page, "faults/clock-3-hours-ahead")


async def test_a_session_that_ends_soon_is_said(open_tab: OpenTab, employee: Employee) -> None:
    tab = await open_tab(employee)

    async def ends_soon(route: Route) -> None:
        answer = await route.fetch()
        session = await answer.json() | {"expires_at": (utc_now() + timedelta(minutes=3)).isoformat()}
        await route.fulfill(response=answer, json=session)

    await tab.page.route("**/api/me", ends_soon)
    page = await tab.open("/dashboard")
    await expect(page.get_by_text(re.compile("Your session ends in 3 min"))).to_be_visible()


async def test_a_newer_build_is_offered_and_not_loaded_by_itself(tab: Tab) -> None:
    page = await tab.open("/dashboard")
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    async def newer(route: Route) -> None:
        answer = await route.fetch()
        text = re.sub(r"index-[\w-]+\.js", "index-newer.js", await answer.text())
        await route.fulfill(response=answer, body=text)

    await page.route("**/dashboard", newer)
    await look_again(page)
    await expect(page.get_by_text("A newer version of these pages is available.")).to_be_visible()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()


async def look_again(page: Page) -> None:
    """Come back to the tab, as a person does."""
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


async def test_a_part_that_cannot_be_loaded_is_said_and_loaded_again(tab: Tab) -> None:
    page = tab.page
    await page.route("**/assets/rules-*.js", refusing(404, "not_found"))
    await tab.open("/dashboard")
    await page.get_by_role("link", name="Alert rules").click()
    failed = page.get_by_role("alert").filter(has_text="This part of the pages could not be loaded")
    await expect(failed).to_be_visible()
    await page.unroute("**/assets/rules-*.js")
    await failed.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("heading", name="Alert rules", level=1)).to_be_visible()
