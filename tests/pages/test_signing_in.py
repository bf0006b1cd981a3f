"""Signing in: by a token, in the middle of work when a session has ended, and out again."""

import re

from playwright.async_api import expect

from tests.conftest import MakeDevice
from tests.pages.builds import needs_browser
from tests.pages.conftest import COOKIE, OpenTab, Tab
from tests.pages.pictures import picture
from tests.people import Employee, Tenant

pytestmark = needs_browser


async def test_a_token_signs_in_and_the_page_that_was_asked_for_opens(
    open_tab: OpenTab, employee: Employee, make_device: MakeDevice
) -> None:
    device = await make_device(name="behind-the-door")
    tab = await open_tab()
    page = await tab.open(f"/dashboard/agents/{device.agent_id}")
    await expect(page).to_have_url(re.compile("/sign-in"))
    await page.get_by_label("Platform token").fill(employee.token)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="behind-the-door")).to_be_visible()
    cookies = {cookie["name"]: cookie for cookie in await page.context.cookies()}
    assert cookies[COOKIE]["httpOnly"]
    assert cookies[COOKIE]["sameSite"] == "Strict"
    assert await page.evaluate("Object.values(localStorage).join().includes('ey')") is False


async def test_a_token_in_the_fragment_is_used_once_and_leaves_the_address(open_tab: OpenTab, alice: Tenant) -> None:
    tab = await open_tab()
    page = await tab.open(f"/dashboard#token={alice.user_token}")
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert "token" not in page.url


async def test_a_wrong_token_says_so(open_tab: OpenTab) -> None:
    tab = await open_tab()
    page = await tab.open("/sign-in")
    await page.get_by_label("Platform token").fill("not-a-token")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("invalid_token")


async def test_a_session_that_ends_in_the_middle_of_work_keeps_the_form_and_the_address(
    tab: Tab, employee: Employee
) -> None:
    page = await tab.open("/admin/agents/alerts/new?threshold=71")
    await page.get_by_label("Name", exact=True).fill("Kept over the sign-in")
    await page.context.clear_cookies()
    # By event: the preview may have met the end of the session before, and its dialog would cover the button.
    await page.get_by_role("button", name="Save in shadow mode").dispatch_event("click")
    dialog = page.get_by_role("dialog", name="Your session has ended")
    await expect(dialog).to_be_visible()
    assert "threshold=71" in page.url
    await picture(page, "faults/session-ended")
    await dialog.get_by_label("Platform token").fill(employee.token)
    await dialog.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("“Kept over the sign-in” is saved")).to_be_visible()
    await expect(page).to_have_url(re.compile("/admin/agents/alerts$"))


async def test_signing_out_ends_the_session(tab: Tab) -> None:
    page = await tab.open("/dashboard")
    await page.get_by_role("button", name=re.compile("Signed in as")).click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    await page.goto(tab.site + "/dashboard")
    await expect(page).to_have_url(re.compile("/sign-in"))
