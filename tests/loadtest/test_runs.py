"""Whole runs, small ones: Locust against a server of their own, and a check that a broken database does not pass."""

import asyncio
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
from rich.console import Console

from auth.keys import KeyFile
from loadtest.checks.result import LoadResult, exit_status
from loadtest.environment import running
from loadtest.plan import LoadSettings
from loadtest.report import show
from loadtest.run import check
from loadtest.runner import run_plan
from tests.loadtest.databases import migrated_load_database

SMALL = LoadSettings(scenario="retry-storm", agents=12, seconds=3, intervals=(1.5, 3), dashboards=2)


def test_a_run_holds_and_one_row_less_in_the_database_does_not(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    KeyFile(keys).create()
    with migrated_load_database(tmp_path) as database, running(tmp_path, keys, database) as site:
        outcome = run_plan(site, SMALL, tmp_path, tmp_path / "report.html", Console(file=io.StringIO()))
        site.stop()
        accounts = outcome["accounts"]
        good = LoadResult(SMALL, site.kind, {}, outcome, *asyncio.run(check(site, accounts))[:2])
        victim = accounts[5]["agent_id"]
        with psycopg.connect(site.dsn, autocommit=True) as connection:
            deleted = connection.execute("DELETE FROM agent_metrics WHERE agent_device_id = %s", [victim]).rowcount
            connection.execute(
                "DELETE FROM agent_series_samples v USING agent_series s"
                " WHERE s.id = v.series_id AND s.agent_device_id = %s AND s.metric = 'network.rx_bytes'",
                [accounts[4]["agent_id"]],
            )
        broken = LoadResult(SMALL, site.kind, {}, outcome, *asyncio.run(check(site, accounts))[:2])
    totals = good.conservation.totals
    assert (good.faults, exit_status(good), totals["sent"], totals["rows"]) == ([], 0, 18, 18)
    assert totals["series_values"] > 0
    assert {level.level for level in good.rollups if level.buckets} >= {
        "5m",
        "1h",
        "series_5m",
        "series_1h",
        "series_1d",
    }
    assert outcome["measures"]["dropped"] == 18
    assert exit_status(broken) == 1
    assert (broken.conservation.worst["name"], broken.conservation.worst["rows"]) == ("load-00005", 0)
    without_values, without_samples = sorted(broken.conservation.faults, key=lambda fault: fault.name)
    assert (without_values.name, (without_samples.name, without_samples.agent_id)) == (
        "load-00004", ("load-00005", victim),
    )  # fmt: skip
    assert "values of series" in str(without_values)
    screen = io.StringIO()
    show(broken, Console(file=screen, width=200))
    assert f"load-00005 ({victim}): {deleted} samples should be in the database, 0 are" in screen.getvalue()


def test_the_command_writes_its_result_with_the_settings_inside(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "loadtest.run", "--scenario", "poison-tenant", "--agents", "12", "--seconds", "8",
        "--interval", "2", "--dashboards", "2", "--results", str(tmp_path),
    ]  # fmt: skip
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(next(tmp_path.glob("poison-tenant-*.json")).read_text())
    assert result["settings"]["agents"] == 12
    assert result["machine"]["cores"] >= 1
    assert result["conservation"]["holds"]
    assert result["rollups"]["equal"]
    counts = {group: latency["from_slot_ms"]["count"] for group, latency in result["uploads"].items()}
    assert counts == {"alone": 16, "others": 16, "poison": 16}
    assert result["fairness"]["counts"] == [16, 16]
    assert result["fairness"]["ratios"]["p50"] > 0
    attacks = {answer.rpartition(" ")[0] for answer in result["attacks"]}
    assert {"crowd", "gzip", "hogging token"} <= attacks
    assert result["heartbeats"]["from_slot_ms"]["count"] == 48
    assert result["reads"]
