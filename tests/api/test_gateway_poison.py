"""A host of a gateway sends odd values, times, names or far too much: it costs its own samples, in each protocol."""

import json
import math
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.api.test_foreign_uploads import PROTOBUF, remote_write
from tests.api.test_gateways import MakeGateway, make_gateway, minute, names

__all__ = ["make_gateway"]  # fixture
HOSTS = 60
ODD = [math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 2.0**63, -(2.0**63), 2.0**64, -1.0]
ODD_TIMES = [0, -1, 1, 2**31, 2**53, 2**63 - 1, -(2**63)]
ODD_TEXTS = ["", " ", "\0", "a\0b", "\u202eevil", "x" * 10_240, "../..", "%_*?[", "é\u0301", "\ufffe"]
Sent = tuple[str, bytes, dict[str, str]]  # path, body, headers
Seconds = int


def influx(hosts: list[str], odd: str, at: Seconds) -> Sent:
    lines = [f"system,host={host} load1={number} {at}" for number, host in enumerate(hosts)]
    values = [
        "NaN",
        "inf",
        "1e999",
        "-1e999",
        "9" * 400,
        "9223372036854775808i",
        "-9223372036854775809i",
        "t",
        '"text"',
        "",
    ]
    poison = [
        f"{measure},host={odd} {field}={value} {at}"
        for value in values
        for measure, field in (
            ("system", "load1"),
            ("system", "uptime"),
            ("mem", "total"),
            ("disk,path=/", "used"),
            ("net,interface=eth0", "bytes_recv"),
            ("cpu,cpu=cpu-total", "usage_idle"),
        )
    ]
    poison += [f"system,host={odd} load1=1 {time}" for time in ODD_TIMES]
    poison += [f"disk,path={text},host={odd} used=1i {at}" for text in ODD_TEXTS]
    middle = len(lines) // 2
    body = "\n".join([*poison, *lines[:middle], *poison, *lines[middle:], *poison, ""])
    return "/api/v2/write?precision=s", body.encode(), {}


def remote(version: int) -> Callable[[list[str], str, Seconds], Sent]:
    def made(hosts: list[str], odd: str, at: Seconds) -> Sent:
        ms = at * 1000
        metrics = [
            "node_load1",
            "node_boot_time_seconds",
            "node_memory_MemTotal_bytes",
            "node_memory_MemAvailable_bytes",
            "node_filesystem_size_bytes",
            "node_network_receive_bytes_total",
            "node_cpu_seconds_total",
        ]
        more = {"mountpoint": "/", "device": "eth0", "fstype": "ext4", "cpu": "0", "mode": "idle"}
        poison = [
            ({"__name__": metric, "instance": f"{odd}:9100", **more}, [(value, ms) for value in ODD])
            for metric in metrics
        ]
        poison += [({"__name__": "node_load1", "instance": f"{odd}:9100"}, [(1.0, time) for time in ODD_TIMES])]
        poison += [
            ({"__name__": text, "instance": f"{odd}:9100", text: text, "mountpoint": text}, [(1.0, ms)])
            for text in ODD_TEXTS
        ]
        series = [
            ({"__name__": "node_load1", "instance": f"{host}:9100"}, [(float(number), ms)])
            for number, host in enumerate(hosts)
        ]
        body, content_type = remote_write(version, [*poison, *series, *poison])
        return "/api/v1/write", body, {"Content-Type": content_type, "Content-Encoding": "snappy"}

    return made


def otlp(as_json: bool) -> Callable[[list[str], str, Seconds], Sent]:
    def made(hosts: list[str], odd: str, at: Seconds) -> Sent:
        request = ExportMetricsServiceRequest()
        for number, host in enumerate([odd, *hosts, odd], -1):
            resource = request.resource_metrics.add()
            resource.resource.attributes.add(key="host.name").value.string_value = host
            points = resource.scope_metrics.add().metrics.add(name="system.cpu.load_average.1m").gauge.data_points
            if host != odd:
                points.add(as_double=number, time_unix_nano=at * 10**9)
                continue
            for metric in (
                "system.uptime",
                "system.memory.usage",
                "system.filesystem.usage",
                "system.network.io",
                "system.cpu.time",
                "system.cpu.utilization",
            ):
                odd_points = resource.scope_metrics[0].metrics.add(name=metric).sum.data_points
                for value in ODD:
                    point = odd_points.add(as_double=value, time_unix_nano=at * 10**9)
                    point.attributes.add(key="device").value.double_value = value
                for text in ODD_TEXTS:
                    point = odd_points.add(as_int=-(2**63), time_unix_nano=2**64 - 1, start_time_unix_nano=2**64 - 1)
                    point.attributes.add(key=text).value.string_value = text
                odd_points.add()
        if not as_json:
            return "/v1/metrics", request.SerializeToString(), {"Content-Type": PROTOBUF}
        plain = MessageToDict(request)
        return "/v1/metrics", json.dumps(plain).encode(), {"Content-Type": "application/json"}

    return made


def collectd(hosts: list[str], odd: str, at: Seconds) -> Sent:
    def values(host: str, number: Any, time: Any = at, plugin: str = "load", **more: Any) -> dict[str, Any]:
        return {
            "values": [number, 0, 0],
            "time": time,
            "interval": 10.0,
            "host": host,
            "plugin": plugin,
            "type": plugin,
        } | more

    odd_values: list[Any] = [*ODD, "x", None, [], {}]
    poison: list[Any] = [
        values(odd, value, plugin=plugin)
        for value in odd_values
        for plugin in ("load", "uptime", "memory", "df", "interface", "cpu")
    ]
    poison += [values(odd, 1, time) for time in [*ODD_TIMES, 1e300, math.nan, "now", None]]
    poison += [values(odd, 1, plugin=text, type_instance=text, plugin_instance=text) for text in ODD_TEXTS]
    lists = [values(host, number) for number, host in enumerate(hosts)]
    text = json.dumps([*poison, *lists, *poison]).replace("NaN", "null").replace("Infinity", "1e999")
    return "/collectd", text.encode(), {"Content-Type": "application/json"}


PROTOCOLS: dict[str, Callable[[list[str], str, Seconds], Sent]] = {
    "influx": influx,
    "remote write 1": remote(1),
    "remote write 2": remote(2),
    "otlp": otlp(False),
    "otlp json": otlp(True),
    "collectd": collectd,
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_odd_host_costs_only_its_own_samples(
    protocol: str, make_gateway: MakeGateway, pool: asyncpg.Pool
) -> None:
    gateway, hosts, odd = await make_gateway(), names(HOSTS), names(1)[0]
    path, body, headers = PROTOCOLS[protocol](hosts, odd, int(minute().timestamp()))
    headers |= {"Authorization": f"Bearer {gateway.token}"}
    response = await gateway.client.post(path, content=body, headers=headers)
    assert response.status_code < 500, response.text
    assert await loads(pool, hosts) == [float(number) for number in range(HOSTS)], response.text


async def test_a_host_that_sends_far_too_much_costs_only_its_own_samples(
    make_gateway: MakeGateway, pool: asyncpg.Pool
) -> None:
    gateway, hosts, odd, at = await make_gateway(), names(5), names(1)[0], int(minute().timestamp())
    flood = [f"system,host={odd} load1=1 {at - second}" for second in range(30_000)]
    lines = [*flood, *(f"system,host={host} load1={number} {at}" for number, host in enumerate(hosts)), ""]
    headers = {"Authorization": f"Token {gateway.token}"}
    response = await gateway.client.post("/api/v2/write?precision=s", content="\n".join(lines), headers=headers)
    assert await loads(pool, hosts) == [0, 1, 2, 3, 4]
    assert f"host {odd} uploads too many samples" in response.text


async def loads(pool: asyncpg.Pool, hosts: list[str]) -> list[float | None]:
    """Return the newest load of each host."""
    rows = await pool.fetch(
        "SELECT h.host, m.load_average_1m FROM agent_gateway_hosts h"
        " JOIN agent_metrics m ON m.agent_device_id = h.agent_device_id WHERE h.host = ANY ($1)",
        hosts,
    )
    load_by_host = {row["host"]: row["load_average_1m"] for row in rows}
    return [load_by_host.get(host) for host in hosts]
