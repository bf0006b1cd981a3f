"""Uploads of other agents over HTTP: stored in parts, answered as clients expect, and only for their own device."""

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import cramjam
import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from protocols.protobuf_messages import RequestV1, RequestV2
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant

PROTOBUF = "application/x-protobuf"
V2_TYPE = f"{PROTOBUF};proto=io.prometheus.write.v2.Request"


def now(minutes_ago: float = 1) -> datetime:
    return (datetime.now(UTC) - timedelta(minutes=minutes_ago)).replace(microsecond=0)


def influx_lines(at: datetime, *lines: str) -> bytes:
    return "".join(f"{line} {int(at.timestamp())}\n" for line in lines).encode()


async def rows_of(pool: asyncpg.Pool, device: Device) -> list[asyncpg.Record]:
    return await pool.fetch(
        "SELECT * FROM agent_metrics WHERE agent_device_id = $1 ORDER BY collected_at", device.agent_id
    )


async def write(device: Device, body: bytes, path: str = "/api/v2/write?precision=s", **headers: str) -> httpx.Response:
    return await device.client.post(path, content=body, headers={"Authorization": f"Token {device.token}"} | headers)


TELEGRAF = (
    "cpu,cpu=cpu-total,host=a usage_idle=80,usage_iowait=5", "mem,host=a total=8000000000i,available=2000000000i",
    "disk,path=/,fstype=ext4,host=a used=60i,free=40i", "system,host=a load1=1,load5=2,load15=3",
    "system,host=a uptime=86400i", "net,interface=eth0,host=a bytes_recv=100i,bytes_sent=200i",
    "net,interface=lo,host=a bytes_recv=999i,bytes_sent=999i",
)  # fmt: skip
COLUMNS = {
    "cpu_percent": 15.0, "memory_used_gb": 6.0, "memory_percent": 75.0, "disk_percent": 60.0, "load_average_1m": 1.0,
    "load_average_5m": 2.0, "load_average_15m": 3.0, "uptime_seconds": 86400, "network_rx_bytes": 100,
    "network_tx_bytes": 200,
}  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["/write?db=t&precision=s", "/api/v2/write?org=o&bucket=b&precision=s", "/api/v3/write_lp?db=t&precision=second",
     "/api/agents/{id}/write?precision=s", "/api/agents/{id}/influx/api/v2/write?precision=s"],
)  # fmt: skip
async def test_telegrafs_lines_become_a_row_at_each_of_its_paths(device: Device, pool: asyncpg.Pool, path: str) -> None:
    response = await write(device, influx_lines(now(), *TELEGRAF), path.format(id=device.agent_id))
    assert (response.status_code, response.content) == (204, b"")
    (row,) = await rows_of(pool, device)
    assert {name: row[name] for name in COLUMNS} == COLUMNS


async def test_parts_of_a_row_fill_it_and_change_nothing_that_is_there(device: Device, pool: asyncpg.Pool) -> None:
    at = now()
    for line in (*TELEGRAF, "cpu,cpu=cpu-total,host=a usage_idle=0"):
        assert (await write(device, influx_lines(at, line))).status_code == 204
    (row,) = await rows_of(pool, device)
    assert {name: row[name] for name in COLUMNS} == COLUMNS
    current = json.loads(
        await pool.fetchval("SELECT current_metrics FROM agent_devices WHERE id = $1", device.agent_id)
    )
    assert {name: current[name] for name in COLUMNS} == COLUMNS


async def test_disks_and_interfaces_become_series(device: Device, pool: asyncpg.Pool) -> None:
    at = now()
    for lines in (
        TELEGRAF,
        ("disk,path=/var,fstype=ext4,host=a used=10i,free=90i", "net,interface=eth1,host=a bytes_recv=7i"),
    ):
        assert (await write(device, influx_lines(at, *lines))).status_code == 204
    rows = await pool.fetch(
        "SELECT metric, instance FROM agent_series WHERE agent_device_id = $1 ORDER BY 1, 2", device.agent_id
    )
    stored = {(row["metric"], row["instance"]) for row in rows}
    assert {
        ("disk.percent", "/"),
        ("disk.percent", "/var"),
        ("network.rx_bytes", "eth0"),
        ("network.rx_bytes", "eth1"),
    } <= stored
    assert not any(instance == "lo" for _, instance in stored)


async def test_a_part_does_not_change_a_row_in_the_columnstore(device: Device, pool: asyncpg.Pool) -> None:
    old = now(minutes_ago=3 * 24 * 60)
    assert (await write(device, influx_lines(old, TELEGRAF[0]))).status_code == 204
    assert (await write(device, influx_lines(old, TELEGRAF[1]))).status_code == 204
    (row,) = await rows_of(pool, device)
    assert (row["cpu_percent"], row["memory_percent"]) == (15.0, None)


async def test_every_thins_what_comes_too_often(device: Device, pool: asyncpg.Pool) -> None:
    start = now().replace(second=0)
    for second in (0, 10, 20):
        lines = influx_lines(start + timedelta(seconds=second), f"system load1={second}")
        assert (await write(device, lines, "/api/v2/write?precision=s&every=60s")).status_code == 204
    (row,) = await rows_of(pool, device)
    assert (row["collected_at"], row["load_average_1m"]) == (start, 0.0)


@pytest.mark.parametrize("every", ["\u00b2s", "s", "-1s", "0m", "2h", "1e1s", "30s ", "9" * 5000 + "s"])
async def test_a_span_that_cannot_be_read_is_refused(device: Device, every: str) -> None:
    path = str(httpx.URL("/api/v2/write", params={"precision": "s", "every": every}))
    response = await write(device, influx_lines(now(), "system load1=1"), path)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_upload")


async def test_a_bad_line_is_named_and_the_others_are_stored(device: Device, pool: asyncpg.Pool) -> None:
    response = await write(device, influx_lines(now(), TELEGRAF[0], "not a line"))
    assert response.status_code == 400
    assert "partial write" in response.json()["error"]
    assert "line 2" in response.json()["message"]
    assert len(await rows_of(pool, device)) == 1


async def test_a_time_that_cannot_be_kept_is_a_partial_write(device: Device, pool: asyncpg.Pool) -> None:
    response = await write(device, b"system load1=1 1\nsystem load1=2 %d" % int(now().timestamp()))
    assert response.status_code == 400
    assert "dropped=1" in response.json()["error"]
    assert len(await rows_of(pool, device)) == 1


@pytest.mark.parametrize("time", ["9" * 5000, "9" * 19, "-" + "9" * 19, str(253_402_300_800), "-1"])
async def test_a_line_of_an_impossible_time_costs_only_itself(device: Device, pool: asyncpg.Pool, time: str) -> None:
    good = influx_lines(now(), "system,host=a load1=1,load5=2,load15=3")
    for _ in range(2):
        response = await write(device, good + f"system,host=a load1=9,load5=9,load15=9 {time}\n".encode())
        assert response.status_code == 400  # a partial write, as InfluxDB answers it
    (row,) = await rows_of(pool, device)
    assert row["load_average_1m"] == 1
    assert (await write(device, influx_lines(now(2), "system,host=a load1=4,load5=2,load15=3"))).status_code == 204


def otlp_gauges(*points: tuple[str, str]) -> bytes:
    """A request in JSON with a gauge for each (name, value as it stands in the text)."""
    time = str(int(now().timestamp()) * 10**9)
    gauge = {"dataPoints": [{"timeUnixNano": time, "asInt": "VALUE"}]}
    metrics = [{"name": name, "gauge": gauge} for name, _ in points]
    body = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]})
    for _, value in points:
        body = body.replace('"VALUE"', value, 1)
    return body.encode()


@pytest.mark.parametrize("value", ["1" + "0" * 400, '"x"'])
async def test_a_number_that_cannot_be_read_costs_otlp_only_its_point(
    device: Device, pool: asyncpg.Pool, value: str
) -> None:
    body = otlp_gauges(("system.cpu.load_average.1m", value), ("system.cpu.load_average.5m", "2"))
    headers = device.headers | {"Content-Type": "application/json"}
    response = await device.client.post("/v1/metrics", content=body, headers=headers)
    assert (response.status_code, response.json()["partialSuccess"]["rejectedDataPoints"]) == (200, "1")
    (row,) = await rows_of(pool, device)
    assert (row["load_average_1m"], row["load_average_5m"]) == (None, 2)


async def test_a_byte_that_is_not_utf_8_costs_only_its_name(device: Device, pool: asyncpg.Pool) -> None:
    at = now()
    lines = influx_lines(at, "disk,path=/Datei#,fstype=ext4,host=a used=60i,free=40i", "system,host=a load1=1")
    assert (await write(device, lines.replace(b"#", b"\xfc"))).status_code == 204
    (row,) = await rows_of(pool, device)
    assert (row["load_average_1m"], row["disk_percent"]) == (1, 60)
    body = otlp_gauges(("system.cpu.load_average.5m", "2"), ("some.name", "3")).replace(b"some.name", b"some.n\xe4me")
    headers = device.headers | {"Content-Type": "application/json"}
    assert (await device.client.post("/v1/metrics", content=body, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("used_percent", "kept"), [(100.00000000000001, 100), (-7e-10, 0), (100.4, 100), (120, None), (-3, None)]
)
async def test_a_percentage_a_hair_out_of_range_is_cut(
    device: Device, pool: asyncpg.Pool, used_percent: float, kept: float | None
) -> None:
    line = f"disk,path=/,fstype=ext4,host=a used_percent={used_percent}"
    idle = 100 - used_percent if used_percent != 120 else -3.7  # a turbo's cycles
    cpu = f"cpu,cpu=cpu-total,host=a usage_idle={idle}"
    assert (await write(device, influx_lines(now(), line, cpu, "system,host=a load1=1"))).status_code == 204
    (row,) = await rows_of(pool, device)
    assert (row["disk_percent"], row["load_average_1m"]) == (kept, 1)
    assert row["cpu_percent"] == (100 if used_percent == 120 else kept)
    query = "SELECT value FROM agent_series_samples JOIN agent_series s ON s.id = series_id WHERE agent_device_id = $1"
    values = await pool.fetch(query, device.agent_id)
    assert [value for (value,) in values] == ([] if kept is None else [kept])


@pytest.mark.parametrize("scheme", ["Bearer {}", "Token {}", "basic", "p"])
async def test_a_token_comes_in_each_way_that_clients_have(device: Device, scheme: str) -> None:
    path, header = "/write?precision=s", scheme.format(device.token)
    if scheme == "basic":
        header = "Basic " + base64.b64encode(f"anybody:{device.token}".encode()).decode()
    if scheme == "p":
        path, header = f"/write?precision=s&u=anybody&p={device.token}", ""
    headers = {"Authorization": header} if header else {}
    response = await device.client.post(path, content=influx_lines(now(), TELEGRAF[0]), headers=headers)
    assert response.status_code == 204


@pytest.mark.parametrize("path", ["/write", "/v1/metrics", "/api/v1/write"])
@pytest.mark.parametrize("token", ["", "Bearer x", "Basic x", "Token "])
async def test_without_a_good_token_nothing_is_taken(client: httpx.AsyncClient, path: str, token: str) -> None:
    headers = {"Authorization": token, "Content-Encoding": "snappy"} if token else {}
    response = await client.post(path, content=b"system load1=1", headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("path", ["/write", "/v1/metrics", "/api/v1/write", "/collectd"])
async def test_a_password_that_is_not_ascii_is_a_wrong_token(client: httpx.AsyncClient, path: str) -> None:
    headers = {b"Authorization": b"Basic \xe9", b"Content-Encoding": b"snappy"}
    assert (await client.post(path, content=b"system load1=1", headers=headers)).status_code == 401


async def test_a_revoked_token_is_told_so(device: Device, employee: Employee) -> None:
    revoked = await device.client.delete(f"/api/agents/{device.agent_id}/token", headers=employee.headers)
    assert revoked.status_code == 204
    assert (await write(device, influx_lines(now(), TELEGRAF[0]))).status_code == 401


async def test_samples_by_a_revoked_token_are_not_stored_beside_those_by_a_valid_one(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    revoked = await device.client.delete(f"/api/agents/{device.agent_id}/token", headers=employee.headers)
    assert revoked.status_code == 204
    at = now()
    assert (await write(device, influx_lines(at, TELEGRAF[0]))).status_code == 401
    body = {"business_id": str(device.tenant.business_id), "agent_id": str(device.agent_id)}
    response = await device.client.post("/api/agents/registration-tokens", json=body, headers=employee.headers)
    again = await device.client.post("/api/agents/register", json={"token": response.json()["token"]})
    device.token = again.json()["agent_token"]
    assert (await write(device, influx_lines(at, TELEGRAF[1]))).status_code == 204
    (row,) = await rows_of(pool, device)
    assert (row["cpu_percent"], row["memory_percent"]) == (None, 75.0)


async def test_a_token_writes_to_no_other_device(
    device: Device, make_device: MakeDevice, bob: Tenant, pool: asyncpg.Pool
) -> None:
    other = await make_device(bob)
    response = await write(device, influx_lines(now(), TELEGRAF[0]), f"/api/agents/{other.agent_id}/write?precision=s")
    assert response.status_code == 403
    assert await rows_of(pool, other) == []


async def test_several_hosts_under_one_token_are_refused(device: Device, pool: asyncpg.Pool) -> None:
    lines = influx_lines(now(), "system,host=a load1=1", "system,host=b load1=2")
    response = await write(device, lines)
    assert response.status_code == 400
    assert response.json()["code"] == "several_hosts"
    assert await rows_of(pool, device) == []


async def test_clients_find_an_influxdb(client: httpx.AsyncClient) -> None:
    assert (await client.get("/ping")).status_code == 204
    assert (await client.get("/health")).json()["status"] == "pass"
    shown = (await client.get("/query", params={"q": "SHOW DATABASES", "db": "telegraf"})).json()
    assert shown["results"][0]["series"][0]["values"] == [["telegraf"]]
    assert (await client.post("/query", params={"q": "CREATE DATABASE telegraf"})).status_code == 200


def otlp_request(at: datetime, load: float, *, delta: bool = False) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    point = metrics.add(name="system.cpu.load_average.1m").gauge.data_points.add(as_double=load)
    point.time_unix_nano = int(at.timestamp()) * 1_000_000_000
    if delta:
        total = metrics.add(name="system.network.io").sum
        total.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
        total.data_points.add(as_int=5, time_unix_nano=point.time_unix_nano)
    return request


async def test_otlp_protobuf_is_stored_and_answered_in_protobuf(device: Device, pool: asyncpg.Pool) -> None:
    body = otlp_request(now(), 4.5).SerializeToString()
    headers = {"Content-Type": PROTOBUF, "Content-Encoding": "gzip"} | device.headers
    response = await device.client.post("/v1/metrics", content=gzip.compress(body), headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (200, PROTOBUF)
    assert not ExportMetricsServiceResponse.FromString(response.content).HasField("partial_success")
    (row,) = await rows_of(pool, device)
    assert row["load_average_1m"] == 4.5


async def test_otlp_json_is_stored_and_answered_in_json(device: Device, pool: asyncpg.Pool) -> None:
    nanoseconds = str(int(now().timestamp()) * 1_000_000_000)
    point = {"timeUnixNano": nanoseconds, "asDouble": 4.5}
    metric = {"name": "system.cpu.load_average.1m", "gauge": {"dataPoints": [point]}, "description": "unknown to us"}
    body = {"resourceMetrics": [{"resource": {}, "scopeMetrics": [{"metrics": [metric]}]}]}
    response = await device.client.post("/v1/metrics", json=body, headers=device.headers)
    assert (response.status_code, response.json()) == (200, {})
    (row,) = await rows_of(pool, device)
    assert row["load_average_1m"] == 4.5


async def test_delta_sums_are_a_partial_success(device: Device, pool: asyncpg.Pool) -> None:
    body = otlp_request(now(), 4.5, delta=True).SerializeToString()
    response = await device.client.post(
        "/v1/metrics", content=body, headers={"Content-Type": PROTOBUF} | device.headers
    )
    assert response.status_code == 200
    partial = ExportMetricsServiceResponse.FromString(response.content).partial_success
    assert partial.rejected_data_points == 1
    assert "cumulative" in partial.error_message
    assert len(await rows_of(pool, device)) == 1


@pytest.mark.parametrize(
    ("path", "content_type", "status"),
    [("/v1/metrics", PROTOBUF, 400), ("/v1/metrics", "text/plain", 415), ("/v1/traces", PROTOBUF, 415)],
)
async def test_an_otlp_failure_carries_a_status(device: Device, path: str, content_type: str, status: int) -> None:
    headers = {"Content-Type": content_type} | device.headers
    response = await device.client.post(path, content=b"\xff\xff\xff", headers=headers)
    assert response.status_code == status
    if content_type == PROTOBUF:
        assert Status.FromString(response.content).message


def remote_write(version: int, series: list[tuple[dict[str, str], list[tuple[float, int]]]]) -> tuple[bytes, str]:
    """Return a body and its media type; samples are (value, milliseconds)."""
    request: Any = RequestV1() if version == 1 else RequestV2(symbols=[""])
    for labels, samples in series:
        added = request.timeseries.add()
        for value, at in samples:
            added.samples.add(value=value, timestamp=at)
        for name, value_ in labels.items():
            if version == 1:
                added.labels.add(name=name, value=value_)
            else:
                request.symbols.extend([name, value_])
                added.labels_refs.extend([len(request.symbols) - 2, len(request.symbols) - 1])
    body = bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
    return body, PROTOBUF if version == 1 else V2_TYPE


async def push(device: Device, body: bytes, content_type: str, encoding: str = "snappy") -> httpx.Response:
    headers = {"Content-Type": content_type, "Content-Encoding": encoding} | device.headers
    return await device.client.post("/api/v1/write", content=body, headers=headers)


@pytest.mark.parametrize("version", [1, 2])
async def test_a_scrape_becomes_a_row(device: Device, pool: asyncpg.Pool, version: int) -> None:
    at = int(now().timestamp() * 1000)
    series = [
        ({"__name__": "node_load1"}, [(4.5, at)]), ({"__name__": "node_boot_time_seconds"}, [(at / 1000 - 60, at)]),
        ({"__name__": "up"}, [(1.0, at)]), ({"__name__": "node_load5"}, [(float("nan"), at)]),
    ]  # fmt: skip
    response = await push(device, *remote_write(version, series))
    assert response.status_code == 204
    written = response.headers.get("x-prometheus-remote-write-samples-written")
    assert written == (None if version == 1 else "4")
    (row,) = await rows_of(pool, device)
    assert (row["load_average_1m"], row["load_average_5m"], row["uptime_seconds"]) == (4.5, None, 60)


async def test_a_request_of_stale_markers_alone_makes_no_row(device: Device, pool: asyncpg.Pool) -> None:
    at = int(now().timestamp() * 1000)
    body, content_type = remote_write(1, [({"__name__": "node_load1"}, [(float("nan"), at)])])
    assert (await push(device, body, content_type)).status_code == 204
    assert await rows_of(pool, device) == []


@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "status"),
    [
        (b"x", PROTOBUF, "zstd", 415), (b"x", "application/json", "snappy", 415),
        (b"x", f"{PROTOBUF};proto=other.Request", "snappy", 415), (b"", PROTOBUF, "snappy", 400),
        (b"\xff\xff\xff\xff\xff\x01", PROTOBUF, "snappy", 400), (b"\x05\x10abcde", PROTOBUF, "snappy", 400),
        (b"\xff\xff\xff\xff\x0f\x00", PROTOBUF, "snappy", 413),
    ],
)  # fmt: skip
async def test_a_body_that_is_no_remote_write_is_refused(
    device: Device, body: bytes, content_type: str, encoding: str, status: int
) -> None:
    assert (await push(device, body, content_type, encoding)).status_code == status


async def test_a_symbol_that_is_not_there_is_refused(device: Device) -> None:
    request: Any = RequestV2(symbols=[""])
    request.timeseries.add(labels_refs=[1, 2])
    body = bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
    assert (await push(device, body, V2_TYPE)).status_code == 400


async def test_collectd_is_stored_below_the_agents_address(device: Device, pool: asyncpg.Pool) -> None:
    at = now().timestamp()
    lists = [
        {"values": [1, 2, 3], "dsnames": ["shortterm", "midterm", "longterm"], "time": at, "interval": 10.0,
         "host": "a", "plugin": "load", "plugin_instance": "", "type": "load", "type_instance": ""},
        {"values": [None], "time": at, "interval": 10.0, "host": "a", "plugin": "uptime", "type": "uptime"},
        {"values": "odd"},
    ]  # fmt: skip
    response = await device.client.post(f"/api/agents/{device.agent_id}/collectd", json=lists, headers=device.headers)
    assert response.status_code == 200
    (row,) = await rows_of(pool, device)
    assert (row["load_average_1m"], row["load_average_15m"]) == (1.0, 3.0)
    assert row["collected_at"].timestamp() % 10 == 0


@pytest.mark.parametrize("version", [1, 2])
async def test_a_remote_write_that_is_cut_off_is_refused_and_the_next_is_stored(
    device: Device, pool: asyncpg.Pool, version: int
) -> None:
    series = [({"__name__": "node_load1", "instance": "a:9100"}, [(4.5, int(now().timestamp() * 1000))])]
    body, content_type = remote_write(version, series)
    cut = bytes(cramjam.snappy.compress_raw(bytes(cramjam.snappy.decompress_raw(body))[:-3]))
    assert (await push(device, cut, content_type)).status_code == 400
    assert await rows_of(pool, device) == []
    assert (await push(device, body, content_type)).status_code == 204
    assert len(await rows_of(pool, device)) == 1


async def test_otlp_that_is_cut_off_is_refused(device: Device, pool: asyncpg.Pool) -> None:
    body = otlp_request(now(), 4.5).SerializeToString()[:-2]
    answer = await device.client.post("/v1/metrics", content=body, headers={"Content-Type": PROTOBUF} | device.headers)
    assert answer.status_code == 400
    assert await rows_of(pool, device) == []


async def test_histograms_are_left_out_beside_what_is_stored(device: Device, pool: asyncpg.Pool) -> None:
    request = otlp_request(now(), 4.5)
    metric = request.resource_metrics[0].scope_metrics[0].metrics.add(name="http.server.request.duration")
    metric.histogram.data_points.add(count=3, sum=1.5, bucket_counts=[1, 2], explicit_bounds=[0.1])
    answer = await device.client.post(
        "/v1/metrics", content=request.SerializeToString(), headers={"Content-Type": PROTOBUF} | device.headers
    )
    assert answer.status_code == 200
    assert ExportMetricsServiceResponse.FromString(answer.content).partial_success.rejected_data_points == 0
    assert [row["load_average_1m"] for row in await rows_of(pool, device)] == [4.5]


@pytest.mark.parametrize("path", ["/v1/metrics", "/api/v2/write"])
async def test_a_zstd_bomb_is_refused_unread(device: Device, path: str) -> None:
    bomb = bytes(cramjam.zstd.compress(b" " * 50_000_000))
    headers = {"Content-Type": PROTOBUF, "Content-Encoding": "zstd"} | device.headers
    assert (await device.client.post(path, content=bomb, headers=headers)).status_code == 415


async def test_a_part_of_otlp_json_that_does_not_fit_costs_itself(device: Device, pool: asyncpg.Pool) -> None:
    def load(name: str, **point: Any) -> dict[str, Any]:
        at = str(int(now().timestamp()) * 10**9)
        return {"name": name, "gauge": {"dataPoints": [{"timeUnixNano": at, "asDouble": 1.5} | point]}}

    name = "system.cpu.load_average"
    odd: list[Any] = [
        load(f"{name}.5m", attributes=5), load(f"{name}.5m", timeUnixNano=[]), load(f"{name}.5m", flags="x"),
        load(f"{name}.5m", attributes=[{"value": {"stringValue": []}}]), {"name": 5}, 5, None, [], "text",
    ]  # fmt: skip
    metrics = [*odd, load(f"{name}.1m", attributes=[{}]), *odd]
    resources = [{"scopeMetrics": [{"metrics": metrics}, 5, {"metrics": 5}]}, 5, {"resource": 5}]
    headers = {"Content-Type": "application/json"} | device.headers
    answer = await device.client.post("/v1/metrics", json={"resourceMetrics": resources}, headers=headers)
    (row,) = await rows_of(pool, device)
    assert (row["load_average_1m"], row["load_average_5m"]) == (1.5, None)
    assert answer.status_code == 200
    assert answer.json()["partialSuccess"]["errorMessage"]
