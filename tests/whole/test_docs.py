"""The documentation can't rot: its examples run, its settings, error codes and commands exist."""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import asyncpg
import pytest
import typer
from typer.testing import CliRunner

from auth.tokens import Tokens
from cli.main import app
from core.clock import utc_now
from core.settings import Settings
from tests.live.sockets import Socket
from tests.people import Employee, Tenant, make_tenant
from tests.whole.processes import ServerProcess, running_server

ROOT = Path(__file__).parents[2]
EXAMPLE = re.compile(
    r"```sh\n(?P<command>curl .*?)```\n(?:```json\n(?P<shown>.*?)```)?|```live (?P<who>\w+)\n(?P<talk>.*?)```",
    re.DOTALL,
)
README, API = (ROOT / "README.md").read_text(), (ROOT / "docs" / "api.md").read_text()
PROTOCOL = (ROOT / "docs" / "agent-protocol.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
LEARNED = {
    "token": "REGISTRATION_TOKEN", "agent_id": "AGENT", "agent_token": "AGENT_TOKEN", "command_id": "COMMAND",
}  # fmt: skip


def run_example(command: str, variables: dict[str, str]) -> str:
    ended = subprocess.run(
        ["bash", "-c", command], env=os.environ | variables, capture_output=True, text=True, timeout=60, check=True
    )
    return ended.stdout


def assert_shows(shown: Any, answer: Any, where: str) -> None:
    """Everything that the documentation shows must be in the answer; `…` stands for any value."""
    if shown in ("…", ["…"]):
        return
    if isinstance(shown, dict):
        for name, value in shown.items():
            assert name in answer, f"{where}: no {name} in {answer}"
            assert_shows(value, answer[name], where)
    elif isinstance(shown, list):
        for one, part in zip(shown, answer, strict=True):
            assert_shows(one, part, where)
    elif shown != "AGT-7KQ2-M9XD-P4TR" and not isinstance(shown, float):
        assert answer == shown, where


def learn(answer: Any) -> dict[str, str]:
    """Return the variables that an answer teaches, wherever in it they stand."""
    if isinstance(answer, list):
        return {name: value for one in answer for name, value in learn(one).items()}
    if not isinstance(answer, dict):
        return {}
    variables = {name: value for inner in answer.values() for name, value in learn(inner).items()}
    return variables | {variable: str(answer[name]) for name, variable in LEARNED.items() if name in answer}


async def talk(lines: str, url: str, token: str, variables: dict[str, str]) -> None:
    """Hold a conversation of the live channel as the documentation shows it: `>` is said, `<` is heard."""
    socket = await Socket.open(url.replace("http", "ws") + "/ws", token)
    for line in lines.strip().splitlines():
        message = json.loads(Template(line[2:]).substitute(variables))
        if line.startswith(">"):
            await socket.connection.send(json.dumps(message))
            continue
        received = await socket.next(message["type"])
        assert_shows(message, received, line)
        variables |= learn(received)
    await socket.close()


async def follow(document: str, server: ServerProcess, variables: dict[str, str]) -> int:
    """Run every example of a document in order and return how many there were."""
    variables |= {"URL": server.url}
    count = 0
    for example in EXAMPLE.finditer(document):
        count += 1
        if example["talk"]:
            tokens = {"agent": variables["AGENT_TOKEN"], "user": variables["USER"]}
            await talk(example["talk"], server.url, tokens[example["who"]], variables)
            continue
        answer = await asyncio.to_thread(run_example, example["command"], variables)
        if not example["shown"]:
            assert answer == "204"
            continue
        assert_shows(json.loads(example["shown"]), json.loads(answer), example["command"])
        variables |= learn(json.loads(answer))
    return count


@pytest.fixture
async def reader(pool: asyncpg.Pool, tokens: Tokens) -> Tenant:
    """A tenant of its own: the examples show a list with one device."""
    return await make_tenant(pool, tokens, "Reader")


@pytest.mark.parametrize(
    ("document", "examples"), [(API, 20), (PROTOCOL, 17), (OPERATIONS, 2)], ids=["api", "agent-protocol", "operations"]
)
async def test_the_examples_run_and_answer_as_shown(
    database: str, key_file: Path, tmp_path: Path, employee: Employee, reader: Tenant, document: str, examples: int
) -> None:
    variables = {
        "EMPLOYEE": employee.token, "USER": reader.user_token, "BUSINESS": str(reader.business_id),
        "NOW": utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"), "COOKIES": str(tmp_path / "cookies"),
    }  # fmt: skip
    with running_server(database, key_file, tmp_path) as server:
        assert await follow(document, server, variables) == examples


def find_named_files(text: str) -> Iterator[Path]:
    """Yield files and folders that a page names in backticks; short names are in the last folder with a full name."""
    folder = ROOT
    for name in re.findall(r"`([\w/.-]+(?:/|\.(?:py|sql|mjs|toml)))`", text):
        path = ROOT / name
        if (ROOT / path.relative_to(ROOT).parts[0]).exists():
            folder = path if name.endswith("/") else path.parent
            yield path
        else:
            yield folder / name


ABOUT_CODE = [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "decisions").glob("*.md"))]


@pytest.mark.parametrize("page", ABOUT_CODE, ids=lambda page: page.stem)
def test_every_file_that_a_page_about_the_code_names_exists(page: Path) -> None:
    missing = [path for path in find_named_files(page.read_text()) if not path.exists()]
    assert not missing


def test_every_setting_is_in_the_readme() -> None:
    for name, field in Settings.model_fields.items():
        variable = field.validation_alias or f"RTS_{name.upper()}"
        assert f"`{variable}`" in README, variable


def test_every_code_of_an_upload_is_in_the_documentation() -> None:
    modules = (
        "ingest/errors.py",
        "ingest/diagnose.py",
        "ingest/numbers.py",
        "ingest/listed_services.py",
        "ingest/unknown_fields.py",
        "ingest/decode.py",
        "api/server/body_errors.py",
        "core/errors.py",
    )
    sources = [ROOT / name for name in modules]
    pattern = re.compile(r'code: ClassVar\[str\] = "(\w+)"|FaultError\("(\w+)"|Rejection\(index, "(\w+)"')
    codes = {code for source in sources for match in pattern.findall(source.read_text()) for code in match if code}
    assert len(codes) > 20
    missing = {code for code in codes if f"`{code}`" not in API} - {"client_gone"}
    assert not missing


def list_commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and of every group of commands."""
    if path:
        yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from list_commands(child, (*path, name))


COMMANDS = list(list_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Example:" in result.output
    assert command[0] in README


def test_the_help_of_the_program_names_the_first_steps() -> None:
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    for step in ("demo", "keys create", "db upgrade", "db check", "serve", "worker"):
        assert f"`{step}`" in result.output or f"`rts-agents {step}`" in result.output, step


def test_lines_of_the_threat_model_name_existing_tests() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    lines = [line for line in text.split("## Threat model")[1].split("\n## ")[0].splitlines() if line.startswith("| ")][
        1:
    ]
    assert len(lines) > 10
    for line in lines:
        named = re.findall(r"`(tests/[^`]+)`", line)
        assert named, line
        assert all((ROOT / name).is_file() for name in named), line
