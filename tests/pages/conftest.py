"""A real Chromium, the application on a real port, and people who are signed in.

Not pytest-playwright: its fixtures are synchronous and can't run beside this session's event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Download, Page, async_playwright, expect

from api.app import Application
from tests.pages.builds import CHROMIUM
from tests.people import Employee, Tenant
from tests.serving import serving

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 375, "height": 812}
COOKIE = "rts_session"
WAIT_MS = 60_000  # for what a page is to show; playwright's 5 s are short on a busy machine


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
async def site(application: Application) -> AsyncIterator[str]:
    """The address of the application, which serves the pages too."""
    async with serving(application) as port:
        yield f"http://127.0.0.1:{port}"


class Tab:
    """A page of the browser that collects what goes wrong in it: script errors, refused content, failed calls."""

    def __init__(self, page: Page, site: str) -> None:
        self.page = page
        self.site = site
        self.faults: list[str] = []
        self.traffic: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        # A refused call is the test's own matter; Chromium writes each one to the console.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    async def open(self, path: str) -> Page:
        """Go to a path and return the page."""
        await self.page.goto(self.site + path)
        return self.page


async def resize(page: Page, size: dict[str, int]) -> None:
    """Give a page another size and wait until it is drawn anew."""
    await page.set_viewport_size(size)  # type: ignore[arg-type]  # the type is private to the library
    await page.evaluate("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


async def content_of(download: Download) -> str:
    """Return the text of a file that the browser saved."""
    return await asyncio.to_thread(Path(await download.path()).read_text)


OpenTab = Callable[..., Awaitable[Tab]]


@pytest.fixture
async def open_tab(browser: Browser, site: str) -> AsyncIterator[OpenTab]:
    """Opens tabs for people; at the end no tab may have had a fault."""
    contexts: list[BrowserContext] = []
    tabs: list[Tab] = []

    async def make(who: Employee | Tenant | None = None, **options: Any) -> Tab:
        chosen: dict[str, Any] = {"viewport": WIDE, "locale": "en-GB", "timezone_id": "Europe/Berlin"} | options
        context = await browser.new_context(**chosen)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        if who is not None:
            token = who.token if isinstance(who, Employee) else who.user_token
            await context.add_cookies([{"name": COOKIE, "value": token, "url": site, "httpOnly": True}])
        tab = Tab(await context.new_page(), site)
        tabs.append(tab)
        return tab

    yield make
    for context in contexts:
        await context.close()
    assert [fault for tab in tabs for fault in tab.faults] == []


@pytest.fixture
async def tab(open_tab: OpenTab, employee: Employee) -> Tab:
    """A tab of an employee."""
    return await open_tab(employee)
