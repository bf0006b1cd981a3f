"""Several server processes on one database: whoever holds a socket hears of what another one committed."""

import asyncio
import signal
from pathlib import Path

import httpx

from tests.commands import state
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.live.sockets import Socket
from tests.people import Employee
from tests.whole.processes import running_server


async def test_a_commit_of_one_process_reaches_sockets_of_another(
    database: str, key_file: Path, tmp_path: Path, make_device: MakeDevice, employee: Employee
) -> None:
    device = await make_device()
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with (
        running_server(database, key_file, tmp_path / "one") as one,
        running_server(database, key_file, tmp_path / "two") as two,
    ):
        portal = await Socket.open(one.url.replace("http", "ws") + "/ws", device.tenant.user_token)
        agent = await Socket.open(one.url.replace("http", "ws") + "/ws", device.token)
        await portal.ask("subscribe", agent_ids=[str(device.agent_id)])
        async with httpx.AsyncClient(base_url=two.url) as client:
            through_two = Device(client, device.agent_id, device.token, device.tenant)
            await through_two.accepted(sample(cpu_percent=42))
            assert (await portal.next("metrics"))["metrics"]["cpu_percent"] == 42
            body = {"command_type": "collect_now"}
            url = f"/api/agents/{device.agent_id}/commands"
            command = (await client.post(url, json=body, headers=employee.headers)).json()
            assert (await agent.next("command"))["command_id"] == command["command_id"]
            await agent.ask("command_result", command_id=command["command_id"], status="completed")
            assert (await state(through_two, command, employee.headers))["status"] == "completed"
        await portal.close()
        await agent.close()


async def test_a_server_that_stops_closes_its_sockets_and_tokens_are_in_no_log(
    database: str, key_file: Path, tmp_path: Path, make_device: MakeDevice
) -> None:
    device = await make_device()
    with running_server(database, key_file, tmp_path) as server:
        agent = await Socket.open(server.url.replace("http", "ws") + "/ws", device.token)
        assert (await agent.ask("ping"))["type"] == "pong"
        server.signal(signal.SIGTERM)
        assert await agent.closed() in (1001, 1012)
        assert await asyncio.to_thread(server.wait) in (0, -signal.SIGTERM)
    log = (tmp_path / "serve.log").read_text()
    assert "/ws?token=…" in log
    assert device.token not in log
