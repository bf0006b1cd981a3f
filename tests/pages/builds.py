"""What the tests of the pages need on the machine, and why they are skipped where it isn't."""

import shutil
from importlib.util import find_spec

import pytest

from pages.files import STATIC

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
IS_BUILT = (STATIC / "index.html").exists()

needs_build = pytest.mark.skipif(not IS_BUILT, reason="the web pages are not built: run `make setup`")
HAS_SESSIONS = find_spec("api.routes.session") is not None
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and IS_BUILT and HAS_SESSIONS),
    reason="Chromium is not installed (Debian: apt-get install chromium), the web pages are not built (make setup), "
    "or this server has no sessions",
)
