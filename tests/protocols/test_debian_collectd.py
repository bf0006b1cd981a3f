"""Debian's collectd beside a running server: what it measures of this machine becomes samples of a device."""

import json
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.conftest import MakeDevice
from tests.debian import eventually, program, running
from tests.protocols.recorder import Recorder, recording
from tests.whole.processes import running_server

CONFIGURATION = """
Hostname "front-desk"
BaseDir "{folder}"
PIDFile "{folder}/pid"
PluginDir "{plugins}"
TypesDB "{types}"
Interval 1
LoadPlugin cpu
LoadPlugin load
LoadPlugin memory
LoadPlugin uptime
LoadPlugin df
LoadPlugin write_http
<Plugin cpu>
  ReportByCpu false
  ValuesPercentage true
</Plugin>
<Plugin write_http>
  <Node "rts">
    URL "{url}"
    Header "Authorization: Bearer {token}"
    Format "JSON"
  </Node>
</Plugin>
"""


@pytest.fixture
def recorder(database: str, key_file: Path, tmp_path: Path) -> Iterator[Recorder]:
    with running_server(database, key_file, tmp_path) as server, recording(server.url) as started:
        yield started


async def test_collectd_measures_a_device(
    recorder: Recorder, make_device: MakeDevice, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    path = program("collectd", "collectd-core")
    root = Path(path).parents[2]  # / or where the package was unpacked
    device = await make_device(name="front-desk")
    file = tmp_path / "collectd.conf"
    file.write_text(
        CONFIGURATION.format(
            folder=tmp_path,
            plugins=root / "usr/lib/collectd",
            types=root / "usr/share/collectd/types.db",
            url=f"{recorder.url}/api/agents/{device.agent_id}/collectd",
            token=device.token,
        )
    )

    async def rows() -> list[asyncpg.Record]:
        return await pool.fetch(
            "SELECT * FROM agent_metrics WHERE agent_device_id = $1 AND load_average_1m IS NOT NULL "
            "AND cpu_percent IS NOT NULL AND memory_percent IS NOT NULL AND uptime_seconds IS NOT NULL",
            device.agent_id,
        )

    async def has_some() -> bool:
        return len(await rows()) >= 3

    async with running(path, "-f", "-C", str(file)):
        await eventually(has_some)
    sent_by_second: dict[int, list[int]] = {}  # on a busy machine collectd reads twice within a second: one sample
    for sent in recorder.stored:
        for one in json.loads(sent.body):
            if one["plugin"] == "uptime":
                sent_by_second.setdefault(int(one["time"]), []).append(one["values"][0])
    stored = await pool.fetch(
        "SELECT collected_at, uptime_seconds FROM agent_metrics WHERE agent_device_id = $1 "
        "AND uptime_seconds IS NOT NULL ORDER BY collected_at", device.agent_id,
    )  # fmt: skip
    assert [row["collected_at"].timestamp() for row in stored] == sorted(sent_by_second)
    for row in stored:
        assert row["uptime_seconds"] in sent_by_second[row["collected_at"].timestamp()]
    for row in await rows():
        assert 0 <= row["cpu_percent"] <= 100
        assert row["memory_used_gb"] < psutil.virtual_memory().total / 1e9
        assert row["uptime_seconds"] > 0
