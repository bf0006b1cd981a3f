"""docs/retention.md: each command on the page exists; `test_walk.py` compares what they print."""

import re
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app

PAGE = (Path(__file__).parents[2] / "docs" / "retention.md").read_text()
NAMED = re.compile(r"^ *(?:\$ )?rts-agents ([a-z -]+?)(?= -| \d| [a-z]+\.json|$|  )", re.MULTILINE)


def test_every_command_on_the_page_exists() -> None:
    commands = {name.strip() for name in NAMED.findall(PAGE)}
    assert {"retention show", "retention hold add", "retention repair"} <= commands
    for command in commands:
        assert CliRunner().invoke(app, [*command.split(), "--help"]).exit_code == 0, command
