"""The whole path on real input: the psutil agent of this machine uploads, and the history shows its CPU."""

import asyncio
import json
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import asyncpg
import httpx
import pytest

from auth.tokens import Tokens
from tests.live.sockets import Socket
from tests.people import Employee, Tenant, make_employee
from tests.whole.processes import ServerProcess, running_server


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
        token = client.post("/api/agents/registration-tokens", json=body, headers=employee.headers).json()
        command = agent_command(server.url, state, "--token", token["token"], "--interval", "0.3", "--count", "4")
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


@pytest.fixture
async def live_agent(
    database: str, key_file: Path, tmp_path: Path, employee: Employee, alice: Tenant
) -> AsyncIterator[tuple[ServerProcess, str]]:
    """A server, and the agent of this machine running beside it; yields the server and the agent's id."""
    state = tmp_path / "agent.json"
    with running_server(database, key_file, tmp_path) as server:
        async with httpx.AsyncClient(base_url=server.url) as client:
            body = {"business_id": str(alice.business_id), "device_name": "live-machine"}
            response = await client.post("/api/agents/registration-tokens", json=body, headers=employee.headers)
        command = agent_command(server.url, state, "--token", response.json()["token"], "--interval", "0.5")
        with (tmp_path / "agent.log").open("wb") as log:
            agent = subprocess.Popen(command, stderr=log)  # noqa: ASYNC220
        try:
            async with asyncio.timeout(120):
                while "the WebSocket is open" not in (tmp_path / "agent.log").read_text():  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            yield server, json.loads(state.read_text())["agent_id"]
        finally:
            agent.terminate()
            await asyncio.to_thread(agent.wait, 20)


async def test_the_real_agent_runs_a_command_that_is_seen_over_http_and_live(
    live_agent: tuple[ServerProcess, str], employee: Employee, alice: Tenant, pool: asyncpg.Pool, tokens: Tokens
) -> None:
    second = await make_employee(pool, tokens)
    server, agent_id = live_agent
    portal = await Socket.open(server.url.replace("http", "ws") + "/ws", alice.user_token)
    await portal.ask("subscribe", agent_ids=[agent_id])
    async with httpx.AsyncClient(base_url=server.url) as client:
        url = f"/api/agents/{agent_id}/commands"
        command = (await client.post(url, json={"command_type": "collect_now"}, headers=employee.headers)).json()
        done = await portal.until(lambda message: message.get("status") == "completed")
        assert done["command_id"] == command["command_id"]
        seen = (await client.get(f"{url}/{command['command_id']}", headers=employee.headers)).json()
        assert (seen["status"], seen["exit_code"]) == ("completed", 0)
        sample = json.loads(seen["stdout"])
        assert 0 <= sample["cpu_percent"] <= 100
        history = await client.get(
            f"/api/agents/{agent_id}/metrics/history", params={"interval": "raw"}, headers=alice.headers
        )
        times = {datetime.fromisoformat(row["timestamp"]) for row in history.json()["metrics"]}
        assert datetime.fromisoformat(sample["collected_at"]) in times

        unknown = (await client.post(url, json={"command_type": "make_coffee"}, headers=employee.headers)).json()
        approved = await client.post(f"{url}/{unknown['command_id']}/approve", headers=second.headers)
        assert approved.status_code == 200, approved.text
        await portal.until(lambda message: message.get("status") == "failed")
        seen = (await client.get(f"{url}/{unknown['command_id']}", headers=employee.headers)).json()
        assert "supports only collect_inventory, collect_now" in seen["error_message"]
    await portal.close()


def test_an_agent_without_a_token_is_told_how_to_get_one(tmp_path: Path) -> None:
    command = agent_command("http://127.0.0.1:9", tmp_path / "agent.json")
    ended = subprocess.run(command, timeout=60, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "pass --token" in ended.stderr
