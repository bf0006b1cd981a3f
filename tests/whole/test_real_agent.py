"""The whole path on real input: the psutil agent of this machine uploads, and the history shows its CPU."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import httpx

from tests.people import Employee, Tenant
from tests.whole.processes import running_server


def agent_command(server: str, state: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "cli", "agent", "--server", server, "--state", str(state), *more]


def test_this_machines_cpu_goes_from_psutil_to_its_history(
    database: str, key_file: Path, tmp_path: Path, employee: Employee, alice: Tenant, bob: Tenant
) -> None:
    state = tmp_path / "agent.json"
    with running_server(database, key_file, tmp_path) as server, httpx.Client(base_url=server.url) as client:
        body = {
            "business_id": str(alice.business_id), "device_name": "this-machine", "metrics_interval_seconds": 1,
        }  # fmt: skip
        made = client.post("/api/agents/registration-tokens", json=body, headers=employee.headers).json()
        command = agent_command(server.url, state, "--token", made["token"], "--interval", "0.3", "--count", "4")
        subprocess.run(command, check=True, timeout=60, capture_output=True)
        assert stat.S_IMODE(state.stat().st_mode) == 0o600
        agent_id = json.loads(state.read_text())["agent_id"]

        url = f"/api/agents/{agent_id}"
        history = client.get(f"{url}/metrics/history", params={"interval": "raw"}, headers=alice.headers).json()
        assert len(history["metrics"]) == 4
        for row in history["metrics"]:
            assert 0 <= row["cpu_percent"] <= 100
            assert 0 < row["memory_percent"] < 100
            assert row["uptime_seconds"] > 0
        device = client.get(url, headers=alice.headers).json()
        assert device["status"] == "online"
        assert device["last_heartbeat"] is not None
        assert device["os_type"] in ("linux", "macos", "windows")
        assert device["monitored_services"]
        assert client.get(url, headers=bob.headers).status_code == 404

        again = subprocess.run(
            agent_command(server.url, state, "--interval", "0.1", "--count", "1"),
            check=True, timeout=60, capture_output=True, text=True,
        )  # fmt: skip
        assert "accepted 1" in again.stderr


def test_an_agent_without_a_token_is_told_how_to_get_one(tmp_path: Path) -> None:
    command = agent_command("http://127.0.0.1:9", tmp_path / "agent.json")
    ended = subprocess.run(command, timeout=60, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "pass --token" in ended.stderr
