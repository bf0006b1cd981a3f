"""Real client libraries upload to a running server, and what they sent is in the history."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest
from influxdb_client import InfluxDBClient, Point, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from tests.conftest import MakeDevice
from tests.devices import Device
from tests.protocols.recorder import recording
from tests.whole.processes import ServerProcess, running_server


@pytest.fixture(scope="module")
def server(database: str, key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(database, key_file, tmp_path_factory.mktemp("server")) as started:
        yield started


async def stored(pool: asyncpg.Pool, device: Device, column: str) -> list[float]:
    rows = await pool.fetch(
        "SELECT * FROM agent_metrics WHERE agent_device_id = $1 ORDER BY collected_at", device.agent_id
    )
    return [row[column] for row in rows]


async def test_influxdb_client_writes_a_device(
    server: ServerProcess, make_device: MakeDevice, pool: asyncpg.Pool
) -> None:
    device = await make_device(name="influx-client")
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)

    def write() -> None:
        with InfluxDBClient(url=server.url, token=device.token, org="any") as client:
            assert client.ping()
            writer = client.write_api(write_options=SYNCHRONOUS)
            points = [
                Point("system").tag("host", "front desk").field("load1", float(number)).field("note", 'a "quoted" text')
                .time(begin + timedelta(minutes=number), WritePrecision.NS)
                for number in range(5)
            ]  # fmt: skip
            writer.write(bucket="any", record=points)
            writer.write(bucket="any", record=points)  # sent again: adds nothing

    await asyncio.to_thread(write)
    assert await stored(pool, device, "load_average_1m") == [0, 1, 2, 3, 4]


async def test_the_opentelemetry_sdk_exports_a_device(
    server: ServerProcess, make_device: MakeDevice, pool: asyncpg.Pool
) -> None:
    device = await make_device(name="otel-sdk")

    observed: list[float] = []

    def load(options: CallbackOptions) -> list[Observation]:
        del options
        observed.append(1.5 + len(observed))
        return [Observation(observed[-1])]

    def export(address: str) -> None:
        exporter = OTLPMetricExporter(
            endpoint=f"{address}/v1/metrics", headers={"authorization": f"Bearer {device.token}"}
        )
        provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=600_000)])
        provider.get_meter("test").create_observable_gauge("system.cpu.load_average.1m", [load])
        for _ in range(3):
            assert provider.force_flush()
            time.sleep(1.1)  # the SDK stamps its points with the clock, and a sample is a second
        provider.shutdown()  # collects once more

    with recording(server.url) as recorder:
        await asyncio.to_thread(export, recorder.url)
    assert len(recorder.stored) == len(observed) == 4
    assert await stored(pool, device, "load_average_1m") == observed


async def test_a_client_that_is_refused_sees_why(server: ServerProcess, make_device: MakeDevice) -> None:
    device = await make_device(name="influx-refused")
    async with httpx.AsyncClient(base_url=server.url) as client:
        answer = await client.post(
            "/api/v2/write", content=b"nonsense", headers={"Authorization": f"Token {device.token}"}
        )
    assert answer.status_code == 400
    assert "unable to parse line 1" in answer.json()["message"]
