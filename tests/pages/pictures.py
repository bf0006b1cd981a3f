"""Pictures of pages: kept in docs/pictures where RTS_PICTURES says so, else none is taken."""

import os
from pathlib import Path

from playwright.async_api import Page

PICTURES = Path(os.environ["RTS_PICTURES"]) if "RTS_PICTURES" in os.environ else None


async def picture(page: Page, name: str) -> None:
    """Keep a picture of what a person sees."""
    if PICTURES is None:
        return
    target = PICTURES / f"{name}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    await page.wait_for_timeout(400)  # charts draw on the next frame
    await page.screenshot(path=target, animations="disabled")
