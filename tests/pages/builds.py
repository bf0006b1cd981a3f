"""What the tests of the pages need on the machine, and why they are skipped where it isn't."""

import shutil

import pytest

from pages.files import STATIC

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
IS_BUILT = (STATIC / "index.html").exists()

needs_build = pytest.mark.skipif(not IS_BUILT, reason="the web pages are not built: run `make setup`")
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and IS_BUILT),
    reason="Chromium is not installed (Debian: apt-get install chromium), or the web pages are not built (make setup)",
)
