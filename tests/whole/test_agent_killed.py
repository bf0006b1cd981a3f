"""An agent and its network die together, again and again: every sample that was taken arrives."""

import json
import signal
import sqlite3
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import httpx

from tests.people import Employee, Tenant
from tests.waiting import wait_until
from tests.whole.processes import running_server
from tests.whole.test_real_agent import agent_command


def kept_samples(queue: Path) -> set[datetime]:
    """Return the times of the samples that wait on disk."""
    with sqlite3.connect(queue) as database:
        rows = database.execute("SELECT body FROM samples").fetchall()
    return {datetime.fromisoformat(json.loads(body)["collected_at"]) for (body,) in rows}


def run_until_killed(command: list[str], queue: Path, more: int) -> None:
    """Run the agent until it has kept `more` samples, then kill it."""
    before = len(kept_samples(queue))
    agent = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(kept_samples(queue)) >= before + more)
    agent.send_signal(signal.SIGKILL)
    agent.wait(20)


def test_samples_taken_without_a_network_arrive_after_the_agent_was_killed(
    database: str, key_file: Path, tmp_path: Path, employee: Employee, alice: Tenant
) -> None:
    state, queue = tmp_path / "agent.json", tmp_path / "agent.queue"
    with running_server(database, key_file, tmp_path) as server, httpx.Client(base_url=server.url) as client:
        body = {"business_id": str(alice.business_id), "device_name": "often-killed", "metrics_interval_seconds": 1}
        token = client.post("/api/agents/registration-tokens", json=body, headers=employee.headers).json()
        first = agent_command(server.url, state, "--token", token["token"], "--interval", "0.2", "--count", "1")
        subprocess.run(first, check=True, timeout=60, capture_output=True)
        agent_id = json.loads(state.read_text())["agent_id"]

        server.stop()
        offline = agent_command(server.url, state, "--interval", "0.1")
        for _ in range(2):
            run_until_killed(offline, queue, more=4)
        taken = kept_samples(queue)
        assert len(taken) >= 8

        server.start()
        last = agent_command(server.url, state, "--interval", "0.1", "--count", "1")
        subprocess.run(last, check=True, timeout=60, capture_output=True)
        assert kept_samples(queue) == set()
        url = f"/api/agents/{agent_id}/metrics/history"
        history = client.get(url, params={"interval": "raw"}, headers=alice.headers).json()
        assert taken <= {datetime.fromisoformat(row["timestamp"]) for row in history["metrics"]}


def test_the_agent_command_names_its_queue() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "cli", "agent", "--help"], check=True, timeout=60, capture_output=True, text=True
    )
    assert ".queue" in shown.stdout
