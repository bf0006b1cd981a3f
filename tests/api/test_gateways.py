"""Gateways: one token of a business, many hosts. Each host becomes a device of that business, within bounds."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from api.services import Services
from ingest.group_commit import Done
from ingest.pending import Upload
from tests.api.test_foreign_uploads import PROTOBUF, remote_write
from tests.conftest import MakeDevice
from tests.people import Employee, Tenant

PATH = "/api/agents/gateways"


def minute(ago: int = 1) -> datetime:
    return (datetime.now(UTC) - timedelta(minutes=ago)).replace(microsecond=0)


@dataclass
class Gateway:
    client: httpx.AsyncClient
    id: str
    token: str
    tenant: Tenant
    employee: Employee

    async def write(self, *lines: str, at: datetime | None = None) -> httpx.Response:
        """Send lines of the Influx protocol."""
        seconds = int((at or minute()).timestamp())
        body = "".join(f"{line} {seconds}\n" for line in lines).encode()
        headers = {"Authorization": f"Token {self.token}"}
        return await self.client.post("/api/v2/write?precision=s", content=body, headers=headers)

    async def hosts(self, **query: Any) -> dict[str, dict[str, Any]]:
        """Return all of them, from page to page: other tests' hosts of the business are there too."""
        url, hosts = f"{PATH}/{self.id}/hosts", dict[str, dict[str, Any]]()
        while True:
            response = await self.client.get(url, params=query, headers=self.employee.headers)
            assert response.status_code == 200, response.text
            page = response.json()
            hosts |= {entry["host"]: entry for entry in page["hosts"]}
            if page["next_cursor"] is None:
                return hosts
            query["cursor"] = page["next_cursor"]

    async def decide(self, host: str, verb: str, **body: Any) -> httpx.Response:
        host_id = (await self.hosts())[host]["id"]
        url = f"{PATH}/{self.id}/hosts/{host_id}/{verb}"
        return await self.client.post(url, json=body, headers=self.employee.headers)


MakeGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture
def make_gateway(client: httpx.AsyncClient, employee: Employee, alice: Tenant) -> MakeGateway:
    async def make(tenant: Tenant = alice, **more: Any) -> Gateway:
        body = {"business_id": str(tenant.business_id), "name": "prometheus-1", "enrolment": "automatic"} | more
        response = await client.post(PATH, json=body, headers=employee.headers)
        assert response.status_code == 201, response.text
        gateway = response.json()
        return Gateway(client, gateway["gateway"]["id"], gateway["token"], tenant, employee)

    return make


def names(count: int = 2) -> list[str]:
    """Names that no other test has: hosts are a business's."""
    return [f"host-{uuid4().hex[:12]}" for _ in range(count)]


async def loads_of(pool: asyncpg.Pool, device_id: str | UUID | None) -> list[float]:
    rows = await pool.fetch(
        "SELECT load_average_1m FROM agent_metrics WHERE agent_device_id = $1::text::uuid ORDER BY collected_at",
        str(device_id),
    )
    return [row[0] for row in rows]


async def test_hosts_of_an_upload_become_devices_with_their_own_samples(
    make_gateway: MakeGateway, pool: asyncpg.Pool, alice: Tenant, client: httpx.AsyncClient
) -> None:
    gateway, (one, two), at = await make_gateway(), names(), minute()
    for _ in range(2):  # sent again: adds nothing
        response = await gateway.write(f"system,host={one} load1=1", f"system,host={two} load1=2", at=at)
        assert response.status_code == 204
    hosts = await gateway.hosts(state="confirmed")
    assert await loads_of(pool, hosts[one]["agent_id"]) == [1]
    assert await loads_of(pool, hosts[two]["agent_id"]) == [2]
    shown = (await client.get(f"/api/agents/{hosts[one]['agent_id']}", headers=alice.headers)).json()
    assert (shown["device_name"], shown["hostname"], shown["status"]) == (one, one, "online")


async def test_parts_of_a_row_that_a_gateway_brings_are_merged(make_gateway: MakeGateway, pool: asyncpg.Pool) -> None:
    gateway, (host,) = await make_gateway(), names(1)
    at = minute()
    assert (await gateway.write(f"system,host={host} load1=1", at=at)).status_code == 204
    assert (await gateway.write(f"cpu,cpu=cpu-total,host={host.upper()} usage_idle=80", at=at)).status_code == 204
    device_id = (await gateway.hosts())[host]["agent_id"]
    (row,) = await pool.fetch("SELECT * FROM agent_metrics WHERE agent_device_id = $1::text::uuid", device_id)
    assert (row["load_average_1m"], row["cpu_percent"]) == (1, 20)


async def test_a_host_waits_for_an_employee_and_costs_only_itself(
    make_gateway: MakeGateway, pool: asyncpg.Pool, alice: Tenant
) -> None:
    gateway, (confirmed, new) = await make_gateway(enrolment="confirm"), names()
    assert (
        await gateway.write(f"system,host={confirmed} load1=1")
    ).status_code == 204  # a failure would be sent for ever
    assert (await gateway.decide(confirmed, "confirm", device_name="Front desk")).status_code == 200
    taken_hosts = await eventually_taken(gateway, confirmed, pool)
    response = await gateway.write(f"system,host={confirmed} load1=3", f"system,host={new} load1=4", at=minute(0))
    assert response.status_code == 204
    assert await loads_of(pool, taken_hosts[confirmed]["agent_id"]) == [1, 3]
    assert (await gateway.hosts(state="waiting")).keys() >= {new}
    name = await pool.fetchval(
        "SELECT device_name FROM agent_devices WHERE id = $1::text::uuid AND business_id = $2",
        taken_hosts[confirmed]["agent_id"], alice.business_id,
    )  # fmt: skip
    assert name == "Front desk"


async def eventually_taken(gateway: Gateway, host: str, pool: asyncpg.Pool) -> dict[str, dict[str, Any]]:
    """Send one sample again until it is stored: the process reads decisions every few seconds."""
    at = minute()
    async with asyncio.timeout(60):
        while True:
            assert (await gateway.write(f"system,host={host} load1=1", at=at)).status_code == 204
            hosts = await gateway.hosts()
            if hosts[host]["agent_id"] and await loads_of(pool, hosts[host]["agent_id"]):
                return hosts
            await asyncio.sleep(0.2)


async def test_a_host_that_is_refused_is_left_out_without_an_error(
    make_gateway: MakeGateway, pool: asyncpg.Pool
) -> None:
    gateway, (host,) = await make_gateway(), names(1)
    assert (await gateway.write(f"system,host={host} load1=1")).status_code == 204
    device_id = (await gateway.hosts())[host]["agent_id"]
    refused = await gateway.decide(host, "refuse")
    assert (refused.json()["state"], refused.json()["agent_id"]) == ("refused", None)
    await gateway.write(f"system,host={host} load1=2", at=minute(0))
    assert (await gateway.hosts())[host]["state"] == "refused"
    assert await loads_of(pool, device_id) == [1]


async def test_a_rule_makes_devices_only_of_names_that_fit(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(host_pattern="WEB-*")
    fitting, other = f"web-{uuid4().hex}", f"db-{uuid4().hex}"
    assert (await gateway.write(f"system,host={fitting} load1=1", f"system,host={other} load1=1")).status_code == 204
    hosts = await gateway.hosts()
    assert (hosts[fitting]["state"], hosts[other]["state"]) == ("confirmed", "waiting")


async def test_a_gateway_has_no_more_hosts_than_it_may(make_gateway: MakeGateway, pool: asyncpg.Pool) -> None:
    gateway, host_names = await make_gateway(max_hosts=3), names(20)
    lines = [f"system,host={name} load1=1" for name in host_names]
    answers = await asyncio.gather(*(gateway.write(*lines[start : start + 5]) for start in range(0, 20, 5)))
    assert {answer.status_code for answer in answers} == {204}
    count = await pool.fetchval(
        "SELECT count(*) FROM agent_gateway_hosts WHERE gateway_id = $1::text::uuid", gateway.id
    )
    assert count == 3


async def test_a_namesake_of_a_device_waits_until_an_employee_says_that_it_is_the_same(
    make_gateway: MakeGateway, make_device: MakeDevice, alice: Tenant, pool: asyncpg.Pool
) -> None:
    (host,) = names(1)
    device = await make_device(alice, name=host)
    gateway = await make_gateway()
    assert (await gateway.write(f"system,host={host} load1=1")).status_code == 204
    entry = (await gateway.hosts())[host]
    assert (entry["state"], entry["same_name_agent_id"]) == ("waiting", str(device.agent_id))
    kept = await gateway.decide(host, "confirm", agent_id=str(device.agent_id))
    assert (kept.status_code, kept.json()["error"]["code"]) == (409, "agent_has_token")
    taken = await gateway.decide(host, "confirm", agent_id=str(device.agent_id), replace_agent=True)
    assert taken.json()["agent_id"] == str(device.agent_id)
    await eventually_taken(gateway, host, pool)
    assert await loads_of(pool, device.agent_id) == [1]
    assert (await device.send({"collected_at": minute().isoformat(), "cpu_percent": 1})).status_code == 401


async def test_a_device_is_one_host_only(make_gateway: MakeGateway) -> None:
    gateway, (one, two) = await make_gateway(), names()
    await gateway.write(f"system,host={one} load1=1", f"system,host={two} load1=1")
    device_id = (await gateway.hosts())[one]["agent_id"]
    answer = await gateway.decide(two, "confirm", agent_id=device_id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "device_taken")


async def test_the_same_host_name_in_two_businesses_is_two_devices(
    make_gateway: MakeGateway, alice: Tenant, bob: Tenant, pool: asyncpg.Pool, client: httpx.AsyncClient
) -> None:
    (host,) = names(1)
    hers, his = await make_gateway(alice), await make_gateway(bob)
    assert (await hers.write(f"system,host={host} load1=1")).status_code == 204
    assert (await his.write(f"system,host={host} load1=2")).status_code == 204
    her_id, his_id = (await hers.hosts())[host]["agent_id"], (await his.hosts())[host]["agent_id"]
    assert (await loads_of(pool, her_id), await loads_of(pool, his_id)) == ([1], [2])
    assert (await client.get(f"/api/agents/{her_id}", headers=bob.headers)).status_code == 404


async def test_a_gateway_reaches_no_device_of_another_business(
    make_gateway: MakeGateway, make_device: MakeDevice, alice: Tenant, bob: Tenant, pool: asyncpg.Pool
) -> None:
    (host,) = names(1)
    device = await make_device(bob, name=host)
    gateway = await make_gateway(alice, enrolment="confirm")
    assert (await gateway.write(f"system,host={host} load1=1")).status_code == 204
    assert (await gateway.hosts())[host]["same_name_agent_id"] is None
    answer = await gateway.decide(host, "confirm", agent_id=str(device.agent_id), replace_agent=True)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "agent_not_found")
    # … not even by a row that says so: the transaction of the samples compares the businesses.
    await pool.execute(
        "UPDATE agent_gateway_hosts SET agent_device_id = $1 WHERE host = $2 AND business_id = $3",
        device.agent_id, host, alice.business_id,
    )  # fmt: skip
    async with asyncio.timeout(60):
        while "token_revoked" not in (answer := await gateway.write(f"system,host={host} load1=1")).text:
            assert answer.status_code == 204  # it waits until the process reads the row
            await asyncio.sleep(0.2)
    assert await loads_of(pool, device.agent_id) == []


async def test_a_device_that_moves_takes_nothing_more_from_its_former_gateway(
    make_gateway: MakeGateway, bob: Tenant, pool: asyncpg.Pool
) -> None:
    gateway, (moved, stays) = await make_gateway(), names()
    await gateway.write(f"system,host={moved} load1=1", f"system,host={stays} load1=1")
    hosts = await gateway.hosts()
    move = await gateway.client.post(
        f"/api/agents/{hosts[moved]['agent_id']}/move",
        json={"business_id": str(bob.business_id), "service_location_id": str(bob.location_id)},
        headers=gateway.employee.headers,
    )
    assert move.status_code in (200, 204), move.text
    answer = await gateway.write(f"system,host={moved} load1=2", f"system,host={stays} load1=2", at=minute(0))
    assert answer.status_code == 400
    assert await loads_of(pool, hosts[moved]["agent_id"]) == [1]
    assert await loads_of(pool, hosts[stays]["agent_id"]) == [1, 2]


async def test_a_revoked_gateway_is_refused_and_another_takes_over_its_hosts(
    make_gateway: MakeGateway, pool: asyncpg.Pool
) -> None:
    gateway, (host,) = await make_gateway(), names(1)
    assert (await gateway.write(f"system,host={host} load1=1")).status_code == 204
    device_id = (await gateway.hosts())[host]["agent_id"]
    revoked = await gateway.client.post(f"{PATH}/{gateway.id}/revoke", headers=gateway.employee.headers)
    assert revoked.json()["revoked_at"]
    assert (await gateway.write(f"system,host={host} load1=2", at=minute(0))).status_code == 401
    heir = await make_gateway()
    assert (await heir.write(f"system,host={host} load1=3", at=minute(0))).status_code == 204
    assert await loads_of(pool, device_id) == [1, 3]


@pytest.mark.parametrize("path", ["/api/agents/{id}/write", "/api/agents/{id}/metrics", "/api/agents/{id}/heartbeat"])
async def test_a_gateways_token_is_no_agents(make_gateway: MakeGateway, path: str) -> None:
    gateway, (host,) = await make_gateway(), names(1)
    await gateway.write(f"system,host={host} load1=1")
    url = path.format(id=(await gateway.hosts())[host]["agent_id"])
    headers = {"Authorization": f"Bearer {gateway.token}"}
    response = await gateway.client.post(url, json={"metrics": []}, headers=headers)
    assert response.status_code in (401, 403)
    assert (await gateway.client.get("/api/agents", headers=headers)).status_code == 401


async def test_samples_without_a_host_are_refused_beside_the_others(
    make_gateway: MakeGateway, pool: asyncpg.Pool
) -> None:
    gateway, (host,) = await make_gateway(), names(1)
    response = await gateway.write("system load1=9", f"system,host={host} load1=1")
    assert response.status_code == 400
    assert "no host is named" in response.json()["message"]
    assert await loads_of(pool, (await gateway.hosts())[host]["agent_id"]) == [1]


@pytest.mark.parametrize("version", [1, 2])
async def test_a_prometheus_that_scrapes_many_hosts(
    make_gateway: MakeGateway, pool: asyncpg.Pool, version: int
) -> None:
    gateway, (one, two) = await make_gateway(host_pattern="host-*"), names()
    at = int(minute().timestamp() * 1000)
    series = [
        ({"__name__": "node_load1", "instance": f"{one}:9100"}, [(1.0, at), (2.0, at + 15_000)]),
        ({"__name__": "node_load1", "instance": f"{two}:9182"}, [(3.0, at)]),
        ({"__name__": "node_load1", "instance": "printer:9100"}, [(4.0, at)]),
    ]
    body, content_type = remote_write(version, series)
    headers = {
        "Authorization": f"Bearer {gateway.token}", "Content-Type": content_type, "Content-Encoding": "snappy"
    }  # fmt: skip
    response = await gateway.client.post("/api/v1/write", content=body, headers=headers)
    assert response.status_code == 204  # of the host that waits, too: else the sender counts all as failed
    if version == 2:
        assert response.headers["x-prometheus-remote-write-samples-written"] == "4"
    hosts = await gateway.hosts()
    assert await loads_of(pool, hosts[one]["agent_id"]) == [1, 2]
    assert await loads_of(pool, hosts[two]["agent_id"]) == [3]


async def test_a_collector_that_forwards_many_hosts(make_gateway: MakeGateway, pool: asyncpg.Pool) -> None:
    """The times of one host's points do not join those of another to one sample."""
    gateway, hosts = await make_gateway(), names(5)
    request, begin = ExportMetricsServiceRequest(), int(minute().timestamp()) * 10**9
    for number, host in enumerate(hosts):
        resource = request.resource_metrics.add()
        resource.resource.attributes.add(key="host.name").value.string_value = host
        points = resource.scope_metrics.add().metrics.add(name="system.cpu.load_average.1m").gauge.data_points
        for turn in range(2):
            at = begin + number * 800_000_000 + turn * 5 * 10**9
            points.add(as_double=number + turn, time_unix_nano=at)
    headers = {"Authorization": f"Bearer {gateway.token}", "Content-Type": PROTOBUF}
    response = await gateway.client.post("/v1/metrics", content=request.SerializeToString(), headers=headers)
    assert response.status_code == 200
    assert not ExportMetricsServiceResponse.FromString(response.content).HasField("partial_success")
    entries = await gateway.hosts()
    for number, host in enumerate(hosts):
        assert await loads_of(pool, entries[host]["agent_id"]) == [number, number + 1]


async def test_a_collectd_server_that_forwards_many_hosts(make_gateway: MakeGateway, pool: asyncpg.Pool) -> None:
    gateway, hosts = await make_gateway(), names()
    lists = [
        {"values": [number, 0, 0], "time": minute().timestamp(), "interval": 10.0, "host": host, "plugin": "load",
         "type": "load"}
        for number, host in enumerate(hosts)
    ]  # fmt: skip
    headers = {"Authorization": f"Bearer {gateway.token}"}
    assert (await gateway.client.post("/collectd", json=lists, headers=headers)).status_code == 200
    entries = await gateway.hosts()
    assert [await loads_of(pool, entries[host]["agent_id"]) for host in hosts] == [[0], [1]]


async def test_every_decision_is_in_the_audit_trail(make_gateway: MakeGateway, pool: asyncpg.Pool) -> None:
    gateway, (host,) = await make_gateway(), names(1)
    await gateway.write(f"system,host={host} load1=1")
    await gateway.decide(host, "refuse")
    await gateway.decide(host, "confirm")
    await gateway.client.post(f"{PATH}/{gateway.id}/revoke", headers=gateway.employee.headers)
    rows = await pool.fetch(
        "SELECT action FROM agent_audit WHERE details ->> 'gateway_id' = $1 ORDER BY id", gateway.id
    )
    assert [row["action"] for row in rows] == [
        "gateway_created", "gateway_host_added", "gateway_host_refused", "gateway_host_confirmed", "gateway_revoked"
    ]  # fmt: skip


async def test_all_hosts_of_a_business_share_its_part_of_the_buffer(
    make_gateway: MakeGateway, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many devices its gateways bring, a business has one turn, and half of the buffer at most."""
    owners: list[object] = []
    enqueue = services.commits.enqueue

    def note(upload: Upload, done: Done, tenant: object = None) -> None:
        owners.append(tenant)
        enqueue(upload, done, tenant)

    gateway = await make_gateway()
    monkeypatch.setattr(services.commits, "enqueue", note)
    assert (await gateway.write(*(f"system,host={name} load1=1" for name in names(3)))).status_code == 204
    assert owners == [gateway.tenant.business_id] * 3


async def test_an_answer_names_the_reason_of_what_is_lost_not_of_what_waits(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(host_pattern="known-*")
    response = await gateway.write("system,host=known-1 load1=1", "system,host=unknown-1 load1=1", at=minute(40 * 1440))
    assert response.status_code == 400
    assert "samples are accepted until" in response.json()["message"]
    assert "waits for an employee" not in response.json()["message"]
