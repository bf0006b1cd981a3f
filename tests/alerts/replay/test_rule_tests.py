"""Rule tests: our example file passes, a wrong expectation is told apart, nothing stays in the database."""

import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from alerts.replay.rule_tests import RuleTestFileError, load_tests, run_test
from alerts.replay.series import parse_series
from core.clock import utc_now

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "rule-tests.toml"
WRONG = """
version = 2
[[test]]
name = "Too soon"
rule = { metric = "cpu_percent", operator = ">", threshold = 90, duration_minutes = 10 }
series = { cpu_percent = "50x2 95x3" }
expect = ["15m firing"]
"""


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


@pytest.mark.parametrize(
    ("notation", "samples"),
    [
        ("50", [50]), ("50x3", [50] * 4), ("50x0", [50]), ("10+5x2", [10, 15, 20]), ("10-5x2", [10, 5, 0]),
        ("_", [None]), ("_x3", [None] * 3), ("1x1 _x2 2.5", [1, 1, None, None, 2.5]),
    ],
)  # fmt: skip
def test_series_are_read_as_promtool_reads_them(notation: str, samples: list[float | None]) -> None:
    assert parse_series(notation) == samples


@pytest.mark.parametrize("version", ["", "version = 1", "version = 3"])
def test_a_file_of_another_version_is_refused(tmp_path: Path, version: str) -> None:
    file = tmp_path / "old.toml"
    file.write_text(WRONG.replace("version = 2", version))
    with pytest.raises(RuleTestFileError, match=r"is not version 2.*Subtract 1"):
        load_tests(file)


def test_a_file_without_a_version_and_without_repetitions_means_the_same_as_before(tmp_path: Path) -> None:
    file = tmp_path / "plain.toml"
    file.write_text(WRONG.replace("version = 2", "").replace("50x2 95x3", "50 _x3 95.5"))
    (test,) = load_tests(file)
    assert test.series == {"cpu_percent": [50, None, None, None, 95.5]}


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
        ("x = 1", "test: Field required"), ("[[test", "rule-tests.toml"), (WRONG.replace("50x2", "50y2"), "50y2"),
        (WRONG.replace("15m firing", "soon firing"), "'soon' is not a time span"),
        (WRONG.replace("15m firing", "15m burning"), "expect"), (WRONG.replace("threshold", "treshold"), "treshold"),
        (WRONG.replace('rule = { metric = "cpu_percent", operator = ">", threshold = 90, duration_minutes = 10 }',
                       'rule = { service = "nginx" }'), "a rule test has only samples"),
        (WRONG.replace("95x3", "95x8999"), "at most 14"),
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


def test_rule_tests_without_a_database_start_an_embedded_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "alerts", "test", str(EXAMPLE)]
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    ended = subprocess.run(
        command, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "name", ["network_rx_bytes", "disk.none D:", "cpu_percent C:", "", "disk.percent " + "x" * 256]
)
def test_a_series_that_no_rule_can_be_about_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(WRONG.replace('cpu_percent = "50', f'"{name}" = "50'))
    with pytest.raises(RuleTestFileError, match="series"):
        load_tests(file)
