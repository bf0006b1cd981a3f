"""The configurations of docs/sources run as they are written there, with the address and token of a test's server."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.conftest import MakeDevice
from tests.debian import eventually, program, running
from tests.people import Employee, Tenant
from tests.protocols.test_debian_prometheus import gateway_token
from tests.whole.processes import ServerProcess, running_server

GUIDES = Path(__file__).parents[2] / "docs" / "sources"
CHECKS = """
include <itl>
object CheckerComponent "checker" {}
object Host "web-1" { check_command = "dummy", check_interval = 1s }
object Service "load" {
  host_name = "web-1", check_command = "dummy", check_interval = 1s, vars.dummy_text = "OK|load1=0.5 load5=1.5;4;6"
}
"""


def block(page: str, language: str = "") -> str:
    """Return the first block of a page in a language."""
    (found, *_) = re.findall(rf"^```{language}\n(.*?)^```", (GUIDES / page).read_text(), re.DOTALL | re.MULTILINE)
    return str(found)


def aimed(text: str, server: ServerProcess, token: str) -> str:
    """Return a configuration with the test's server and token for those of the page."""
    url = httpx.URL(server.url)
    text = text.replace("agents.example", str(url.host)).replace("443", str(url.port))
    text = text.replace("protocol=https", "protocol=http").replace("ssl_enable = true", "ssl_enable = false")
    return re.sub(r"THE_(AGENT|GATEWAY)_TOKEN", token, text)


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    """The mapping of Icinga's page; the test's check command is `dummy`."""
    file = tmp_path / "mapping.toml"
    file.write_text(block("icinga.md", "toml").replace("load.value", "dummy.value"))
    return file


@pytest.fixture
def server(database: str, key_file: Path, tmp_path: Path, mapping: Path) -> Iterator[ServerProcess]:
    with running_server(database, key_file, tmp_path, RTS_MAPPING_FILE=str(mapping)) as started:
        yield started


async def test_glances_measures_a_device(
    server: ServerProcess, make_device: MakeDevice, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    device = await make_device(name="glances")
    file = tmp_path / "glances.conf"
    file.write_text(aimed(block("glances.md", "ini"), server, device.token).replace("interval=60", "interval=2"))

    async def has_some() -> bool:
        row = await pool.fetchrow(
            "SELECT * FROM agent_metrics WHERE agent_device_id = $1 AND cpu_percent IS NOT NULL AND memory_percent "
            "IS NOT NULL AND load_average_5m IS NOT NULL", device.agent_id,
        )  # fmt: skip
        return row is not None and 0 < row["memory_percent"] < 100

    glances = str(Path(sys.executable).with_name("glances"))
    command = (glances, "-C", str(file), "--quiet", "--export", "influxdb2", "--time", "2", "--disable-check-update")
    async with running(*command):
        await eventually(has_some)


async def test_opentelemetrys_own_system_metrics_measure_a_device(
    server: ServerProcess, make_device: MakeDevice, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    device = await make_device(name="otel-system-metrics")
    script = tmp_path / "measure.py"
    script.write_text(block("opentelemetry.md", "python") + "\nprovider.force_flush()\nprovider.shutdown()\n")
    lines = (line.removeprefix("export ").partition("=") for line in block("opentelemetry.md", "sh").splitlines())
    own = {name: aimed(value.strip('"'), server, device.token).replace("https", "http") for name, _, value in lines}
    own["OTEL_EXPORTER_OTLP_ENDPOINT"] = server.url
    process = await asyncio.create_subprocess_exec(sys.executable, str(script), env=dict(os.environ) | own)
    assert await process.wait() == 0

    async def has_some() -> bool:
        row = await pool.fetchrow("SELECT * FROM agent_metrics WHERE agent_device_id = $1", device.agent_id)
        return row is not None and 0 < row["memory_percent"] < 100 and row["network_rx_bytes"] is not None

    await eventually(has_some)


async def test_collectd_measures_a_device_with_the_configuration_of_its_page(
    server: ServerProcess, make_device: MakeDevice, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    path = program("collectd", "collectd-core")
    root, device = Path(path).parents[2], await make_device(name="collectd-page")
    own = (
        f'Hostname "front-desk"\nBaseDir "{tmp_path}"\nPIDFile "{tmp_path}/pid"\nInterval 1\n'
        f'PluginDir "{root}/usr/lib/collectd"\nTypesDB "{root}/usr/share/collectd/types.db"\n'
    )
    page = block("collectd.md").replace("https://agents.example", server.url).replace("AGENT_ID", str(device.agent_id))
    file = tmp_path / "collectd.conf"
    file.write_text(own + page.replace("THE_AGENT_TOKEN", device.token))

    async def has_some() -> bool:
        return bool(await pool.fetchval(
            "SELECT count(*) FROM agent_metrics WHERE agent_device_id = $1 AND cpu_percent IS NOT NULL "
            "AND memory_percent IS NOT NULL AND load_average_5m IS NOT NULL", device.agent_id,
        ))  # fmt: skip

    async with running(path, "-f", "-C", str(file)):
        await eventually(has_some)


async def test_icinga_brings_the_values_that_the_mapping_names(
    client: httpx.AsyncClient, server: ServerProcess, employee: Employee, dora: Tenant, pool: asyncpg.Pool,
    tmp_path: Path,
) -> None:  # fmt: skip
    path = program("icinga2", "icinga2-bin")
    token = await gateway_token(client, employee, dora, enrolment="automatic", host_pattern="web-*")
    writer = aimed(block("icinga.md"), server, token).replace("flush_interval = 10s", "flush_interval = 1s")
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
