"""Pages of servers with a life of their own: one that restarts, one that allows another site to embed charts."""

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, unquote

import pytest
from playwright.async_api import expect

from api.app import Application
from core.clock import utc_now
from core.settings import Settings
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.pages.builds import needs_browser
from tests.pages.conftest import COOKIE, OpenTab, Tab
from tests.pages.pictures import picture
from tests.people import Employee, Tenant
from tests.serving import serving
from tests.whole.processes import free_port

pytestmark = needs_browser


async def signed_in(tab: Tab, employee: Employee, site: str) -> None:
    cookie = {"name": COOKIE, "value": employee.token, "url": site, "httpOnly": True}
    await tab.page.context.add_cookies([cookie])  # type: ignore[list-item]
    tab.site = site


async def test_an_open_page_comes_through_a_restart_of_the_server(
    open_tab: OpenTab, employee: Employee, application: Application, make_device: MakeDevice, dora: Tenant
) -> None:
    device = await make_device(dora, "through-a-restart")
    await device.accepted(sample(utc_now(), cpu_percent=5))
    tab, port = await open_tab(), free_port()
    await signed_in(tab, employee, f"http://127.0.0.1:{port}")
    await tab.page.clock.install()
    async with serving(application, port=port):
        page = await tab.open("/dashboard/agents?q=through-a-restart")
        await expect(page.get_by_role("link", name="through-a-restart")).to_be_visible()
        await expect(page.locator(".live-dot.live")).to_be_visible()
    away = page.get_by_text(re.compile("Not live since"))
    await expect(away).to_be_visible()
    await expect(page.get_by_role("link", name="through-a-restart")).to_be_visible()
    await picture(page, "faults/server-restarts")
    await page.clock.pause_at(await page.evaluate("Date.now()"))  # the page must not try by itself before the click
    async with serving(application, port=port):
        await page.get_by_role("button", name="Try now").click()
        await page.clock.resume()
        await expect(page.locator(".live-dot.live")).to_be_visible()
        await expect(away).to_have_count(0)
        await page.get_by_role("link", name="through-a-restart").click()
        await expect(page.get_by_role("heading", name="through-a-restart", level=1)).to_be_visible()
        await page.goto("about:blank")
    tab.faults = [fault for fault in tab.faults if "WebSocket" not in fault]  # Chromium writes refused ones down


@pytest.fixture
async def portal() -> AsyncIterator[str]:
    """The origin of another site, whose pages show in a frame what their query names."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        del receive
        body = b'<iframe src="%s" width=640 height=260></iframe>' % unquote(scope["query_string"].decode()).encode()
        headers = [(b"content-type", b"text/html"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async with serving(answer) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def embedding_site(settings: Settings, portal: str) -> AsyncIterator[str]:
    """The address of a server that lets the portal embed charts."""
    application = Application(settings.model_copy(update={"embed_origins_text": portal}))
    async with application.web.router.lifespan_context(application.web), serving(application) as port:
        yield f"http://127.0.0.1:{port}"


async def framed(tab: Tab, portal: str, address: str) -> None:
    """Open the portal's page, which has a chart in a frame."""
    await tab.page.goto(f"{portal}/page?{quote(address, safe='')}")


async def test_a_chart_is_embedded_where_the_server_allows_it(
    open_tab: OpenTab, employee: Employee, embedding_site: str, portal: str, make_device: MakeDevice, dora: Tenant
) -> None:
    device = await make_device(dora, "embedded-1")
    await device.accepted(sample(utc_now(), cpu_percent=5))
    tab = await open_tab()
    await signed_in(tab, employee, embedding_site)
    page = await tab.open(f"/dashboard/agents/{device.agent_id}")
    await page.get_by_role("button", name="Share").click()
    await page.get_by_role("button", name="Embed a chart…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Chart").select_option("memory")
    snippet = await dialog.locator(".snippet").inner_text()
    await expect(dialog).to_contain_text(portal)
    (address,) = re.findall('src="([^"]+)"', snippet)
    await framed(tab, portal, address)
    chart = page.frame_locator("iframe")
    await expect(chart.get_by_text("Memory · embedded-1").first).to_be_visible()
    await expect(chart.locator("canvas")).to_be_visible()
    await expect(chart.get_by_role("navigation")).to_have_count(0)


async def test_a_frame_of_nobody_shows_how_to_sign_in(
    open_tab: OpenTab, embedding_site: str, portal: str, make_device: MakeDevice, dora: Tenant
) -> None:
    device = await make_device(dora, "embedded-2")
    tab = await open_tab()
    await framed(tab, portal, f"{embedding_site}/embed/agents/{device.agent_id}/chart?m=cpu")
    frame = tab.page.frame_locator("iframe")
    await expect(frame.get_by_text("Sign in to RTS Agent Monitoring to see this chart")).to_be_visible()
    assert "embedded-2" not in await frame.locator("body").inner_text()


async def test_a_server_that_allows_no_other_site_is_not_framed(
    tab: Tab, portal: str, make_device: MakeDevice, dora: Tenant
) -> None:
    device = await make_device(dora, "embedded-3")
    page = await tab.open(f"/dashboard/agents/{device.agent_id}")
    await page.get_by_role("button", name="Share").click()
    await page.get_by_role("button", name="Embed a chart…").click()
    await expect(page.get_by_role("dialog")).to_contain_text("This server does not allow other pages to embed charts.")
    await framed(tab, portal, f"{tab.site}/embed/agents/{device.agent_id}/chart?m=cpu")
    await expect(page.frame_locator("iframe").get_by_text("embedded-3")).to_have_count(0)
    assert any("frame-ancestors" in fault for fault in tab.faults)
    tab.faults.clear()
