"""Several hosts behind a balancer, as three servers on one database: whichever is asked, the answer is the same."""

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.calls import removed
from tests.commands import state
from tests.devices import Device, register_device, sample
from tests.live.sockets import Socket
from tests.people import Employee, Tenant
from tests.routes import ALERTS, CONDITION
from tests.whole.processes import ServerProcess, free_port


@pytest.fixture(scope="module")
def hosts(database: str, key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServerProcess]]:
    logs = tmp_path_factory.mktemp("hosts")
    servers = [ServerProcess(database, key_file, free_port(), logs / f"{number}.log") for number in range(3)]
    try:
        with ThreadPoolExecutor() as threads:
            list(threads.map(ServerProcess.start, servers))
        yield servers
    finally:
        for server in servers:
            server.stop()


@pytest.fixture
async def clients(hosts: list[ServerProcess]) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(httpx.AsyncClient(base_url=host.url, timeout=20)) for host in hosts]


def through(client: httpx.AsyncClient, device: Device) -> Device:
    """Return the device as it calls another host."""
    return Device(client, device.agent_id, device.token, device.tenant)


async def test_a_device_of_one_host_is_every_hosts(
    clients: list[httpx.AsyncClient], employee: Employee, alice: Tenant
) -> None:
    one, two, three = clients
    device = await register_device(one, employee, alice, "roams", 300)
    ago = timedelta(minutes=1)  # a quarter of this second may be ahead, and a history ends now
    first, second = sample(ago, cpu_percent=1), sample(ago, cpu_percent=2)
    first["collected_at"] = first["collected_at"].replace("+00:00", ".25+00:00")
    assert (await through(two, device).accepted(first))["accepted"] == 1
    receipt = await through(three, device).accepted(first, second)
    assert (receipt["accepted"], receipt["duplicates"]) == (1, 1)
    for client in clients:
        history = await through(client, device).history(metric="cpu_percent", interval="raw")
        assert len(history["metrics"]) == 2
    await removed(through(three, device), employee, "token")
    for client in clients:
        refused = await through(client, device).send(sample(cpu_percent=3))
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "token_revoked")


async def test_a_command_of_one_host_is_delivered_by_the_socket_of_another_once(
    hosts: list[ServerProcess], clients: list[httpx.AsyncClient], employee: Employee, alice: Tenant
) -> None:
    device = await register_device(clients[0], employee, alice, "listens", 300)
    socket = await Socket.open(hosts[1].url.replace("http", "ws") + "/ws", device.token)
    order = {"command_type": "collect_now"}
    url = f"/api/agents/{device.agent_id}/commands"
    command = (await clients[2].post(url, json=order, headers=employee.headers)).json()
    assert (await socket.next("command"))["command_id"] == command["command_id"]
    polled = await clients[0].get(url, headers=device.headers)
    assert polled.json()["commands"] == []
    await socket.ask("command_result", command_id=command["command_id"], status="completed")
    for client in clients:
        assert (await state(through(client, device), command, employee.headers))["status"] == "completed"
    await socket.close()


async def test_a_rule_made_through_one_host_is_changed_through_another(
    clients: list[httpx.AsyncClient], employee: Employee, alice: Tenant
) -> None:
    rule = {
        "alert_name": "of one host", "severity": "info", "business_id": str(alice.business_id),
        "conditions": CONDITION,
    }  # fmt: skip
    created = (await clients[0].post(ALERTS, json=rule, headers=employee.headers)).json()
    changed = await clients[1].post(f"{ALERTS}/{created['id']}/disable", headers=employee.headers)
    assert changed.status_code == 200, changed.text
    seen = (await clients[2].get(f"{ALERTS}/{created['id']}", headers=employee.headers)).json()
    assert seen["is_active"] is False
    assert (await clients[1].delete(f"{ALERTS}/{created['id']}", headers=employee.headers)).is_success
