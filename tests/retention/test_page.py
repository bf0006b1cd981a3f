"""docs/retention.md: its commands run in their order, and what they print has the lines that the page shows."""

import re
import shlex
from pathlib import Path
from typing import cast

import asyncpg
import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.retention.conftest import Run, store_days

PAGE = (Path(__file__).parents[2] / "docs" / "retention.md").read_text()
SHOWN = re.compile(r"^ *\$ rts-agents (?P<command>.*)\n(?P<output>(?: *[┃│A-Za-z-].*\n)+)", re.MULTILINE)
NAMED = re.compile(r"^ *(?:\$ )?rts-agents ([a-z -]+?)(?= -| \d| [a-z]+\.json|$|  )", re.MULTILINE)


def shape_of(line: str) -> str:
    """Return a line without what differs from database to database: numbers, sizes, names."""
    return re.sub(r"[\d.,:-]+ ?([kMG]?B|bytes|d)?\b|\S+@\S+|rts\w*", "", line).replace(" ", "")


async def test_the_walk_on_the_page_is_what_the_commands_print(
    run: Run, connection: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_days(connection)
    monkeypatch.chdir(tmp_path)
    name = cast("str", await connection.fetchval("SELECT current_database()"))
    walk = list(SHOWN.finditer(PAGE))
    assert [found["command"].split()[1] for found in walk] == ["show", "what-if", "apply"]
    planned = await run(*shlex.split("retention plan --raw 14d --large --out plan.json"))
    assert planned.exit_code == 0, planned.output
    for found in walk:
        command = shlex.split(found["command"])
        ended = await run(*(name if word == "rts" else word for word in command))
        assert ended.exit_code == 0, ended.output
        printed = {shape_of(line) for line in ended.output.replace(name, "rts").splitlines()}
        shown = [line.strip() for line in found["output"].splitlines()]
        lines = [line for line in shown if not line.startswith(("│", "database "))]
        assert len(lines) >= 1
        missing = [line for line in lines if shape_of(line) not in printed]
        assert missing == [], (command, ended.output)


def test_every_command_on_the_page_exists() -> None:
    commands = {found.strip() for found in NAMED.findall(PAGE)}
    assert {"retention show", "retention hold add", "retention repair"} <= commands
    for command in commands:
        assert CliRunner().invoke(app, [*command.split(), "--help"]).exit_code == 0, command
