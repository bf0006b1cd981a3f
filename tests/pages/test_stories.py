"""What people do with the pages, from start to end; `make pictures` keeps what they see in docs/pictures."""

import re
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from playwright.async_api import Route, expect

from auth.tokens import Tokens
from tests.callers import forget_rules
from tests.pages.builds import needs_browser
from tests.pages.conftest import NARROW, WIDE, OpenTab
from tests.pages.pictures import picture
from tests.pages.showcase import BUSY, Showcase, build

pytestmark = needs_browser
SIZES = pytest.mark.parametrize(("size", "width"), [(WIDE, 1440), (NARROW, 375)])


@pytest.fixture(scope="module")
async def fleet(client: httpx.AsyncClient, pool: asyncpg.Pool, tokens: Tokens) -> AsyncIterator[Showcase]:
    showcase = await build(client, pool, tokens)
    yield showcase
    await forget_rules(pool, showcase.tess)


@SIZES
async def test_a_technician_finds_the_worst_device_acknowledges_and_orders_a_sample(
    open_tab: OpenTab, fleet: Showcase, size: dict[str, int], width: int
) -> None:
    name = BUSY[0] if width > 1000 else BUSY[1]
    tab = await open_tab(fleet.tess, viewport=size)
    page = await tab.open("/dashboard")
    await expect(page.get_by_role("link", name="CPU busy for 10 minutes").first).to_be_visible()
    await picture(page, f"overview-{width}")

    await tab.open("/dashboard/agents?sort=-cpu")
    await expect(page.locator(".name-cell a").first).to_have_text(re.compile("srv-files-1|srv-backup-1"))
    await picture(page, f"devices-{width}")

    await page.locator(".name-cell a", has_text=name).click()
    await expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    alert = page.get_by_role("region", name="1 open alert")
    await expect(alert.get_by_text("since")).to_be_visible()
    await expect(page.locator(".chart canvas").first).to_be_visible()
    await picture(page, f"device-{width}")

    await alert.get_by_role("button", name="Acknowledge").click()
    await expect(page.get_by_text("1 alert acknowledged")).to_be_visible()
    await expect(alert.get_by_role("button", name="Acknowledge")).to_have_count(0)

    await page.get_by_role("button", name="Command", exact=True).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_label("Command", exact=True)).to_have_value("collect_now")
    await dialog.get_by_role("button", name="Send").click()
    await expect(dialog.get_by_role("list", name="Course")).to_be_visible()
    await picture(page, f"command-{width}")

    await tab.open("/dashboard/agents/alerts?state=acknowledged")
    await page.get_by_role("link", name="CPU busy for 10 minutes").first.click()
    await expect(page.get_by_role("complementary").get_by_text("Acknowledged").first).to_be_visible()
    await expect(page.locator(".split-detail canvas")).to_be_visible()
    await picture(page, f"alerts-{width}")


@SIZES
async def test_a_customer_sees_only_their_own_in_page_and_traffic(
    open_tab: OpenTab, fleet: Showcase, size: dict[str, int], width: int
) -> None:
    birch = fleet.tenants["Birch Logistics"]
    foreign = ["Alder Dental", "Cedar Legal", "srv-files", "srv-archive", "front-desk", "chambers"]
    tab = await open_tab(birch, viewport=size)
    traffic: list[str] = []
    page = tab.page

    async def keep(route: Route) -> None:
        answer = await route.fetch()
        traffic.append(await answer.text())
        await route.fulfill(response=answer)

    await page.route("**/api/**", keep)
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: traffic.append(str(frame))))
    device = fleet.devices["srv-depot-1"].agent_id
    seen = []
    for path in ("/dashboard", "/dashboard/agents", f"/dashboard/agents/{device}", "/dashboard/agents/alerts",
                 "/dashboard/commands", "/dashboard/maintenance", "/dashboard/software?q=pyt"):  # fmt: skip
        await tab.open(path)
        await expect(page.locator("main h1")).to_be_visible()
        await expect(page.locator(".skeleton")).to_have_count(0)
        seen.append(await page.content())
    await tab.open("/dashboard")
    await expect(page.get_by_role("link", name="Main Street")).to_be_visible()
    await picture(page, f"customer-{width}")
    await page.unroute_all(behavior="wait")  # an answer that is under way ends with the browser's context
    for text in [*seen, *traffic]:
        assert [word for word in foreign if word in text] == []


@SIZES
async def test_a_manager_makes_a_rule_after_seeing_that_it_would_have_opened_three_tickets(
    open_tab: OpenTab, fleet: Showcase, size: dict[str, int], width: int
) -> None:
    tab = await open_tab(fleet.max, viewport=size)
    page = await tab.open("/admin/agents/alerts/new")
    await page.get_by_label("Name", exact=True).fill(f"CPU above 85 for 15 minutes ({width})")
    await page.get_by_label("Customer").select_option("Birch Logistics")
    await page.get_by_label("For minutes", exact=True).fill("15")
    threshold = page.get_by_label("Threshold", exact=True)
    await threshold.fill("85")
    if width < 1000:
        await page.locator("details.preview > summary").click()
    verdict = page.get_by_text("It would have opened 3 alerts and 3 tickets in the last 7 days.")
    await expect(verdict).to_be_visible(timeout=60_000)
    table = page.get_by_role("table", name="By threshold")
    await expect(table.get_by_role("row", name=re.compile("^85 % "))).to_be_visible()
    await expect(page.locator(".worst canvas")).to_be_visible()
    if width < 1000:
        await verdict.scroll_into_view_if_needed()
        await page.mouse.wheel(0, 420)
    await picture(page, f"rule-{width}")
    await page.get_by_role("button", name="Save in shadow mode").click()
    await expect(page.get_by_role("link", name=f"CPU above 85 for 15 minutes ({width})")).to_be_visible()
