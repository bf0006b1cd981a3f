"""The configurations that docs/sources shows, aimed at a test's server."""

import re
from pathlib import Path

import httpx

GUIDES = Path(__file__).parents[2] / "docs" / "sources"


def block(page: str, language: str = "", number: int = 0) -> str:
    """Return a block of a page in a language, the first one by default."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", (GUIDES / page).read_text(), re.DOTALL | re.MULTILINE)
    return str(blocks[number])


def aimed(text: str, address: str, token: str) -> str:
    """Return a configuration with the test's address and token for those of the page."""
    url = httpx.URL(address)
    text = text.replace("https://agents.example", address)
    text = text.replace("agents.example", str(url.host)).replace("443", str(url.port))
    text = text.replace("protocol=https", "protocol=http").replace("ssl_enable = true", "ssl_enable = false")
    return re.sub(r"THE_(AGENT|GATEWAY)_TOKEN", token, text)
