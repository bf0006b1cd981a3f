"""The configurations of docs/sources run as they are written there, with the address and token of a test's server."""

import asyncio
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import asyncpg
import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

from tests.conftest import MakeDevice
from tests.debian import eventually, program, running
from tests.devices import Device
from tests.people import Employee, Tenant
from tests.protocols.pages import aimed, block
from tests.protocols.recorder import Recorder, recording
from tests.protocols.test_debian_prometheus import gateway_token
from tests.whole.processes import ServerProcess, running_server

STORED = ("cpu", "load", "memory", "uptime", "df", "interface")  # plugins of collectd that columns take
CHECKS = """
include <itl>
object CheckerComponent "checker" {}
object Host "web-1" { check_command = "dummy", check_interval = 1s }
object Service "load" {
  host_name = "web-1", check_command = "dummy", check_interval = 1s, vars.dummy_text = "OK|load1=0.5 load5=1.5;4;6"
}
"""


@pytest.fixture(scope="module")
def server(database: str, key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with the mapping of Icinga's page; the test's check command is `dummy`."""
    folder = tmp_path_factory.mktemp("server")
    mapping = folder / "mapping.toml"
    mapping.write_text(block("icinga.md", "toml").replace("load.value", "dummy.value"))
    with running_server(database, key_file, folder, RTS_MAPPING_FILE=str(mapping)) as started:
        yield started


@pytest.fixture
def recorder(server: ServerProcess) -> Iterator[Recorder]:
    """What the clients of a test send to the server."""
    with recording(server.url) as started:
        yield started


def seconds_of(row: asyncpg.Record) -> float:
    at: datetime = row["collected_at"]
    return at.timestamp()


async def test_glances_measures_a_device(
    recorder: Recorder, make_device: MakeDevice, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    device = await make_device(name="glances")
    file = tmp_path / "glances.conf"
    file.write_text(aimed(block("glances.md", "ini"), recorder.url, device.token).replace("interval=60", "interval=2"))

    async def has_some() -> bool:
        rows = await pool.fetch("SELECT * FROM agent_metrics WHERE agent_device_id = $1", device.agent_id)
        return len(rows) >= 2 and all(0 < row["memory_percent"] < 100 for row in rows)

    glances = str(Path(sys.executable).with_name("glances"))
    command = (glances, "-C", str(file), "--quiet", "--export", "influxdb2", "--time", "2", "--disable-check-update")
    async with running(*command):
        await eventually(has_some)
    await holds_each_load_of_glances(recorder, pool, device)


async def holds_each_load_of_glances(recorder: Recorder, pool: asyncpg.Pool, device: Device) -> None:
    """Compare the rows with the lines: Glances sends no times, so each ten seconds of receipt have the first load."""
    loads: dict[int | None, list[float]] = defaultdict(list)
    for sent in sorted(recorder.stored, key=lambda one: one.earliest):
        loads[sent.cell(10)] += [
            float(value) for line in sent.lines for value in re.findall(r"^load,.*min1=([^, ]+)", line)
        ]
    at_an_edge = loads.pop(None, [])
    expected = {cell: values for cell, values in loads.items() if cell is not None and values}
    rows = await pool.fetch("SELECT * FROM agent_metrics WHERE agent_device_id = $1", device.agent_id)
    stored = {round(seconds_of(row)): row["load_average_1m"] for row in rows}
    assert len(stored) == len(rows)
    assert expected.keys() <= stored.keys()
    assert len(stored) <= len(expected) + len(at_an_edge)
    for cell, values in expected.items():
        assert stored[cell] == pytest.approx(values[0]) or stored[cell] in at_an_edge


async def test_opentelemetrys_own_system_metrics_measure_a_device(
    recorder: Recorder, make_device: MakeDevice, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    device = await make_device(name="otel-system-metrics")
    script = tmp_path / "measure.py"
    script.write_text(block("opentelemetry.md", "python") + "\nprovider.force_flush()\nprovider.shutdown()\n")
    lines = (line.removeprefix("export ").partition("=") for line in block("opentelemetry.md", "sh").splitlines())
    own = {
        name: aimed(value.strip('"'), recorder.url, device.token).replace("https", "http") for name, _, value in lines
    }
    own["OTEL_EXPORTER_OTLP_ENDPOINT"] = recorder.url
    process = await asyncio.create_subprocess_exec(sys.executable, str(script), env=dict(os.environ) | own)
    assert await process.wait() == 0

    async def has_some() -> bool:
        row = await pool.fetchrow("SELECT * FROM agent_metrics WHERE agent_device_id = $1", device.agent_id)
        return row is not None and 0 < row["memory_percent"] < 100 and row["network_rx_bytes"] is not None

    await eventually(has_some)
    exports = [ExportMetricsServiceRequest.FromString(sent.body) for sent in recorder.stored]
    shares = first_by_second((second_of(export), memory_percent(export)) for export in exports)
    rows = await pool.fetch("SELECT * FROM agent_metrics WHERE agent_device_id = $1", device.agent_id)
    assert {seconds_of(row): row["memory_percent"] for row in rows} == pytest.approx(shares)
    assert len(rows) == len(shares)


def second_of(export: ExportMetricsServiceRequest) -> int:
    """Return when the SDK collected, in Unix seconds."""
    return min(point.time_unix_nano for point in points_of(export)) // 10**9


def memory_percent(export: ExportMetricsServiceRequest) -> float:
    (used,) = [
        point.as_double for point in points_of(export, "system.memory.utilization")
        if any(one.value.string_value == "used" for one in point.attributes)
    ]  # fmt: skip
    return 100 * used


def points_of(export: ExportMetricsServiceRequest, name: str = "") -> list[NumberDataPoint]:
    """Return the points of gauges and sums of an export, all of them or those of one name."""
    metrics = [metric for one in export.resource_metrics for scope in one.scope_metrics for metric in scope.metrics]
    selected = [metric for metric in metrics if not name or metric.name == name]
    return [point for metric in selected for kind in (metric.gauge, metric.sum) for point in kind.data_points]


async def test_the_influxdb_client_of_its_page_writes_its_point(
    recorder: Recorder, make_device: MakeDevice, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    device = await make_device(name="influx-page")
    script = tmp_path / "write.py"
    script.write_text(aimed(block("influx-clients.md", "python"), recorder.url, device.token))
    process = await asyncio.create_subprocess_exec(sys.executable, str(script))
    assert await process.wait() == 0
    (sent,) = recorder.stored
    assert sent.lines == ["system,host=front-desk load1=0.5"]
    (row,) = await pool.fetch("SELECT * FROM agent_metrics WHERE agent_device_id = $1", device.agent_id)
    assert row["load_average_1m"] == 0.5


async def test_collectd_measures_a_device_with_the_configuration_of_its_page(
    recorder: Recorder, make_device: MakeDevice, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    path = program("collectd", "collectd-core")
    root, device = Path(path).parents[2], await make_device(name="collectd-page")
    own = (
        f'Hostname "front-desk"\nBaseDir "{tmp_path}"\nPIDFile "{tmp_path}/pid"\nInterval 1\n'
        f'PluginDir "{root}/usr/lib/collectd"\nTypesDB "{root}/usr/share/collectd/types.db"\n'
    )
    page = (
        block("collectd.md").replace("https://agents.example", recorder.url).replace("AGENT_ID", str(device.agent_id))
    )
    file = tmp_path / "collectd.conf"
    file.write_text(own + page.replace("THE_AGENT_TOKEN", device.token))

    async def has_some() -> bool:
        rows: int = await pool.fetchval(
            "SELECT count(*) FROM agent_metrics WHERE agent_device_id = $1 AND cpu_percent IS NOT NULL "
            "AND memory_percent IS NOT NULL AND load_average_5m IS NOT NULL", device.agent_id,
        )  # fmt: skip
        return rows >= 3

    async with running(path, "-f", "-C", str(file)):
        await eventually(has_some)
    sent = [one for upload in recorder.stored for one in json.loads(upload.body)]
    rows = await pool.fetch("SELECT * FROM agent_metrics WHERE agent_device_id = $1", device.agent_id)
    loads = first_by_second((int(one["time"]), one["values"][0]) for one in sent if one["plugin"] == "load")
    assert first_by_second((seconds_of(row), row["load_average_1m"]) for row in rows) == pytest.approx(loads)
    uptimes = first_by_second((int(one["time"]), one["values"][0]) for one in sent if one["plugin"] == "uptime")
    assert first_by_second((seconds_of(row), row["uptime_seconds"]) for row in rows) == uptimes
    assert len(rows) == len({int(one["time"]) for one in sent if one["plugin"] in STORED})


def first_by_second(pairs: Iterable[tuple[float, float | None]]) -> dict[float, float]:
    """Return the first value of each time; a time without a value is left out."""
    first_values: dict[float, float] = {}
    for at, value in pairs:
        if value is not None:
            first_values.setdefault(at, value)
    return first_values


async def test_icinga_brings_the_values_that_the_mapping_names(
    client: httpx.AsyncClient, recorder: Recorder, employee: Employee, dora: Tenant, pool: asyncpg.Pool,
    tmp_path: Path,
) -> None:  # fmt: skip
    path = program("icinga2", "icinga2-bin")
    token = await gateway_token(client, employee, dora, enrolment="automatic", host_pattern="web-*")
    writer = aimed(block("icinga.md"), recorder.url, token).replace("flush_interval = 10s", "flush_interval = 1s")
    file = tmp_path / "icinga2.conf"
    file.write_text(CHECKS + writer)
    places = {"DataDir": "data", "LogDir": "log", "CacheDir": "cache", "SpoolDir": "spool", "InitRunDir": "run"}
    options = ["-D", "Configuration.RunAsUser=root", "-D", "Configuration.RunAsGroup=root"]
    for name, folder in places.items():
        (tmp_path / folder).mkdir()
        options += ["-D", f"Configuration.{name}={tmp_path / folder}"]

    async def series() -> set[tuple[str, str]]:
        rows = await pool.fetch(
            "SELECT s.metric, d.hostname FROM agent_series s JOIN agent_devices d ON d.id = s.agent_device_id "
            "WHERE d.business_id = $1", dora.business_id,
        )  # fmt: skip
        return {(row["metric"], row["hostname"]) for row in rows}

    async def has_some() -> bool:
        return await series() == {("custom.icinga.load5", "web-1")}

    async with running(path, "daemon", "-c", str(file), *options):
        await eventually(has_some)
        await eventually(lambda: has_several(recorder))
    lines = {line for sent in recorder.stored for line in sent.lines if "metric=load5" in line}
    rows = await pool.fetch(
        "SELECT m.collected_at, m.value FROM agent_series s JOIN agent_devices d ON d.id = s.agent_device_id "
        "JOIN agent_series_samples m ON m.series_id = s.id WHERE d.business_id = $1", dora.business_id,
    )  # fmt: skip
    assert sorted(seconds_of(row) for row in rows) == sorted({float(line.split()[-1]) for line in lines})
    assert {row["value"] for row in rows} == {1.5}


async def has_several(recorder: Recorder) -> bool:
    """Return whether values of the check were sent at three times or more."""
    return len({line for sent in recorder.sent for line in sent.lines if "metric=load5" in line}) >= 3
