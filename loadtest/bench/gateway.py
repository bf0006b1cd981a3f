"""500 node_exporters at 15 s through one gateway: what a round of scrapes costs the server, and whether it keeps up.

Requests are as Prometheus sends them: remote write 1.0, the scrapes of 80 hosts in each. Rounds follow each other
without a pause: the measure is which share of 15 s a round takes. Every row is counted in the database at the end.
"""

import asyncio
import http.client
import json
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from rich.console import Console

from core.clock import utc_now
from db.pools import SERVER_SETTINGS
from db.sql import load_beside
from loadtest.bench.decode_payloads import remote_write
from loadtest.bench.report import show
from loadtest.bench.serving import serving
from loadtest.databases import LoadDatabase
from loadtest.environment import cpu_of_each

FLEET = load_beside(__file__, "fleet.sql")
QUERIES = load_beside(__file__, "gateway.sql")
SCRAPE_SECONDS = 15


@dataclass(frozen=True, slots=True)
class GatewayScale:
    """How much is measured."""

    hosts: int = 500
    hosts_a_request: int = 80
    rounds: int = 20


async def run(database: LoadDatabase, console: Console, scale: GatewayScale | None = None) -> dict[str, Any]:
    """Return seconds of a round, CPU of the server and the rows that were stored."""
    scale = scale or GatewayScale()
    connection = await asyncpg.connect(database.dsn, server_settings=SERVER_SETTINGS)
    try:
        employee = await connection.fetchval(FLEET["add_employee"])
        business = await connection.fetchval(QUERIES["add_business"])
        with serving(database) as server:
            token = server.tokens.issue_person(
                {"sub": str(employee), "employee_id": str(employee)}, utc_now(), timedelta(days=1)
            )
            client = server.connect()
            gateway = make_gateway(client, token, str(business), scale)
            began = utc_now().replace(microsecond=0) - timedelta(minutes=20)
            await asyncio.to_thread(send_round, client, gateway, began, scale)  # makes the devices
            before, start = cpu_of_each(server.pids), time.monotonic()
            for number in range(1, scale.rounds + 1):
                at = began + number * timedelta(seconds=SCRAPE_SECONDS)
                await asyncio.to_thread(send_round, client, gateway, at, scale)
            seconds = (time.monotonic() - start) / scale.rounds
            cpu = (cpu_of_each(server.pids)["serve"] - before["serve"]) / scale.rounds
        rows = await connection.fetchval(QUERIES["count_rows"])
    finally:
        await connection.close()
    expected = scale.hosts * (scale.rounds + 1)
    if rows != expected:
        raise RuntimeError(f"{rows} rows are stored, {expected} were sent")
    result = {
        "seconds_per_round": seconds, "share_of_the_interval": seconds / SCRAPE_SECONDS,
        "server_cpu_seconds_per_round": cpu, "server_share_of_a_core": cpu / SCRAPE_SECONDS,
    }  # fmt: skip
    show(console, f"{scale.hosts} node_exporters every {SCRAPE_SECONDS} s by one gateway", [result])
    return {"settings": asdict(scale), "results": result, "rows": rows}


def make_gateway(client: http.client.HTTPConnection, token: str, business: str, scale: GatewayScale) -> str:
    """Return the token of a gateway that makes a device of every host."""
    body = {"business_id": business, "name": "bench", "enrolment": "automatic", "max_hosts": scale.hosts}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = json.loads(post(client, "/api/agents/gateways", json.dumps(body).encode(), headers, 201))
    return str(answer["token"])


def send_round(client: http.client.HTTPConnection, token: str, at: datetime, scale: GatewayScale) -> None:
    """Send one scrape of every host."""
    headers = {
        "Authorization": f"Bearer {token}", "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"
    }  # fmt: skip
    names = [f"node-{number}" for number in range(scale.hosts)]
    for first in range(0, scale.hosts, scale.hosts_a_request):
        body = remote_write([at], 1, tuple(names[first : first + scale.hosts_a_request]))
        post(client, "/api/v1/write", body, headers, 204)


def post(
    client: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str], expected: int
) -> bytes:  # fmt: skip
    """Return the body of an answer; raises RuntimeError for another status."""
    client.request("POST", path, body, headers)
    response = client.getresponse()
    answer_body = response.read()
    if response.status != expected:
        raise RuntimeError(f"{path}: {response.status} {answer_body[:300]!r}")
    return answer_body
