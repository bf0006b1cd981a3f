"""Rule tests: our example file passes, a wrong expectation is told apart, nothing stays in the database."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from alerts.replay.rule_tests import RuleTestFileError, load_tests, run_test
from core.clock import utc_now

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "rule-tests.toml"
WRONG = """
[[test]]
name = "Too soon"
rule = { metric = "cpu_percent", operator = ">", threshold = 90, duration_minutes = 10 }
series = { cpu_percent = "50x3 95x4" }
expect = ["15m firing"]
"""


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(database)
    yield made
    await made.close()


@pytest.mark.parametrize("test", load_tests(EXAMPLE), ids=lambda test: test.name)
async def test_the_example_file(connection: asyncpg.Connection, test: object) -> None:
    result = await run_test(connection, test, utc_now())  # type: ignore[arg-type]
    assert result.is_passed, result.difference()


async def test_a_wrong_expectation_is_told_apart(connection: asyncpg.Connection, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(WRONG)
    (test,) = load_tests(file)
    result = await run_test(connection, test, utc_now())
    assert not result.is_passed
    assert result.difference() == ["+ 15m pending", "- 15m firing", "+ 20m firing"]


async def test_nothing_stays_in_the_database(connection: asyncpg.Connection) -> None:
    counts = (
        "SELECT (SELECT count(*) FROM agent_devices), (SELECT count(*) FROM businesses), "
        "(SELECT count(*) FROM agent_metrics)"
    )
    before = await connection.fetchrow(counts)
    await run_test(connection, load_tests(EXAMPLE)[0], utc_now())
    assert await connection.fetchrow(counts) == before


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x = 1", "test: Field required"), ("[[test", "rule-tests.toml"), (WRONG.replace("50x3", "50y3"), "50y3"),
        (WRONG.replace("15m firing", "soon firing"), "'soon' is no span of time"),
        (WRONG.replace("15m firing", "15m burning"), "expect"), (WRONG.replace("threshold", "treshold"), "treshold"),
        (WRONG.replace('rule = { metric = "cpu_percent", operator = ">", threshold = 90, duration_minutes = 10 }',
                       'rule = { service = "nginx" }'), "a rule test has samples only"),
        (WRONG.replace("95x4", "95x9000"), "at most 14"),
    ],
)  # fmt: skip
def test_a_faulty_file_says_what_is_wrong(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "rule-tests.toml"
    file.write_text(text)
    with pytest.raises(RuleTestFileError, match=fault):
        load_tests(file)


def test_the_command_ends_with_1_when_a_test_fails(database: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(WRONG)
    command = [sys.executable, "-m", "cli", "alerts", "test", str(file)]
    ended = subprocess.run(command, env=os.environ | {"DATABASE_URL": database}, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "- 15m firing" in ended.stdout


def test_without_a_database_it_brings_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "alerts", "test", str(EXAMPLE)]
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    ended = subprocess.run(
        command, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
