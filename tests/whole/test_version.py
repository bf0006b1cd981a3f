"""One version: pyproject.toml has it, everything else repeats it."""

import json
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

from tests.routes import Document

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_installed_package_has_the_version_of_the_checkout() -> None:
    assert version("rts-agent-monitoring") == VERSION


def test_the_api_document_has_the_version(document: Document) -> None:
    assert document["info"]["version"] == VERSION


def test_images_and_the_embedded_server_have_the_version() -> None:
    compose = (ROOT / "docker-compose.timescale.yml").read_text()
    assert set(re.findall(r"image: rts-agents:(\S+)", compose)) == {VERSION}
    assert json.loads((ROOT / "embedded" / "package.json").read_text())["version"] == VERSION


def test_the_changelog_has_a_section_for_the_version() -> None:
    assert f"## {VERSION} (" in (ROOT / "CHANGELOG.md").read_text()
