"""Debian's Prometheus beside a running server: it writes what it scrapes through an outage, and reads our data back."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import yaml

from core.clock import utc_now
from tests.conftest import MakeDevice
from tests.debian import eventually, program, running
from tests.devices import sample
from tests.people import Employee, Tenant
from tests.protocols.pages import aimed, block
from tests.whole.processes import ServerProcess, free_port, running_server

HOSTS = ("web-1", "web-2")
OUTAGE = 60  # scrapes
SCRAPE_INTERVAL = "500ms"  # the shorter, the sooner the outage is over
COLLECTORS = ("cpu", "filesystem", "loadavg", "meminfo", "netdev", "stat")  # of what prometheus.md keeps
LATE = timedelta(seconds=10)  # what is newer may still be on its way


@pytest.fixture(scope="module")
def server(database: str, key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that every test leaves running."""
    with running_server(database, key_file, tmp_path_factory.mktemp("server")) as started:
        yield started


async def gateway_token(client: httpx.AsyncClient, employee: Employee, tenant: Tenant, **more: Any) -> str:
    body = {"business_id": str(tenant.business_id), "name": "prometheus"} | more
    response = await client.post("/api/agents/gateways", json=body, headers=employee.headers)
    assert response.status_code == 201, response.text
    token: str = response.json()["token"]
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
    series: list[dict[str, Any]] = answer["data"]["result"]
    return series


async def test_prometheus_loses_nothing_of_two_hosts_in_an_outage_of_the_server(
    client: httpx.AsyncClient, server: ServerProcess, employee: Employee, dora: Tenant, pool: asyncpg.Pool,
    tmp_path: Path,
) -> None:  # fmt: skip
    exporter, port = program("prometheus-node-exporter", "prometheus-node-exporter"), free_port()
    token = await gateway_token(client, employee, dora, enrolment="automatic", host_pattern="web-*")
    targets = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": f"{host}:9100"}} for host in HOSTS
    ]  # fmt: skip
    (written,) = yaml.safe_load(aimed(block("prometheus.md", "yaml"), server.url, token))["remote_write"]
    written["queue_config"] |= {"max_backoff": "1s", "batch_send_deadline": "1s"}

    async def rows(host: str) -> list[asyncpg.Record]:
        return await pool.fetch(
            "SELECT m.collected_at, m.load_average_1m, m.memory_percent FROM agent_metrics m "
            "JOIN agent_devices d ON d.id = m.agent_device_id WHERE d.business_id = $1 AND d.hostname = $2 ORDER BY 1",
            dora.business_id, host,
        )  # fmt: skip

    async def have_both(count: int) -> bool:
        return min([len(await rows(host)) for host in HOSTS]) >= count

    collectors = [f"--collector.{name}" for name in COLLECTORS]
    timing = {"scrape_interval": SCRAPE_INTERVAL, "scrape_timeout": SCRAPE_INTERVAL}
    scrapes = [{"job_name": "node", "static_configs": targets} | timing]
    async with (
        running(exporter, f"--web.listen-address=127.0.0.1:{port}", "--collector.disable-defaults", *collectors),
        prometheus(tmp_path, scrape_configs=scrapes, remote_write=[written]) as api,
    ):
        await eventually(lambda: have_both(3))
        server.stop()
        stopped_at, rows_before = utc_now(), {host: await rows(host) for host in HOSTS}
        since = stopped_at.timestamp()

        async def scrapes_of(host: str) -> set[int]:
            """Return the times of Prometheus' own samples of a host, in milliseconds."""
            (kept,) = await query(api, f'node_load1{{instance="{host}:9100"}}[15m]')
            return {round(at * 1000) for at, _ in kept["values"]}

        async def outage_is_over() -> bool:
            return all([sum(at > since * 1000 for at in await scrapes_of(host)) >= OUTAGE for host in HOSTS])

        await eventually(outage_is_over, seconds=300)
        assert {host: await rows(host) for host in HOSTS} == rows_before
        missed = {host: await scrapes_of(host) for host in HOSTS}
        server.start()
        for host in HOSTS:

            async def caught_up(host: str = host) -> bool:
                return missed[host] <= set(times_of(await rows(host)))

            await eventually(caught_up)
        caught_up_at = utc_now()
        counters = (await api.get("/metrics")).text
        await eventually(partial(are_complete, rows, caught_up_at - LATE))
        for host in HOSTS:
            stored = await rows(host)
            times = times_of(stored)
            assert len(times) == len(set(times))
            assert sum(row["memory_percent"] is not None for row in stored) >= OUTAGE
    assert counter(counters, "retried") > 0
    assert counter(counters, "failed") == 0


async def are_complete(rows: Callable[[str], Awaitable[list[asyncpg.Record]]], before: datetime) -> bool:
    """Parts of a scrape come in several requests, the last of them much later on a busy machine."""
    stored = [row for host in HOSTS for row in await rows(host) if row["collected_at"] < before]
    return None not in [row["load_average_1m"] for row in stored]


def times_of(rows: list[asyncpg.Record]) -> list[int]:
    """Return the times of rows in milliseconds since 1970."""
    return [round(row["collected_at"].timestamp() * 1000) for row in rows]


def counter(exposition: str, name: str) -> float:
    """Return the sum of Prometheus' own counter of samples that its remote write retried or failed to send."""
    lines = [
        line for line in exposition.splitlines() if line.startswith(f"prometheus_remote_storage_samples_{name}_total")
    ]
    assert lines
    return sum(float(line.split()[-1]) for line in lines)


async def test_prometheus_computes_with_what_it_reads_remotely(
    client: httpx.AsyncClient, server: ServerProcess, employee: Employee, dora: Tenant, bob: Tenant,
    make_device: MakeDevice, tmp_path: Path,
) -> None:  # fmt: skip
    devices = [await make_device(dora, name=name, interval=60) for name in ("busy", "idle")]
    others = await make_device(bob, name="another", interval=60)
    for device, percent in zip([*devices, others], (80, 10, 100), strict=True):
        await device.accepted(*(sample(timedelta(minutes=age), cpu_percent=percent) for age in range(1, 9)))
    token = await gateway_token(client, employee, dora, may_read=True)
    reading = yaml.safe_load(aimed(block("prometheus.md", "yaml", number=2), server.url, token))
    async with prometheus(tmp_path, **reading) as api:
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
