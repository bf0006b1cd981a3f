"""`make demo` in small: it runs by itself, can be used with its credentials, goes on, and leaves nothing running."""

import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from core.clock import utc_now
from demo.fleet import slots
from demo.run import end_of_measured
from tests.databases import fresh_database
from tests.whole.processes import free_port

SAMPLES_OF_A_WEEK = 7 * 288


def run_demo(directory: Path, port: int, database: str, seconds: int) -> subprocess.Popen[str]:
    settings = {"PORT": str(port), "DEMO_AGENTS": "3", "DEMO_SECONDS": str(seconds), "DEMO_DATABASE_URL": database}
    command = [sys.executable, "-m", "cli", "demo", "--directory", str(directory)]
    return subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.PIPE, text=True)


def finish(demo: subprocess.Popen[str]) -> str:
    output, _ = demo.communicate(timeout=180)
    assert demo.returncode == 0, output
    return output


def wait_for_history(path: Path, demo: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the credentials once the history is loaded."""
    deadline = time.monotonic() + 120
    while demo.poll() is None and time.monotonic() < deadline:
        if path.exists() and path.read_text():
            credentials: dict[str, Any] = json.loads(path.read_text())
            if credentials["loaded_until"]:
                return credentials
        time.sleep(0.2)
    raise AssertionError("the demo ended early, or loaded nothing")


@pytest.fixture(scope="module")
def demo_database(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with fresh_database(tmp_path_factory.mktemp("demo database")) as url:
        yield url


def test_the_demo_runs_can_be_used_and_goes_on(demo_database: str, tmp_path: Path) -> None:
    directory, port = tmp_path / "demo", free_port()
    demo = run_demo(directory, port, demo_database, seconds=6)
    output: list[str] = []
    reader = threading.Thread(target=lambda: output.append(finish(demo)))
    reader.start()
    path = directory / "credentials.json"
    credentials = wait_for_history(path, demo)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(credentials["businesses"]) == 3
    with httpx.Client(base_url=credentials["base_url"], timeout=30) as client:
        for business in credentials["businesses"]:
            headers = {"Authorization": f"Bearer {business['user_token']}"}
            (agent,) = business["agents"]
            seen = {one["id"] for one in client.get("/api/agents", headers=headers).json()["agents"]}
            assert agent["agent_id"] in seen
            assert len(seen) <= 2  # its own, and in one of the businesses this machine
            week = client.get(
                f"/api/agents/{agent['agent_id']}/metrics/history",
                params={"start": business_start(credentials), "interval": "1h"}, headers=headers,
            ).json()  # fmt: skip
            assert sum(row["samples"] for row in week["metrics"]) == SAMPLES_OF_A_WEEK
            series = client.get(f"/api/agents/{agent['agent_id']}/metrics/series", headers=headers).json()["series"]
            assert {"disk.percent", "network.rx_bytes"} <= {one["metric"] for one in series}
        employee = {"Authorization": f"Bearer {credentials['employee_token']}"}
        assert len(client.get("/api/agents", headers=employee).json()["agents"]) == 4
    reader.join(timeout=120)
    assert f"{3 * SAMPLES_OF_A_WEEK:,} new" in output[0]
    assert "CPU of this machine" in output[0]
    assert re.search(r"collect_now: .*completed \d+ ms", output[0])

    again = finish(run_demo(directory, port, demo_database, seconds=1))
    assert "0 there already" in again
    assert not [one for one in psutil.Process().children(recursive=True) if str(directory) in " ".join(one.cmdline())]


def test_devices_that_are_taken_out_of_service_do_not_end_the_demo(tmp_path: Path) -> None:
    with fresh_database(tmp_path / "database") as url:
        directory, port = tmp_path / "demo", free_port()
        demo = run_demo(directory, port, url, seconds=20)
        path = directory / "credentials.json"
        credentials = wait_for_history(path, demo)
        agents = [business["agents"][0]["agent_id"] for business in credentials["businesses"]]
        headers = {"Authorization": f"Bearer {credentials['employee_token']}"}
        with httpx.Client(base_url=credentials["base_url"], headers=headers, timeout=30) as client:
            for answer in (
                client.post(f"/api/agents/{agents[0]}/decommission", json={"reason": "sold"}),
                client.delete(f"/api/agents/{agents[1]}"),
                client.delete(f"/api/agents/{credentials['this_machine']}/token"),
            ):
                assert answer.is_success, answer.text
        output = finish(demo)
        assert "agent ended: " in output

        again = run_an_hour_later(path, lambda: finish(run_demo(directory, port, url, seconds=1)))
        assert len(re.findall("is out of service, the others continue", again)) == 2
        assert re.search(r"\b12 samples uploaded", again), again  # an hour of the third device


def run_an_hour_later(path: Path, run: Callable[[], str]) -> str:
    """Run the demo as if its last run had been an hour ago, within one interval of samples; return its output.

    A run that begins in one interval and ends in the next uploads one more sample of each device, rightly.
    """
    while True:
        end = end_of_measured(utc_now())
        hour_ago = {"loaded_until": (end - timedelta(hours=1)).isoformat()}
        path.write_text(json.dumps(json.loads(path.read_text()) | hour_ago))
        output = run()
        if end_of_measured(utc_now()) == end:
            return output


def business_start(credentials: dict[str, Any]) -> str:
    """The beginning of the loaded week."""
    began = datetime.fromisoformat(credentials["loaded_until"])
    return (began - timedelta(days=7)).isoformat()


def test_a_simulated_sample_is_uploaded_when_it_is_due() -> None:
    slot = datetime(2026, 11, 29, 10, 50, tzinfo=UTC)
    for seconds in (0, 8, 299):
        *_, newest = slots(slot - timedelta(hours=1), end_of_measured(slot + timedelta(seconds=seconds)))
        assert newest == slot
