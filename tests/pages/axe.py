"""axe-core in a page: loaded once a document, and only what it found wrong comes back.

What passes is most of axe's answer, a megabyte of JSON for a page with a table, and no test reads it.
"""

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page

ONLY_VIOLATIONS = {"resultTypes": ["violations"]}  # of the others axe describes one element instead of all
RUN = "async (options) => (await axe.run(options)).violations"


async def run_axe(page: Page, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the violations of the rules that `options` choose (`runOnly`), as axe-core describes them."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    found: list[dict[str, Any]] = await page.evaluate(RUN, options | ONLY_VIOLATIONS)
    return found
