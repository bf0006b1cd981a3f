"""Each benchmark runs, at a size that takes seconds: whether its figures are right shows nowhere else."""

import asyncio
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from loadtest.bench import alert_pass, bulk, charts, life, memory, peers, sustained, uploads
from loadtest.databases import LoadDatabase
from tests.loadtest.databases import migrated_load_database

CASES: dict[str, tuple[Any, Any]] = {
    "charts": (charts.run, charts.ChartsScale(fleets=(1, 2), rounds=2, whole=0)),
    "bulk": (
        bulk.run,
        bulk.BulkScale(agents=2, samples_each=100, uploads_of=(50,), connections=2, processes=(1,), rounds=1),
    ),
    "memory": (memory.run, memory.MemoryScale(floods=((5, 2),), rounds=1, steady_connections=2, seconds=1)),
    "life": (life.run, life.LifeScale(devices=2, rounds=1, span=timedelta(hours=24))),
    "uploads": (uploads.run, uploads.UploadsScale(seconds=1, rounds=1, agents=20, connections=(4,), processes=(1,))),
    "peers": (peers.run, peers.PeersScale(seconds=1, rounds=1, agents=20, connections=(4,), processes=1)),
    "sustained": (
        sustained.run,
        sustained.SustainedScale(20, 2, agents=20, connections=4, policies_every_seconds=0.5, old_samples=2_000),
    ),
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadDatabase]:
    """A database that the benchmarks have to themselves: they empty it."""
    with migrated_load_database(tmp_path_factory.mktemp("bench")) as migrated:
        yield migrated


@pytest.mark.parametrize("name", CASES)
def test_a_benchmark_runs_and_prints_its_figures(database: LoadDatabase, name: str) -> None:
    run, scale = CASES[name]
    result = asyncio.run(run(database, Console(file=io.StringIO()), scale))
    assert result["settings"]
    assert result["results"]
    if name == "charts":
        assert [one["level"] for one in result["results"][:4]] == ["5m", "1h", "1h", "1d"]
        assert all(one["points"] > 150 and one["api_to_sql"]["median"] > 0 for one in result["results"])
    if name == "uploads":
        assert all(one["durable_per_second"] > 0 and one["failed"] == 0 for one in result["results"])
    if name == "peers":
        assert result["results"][0]["target"] == "product"
        assert all(one["per_second"] > 0 and one["failed"] == 0 for one in result["results"])
        assert all(one["stored"] >= one["acknowledged"] > 0 for one in result["samples"])
    if name == "sustained":
        assert result["results"]["nothing_lost"]
        assert result["results"]["answered_samples"] >= 100
        assert result["results"]["policy_runs"] > 0
    if name == "bulk":
        assert all(one["to_copy"] > 0 for one in result["results"])
    if name == "memory":
        assert all(one["most_mb"] > 20 for one in result["results"])
        assert len(result["steady"]["series"]) > 2
    if name == "life":
        medians = {one["what"]: one["median"] for one in result["results"]}
        assert medians["bytes per raw row: agent_metrics, written"] > 100


def test_alert_passes_are_measured_on_a_fleet_of_their_own(tmp_path: Path) -> None:
    with migrated_load_database(tmp_path) as database:
        scale = alert_pass.AlertPassScale(businesses=20, devices_each=1, passes=2)
        result = asyncio.run(alert_pass.run(database, Console(file=io.StringIO()), scale))
    assert [one["rules"] for one in result["results"]] == [20, 200, 10]
    # One that screens, and one of each group for what remains, however many rules there are.
    assert all(1 <= one["statements"] <= 4 for one in result["results"])
