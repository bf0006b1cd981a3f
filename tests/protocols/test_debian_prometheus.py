"""Debian's Prometheus beside a running server: it writes what it scrapes through an outage, and reads our data back."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.conftest import MakeDevice
from tests.debian import eventually, program, running
from tests.devices import sample
from tests.people import Employee, Tenant
from tests.whole.processes import ServerProcess, free_port, running_server

HOSTS = ("web-1", "web-2")
KEEP = "node_(load1|load5|load15|memory_Mem(Total|Available)_bytes)"


@pytest.fixture
def server(database: str, key_file: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    with running_server(database, key_file, tmp_path) as started:
        yield started


async def gateway_token(client: httpx.AsyncClient, employee: Employee, tenant: Tenant, **more: Any) -> str:
    body = {"business_id": str(tenant.business_id), "name": "prometheus"} | more
    made = await client.post("/api/agents/gateways", json=body, headers=employee.headers)
    assert made.status_code == 201, made.text
    token: str = made.json()["token"]
    return token


@asynccontextmanager
async def prometheus(folder: Path, **configuration: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run Prometheus and yield a client of its API."""
    path, address = program("prometheus", "prometheus"), f"127.0.0.1:{free_port()}"
    file = folder / "prometheus.yml"
    file.write_text(json.dumps(configuration))  # JSON is YAML
    command = (
        path, f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"
    )  # fmt: skip
    async with running(*command), httpx.AsyncClient(base_url=f"http://{address}") as client:

        async def is_ready() -> bool:
            try:
                return (await client.get("/-/ready")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(is_ready)
        yield client


async def query(client: httpx.AsyncClient, text: str) -> list[dict[str, Any]]:
    answer = (await client.get("/api/v1/query", params={"query": text})).json()
    assert answer["status"] == "success", answer
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


async def test_prometheus_loses_nothing_of_two_hosts_in_an_outage_of_the_server(
    client: httpx.AsyncClient, server: ServerProcess, employee: Employee, dora: Tenant, pool: asyncpg.Pool,
    tmp_path: Path,
) -> None:  # fmt: skip
    exporter, port = program("prometheus-node-exporter", "prometheus-node-exporter"), free_port()
    token = await gateway_token(client, employee, dora, enrolment="automatic", host_pattern="web-*")
    targets = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": f"{host}:9100"}} for host in HOSTS
    ]  # fmt: skip
    written = {
        "url": f"{server.url}/api/v1/write", "authorization": {"credentials": token},
        "queue_config": {"max_shards": 1, "min_backoff": "100ms", "max_backoff": "1s", "batch_send_deadline": "1s"},
        "write_relabel_configs": [{"source_labels": ["__name__"], "regex": KEEP, "action": "keep"}],
    }  # fmt: skip

    async def rows(host: str) -> list[asyncpg.Record]:
        return await pool.fetch(
            "SELECT m.collected_at, m.load_average_1m, m.memory_percent FROM agent_metrics m "
            "JOIN agent_devices d ON d.id = m.agent_device_id WHERE d.business_id = $1 AND d.hostname = $2 ORDER BY 1",
            dora.business_id, host,
        )  # fmt: skip

    async def have_both(count: int) -> bool:
        return min([len(await rows(host)) for host in HOSTS]) >= count

    scrapes = [{"job_name": "node", "scrape_interval": "1s", "scrape_timeout": "1s", "static_configs": targets}]
    async with (
        running(exporter, f"--web.listen-address=127.0.0.1:{port}"),
        prometheus(tmp_path, scrape_configs=scrapes, remote_write=[written]) as api,
    ):
        await eventually(lambda: have_both(3))
        server.stop()

        async def scraped(count: int) -> bool:
            found = await query(api, 'count_over_time(node_load1{job="node"}[10m])')
            return len(found) == 2 and min(float(one["value"][1]) for one in found) >= count

        await eventually(lambda: scraped(20))  # the outage
        server.start()
        for host in HOSTS:

            async def holds_all(host: str = host) -> bool:
                """Return whether each scrape that Prometheus keeps, but for those of the last seconds, is a row."""
                kept = await query(api, f'node_load1{{instance="{host}:9100"}}[10m]')
                times = {round(at * 1000) for at, _ in kept[0]["values"][:-5]}
                stored = {round(row["collected_at"].timestamp() * 1000) for row in await rows(host)}
                return len(times) >= 15 and times <= stored

            await eventually(holds_all)
        stored = {host: await rows(host) for host in HOSTS}
        complete = [row["load_average_1m"] is not None for host in HOSTS for row in stored[host][:-5]]
        assert all(complete)
        assert any(row["memory_percent"] for row in await rows(HOSTS[0]))


async def test_prometheus_computes_with_what_it_reads_remotely(
    client: httpx.AsyncClient, server: ServerProcess, employee: Employee, dora: Tenant, bob: Tenant,
    make_device: MakeDevice, tmp_path: Path,
) -> None:  # fmt: skip
    devices = [await make_device(dora, name=name, interval=60) for name in ("busy", "idle")]
    others = await make_device(bob, name="another", interval=60)
    for device, percent in zip([*devices, others], (80, 10, 100), strict=True):
        await device.accepted(*(sample(timedelta(minutes=age), cpu_percent=percent) for age in range(1, 9)))
    token = await gateway_token(client, employee, dora, may_read=True)
    read = {"url": f"{server.url}/api/v1/read", "authorization": {"credentials": token}, "read_recent": True}
    async with prometheus(tmp_path, remote_read=[read]) as api:
        (top,) = await query(api, "topk(1, avg_over_time(rts_cpu_percent[10m]))")
        assert (top["metric"]["device"], float(top["value"][1])) == ("busy", 80)
        (mean,) = await query(api, f'avg by (business) (rts_cpu_percent{{business="{dora.name}"}})')
        assert float(mean["value"][1]) == 45
        names = {one["metric"]["device"] for one in await query(api, "rts_device_info")}
        assert names == {"busy", "idle"}
        ranged = await api.get(
            "/api/v1/query_range",
            params={"query": 'rts_cpu_percent{device=~"bus.*"}', "start": top["value"][0] - 7 * 86_400,
                    "end": top["value"][0], "step": 3600},
        )  # fmt: skip
        assert [one["metric"]["device"] for one in ranged.json()["data"]["result"]] == ["busy"]
