"""Our own agent on this machine: each of its disks and interfaces is a series, and the one that is full has an alert.

A small file system in memory is mounted, filled and emptied; where mounting isn't possible, nothing is tested.
"""

import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from agent.collect import Collector
from agent.instances import disks, interfaces
from core.clock import utc_now
from tests.devices import Device
from tests.rules import Rules, alerts_of

MINUTE, SIZE = timedelta(minutes=1), 4 * 2**20
FULL = {"metric": "disk.percent", "instance": "*", "operator": ">", "threshold": 97, "duration_minutes": 10}


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip(f"mounting is not possible here: {done.stderr.decode()[:200]}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def measure(device: Device, *times: datetime) -> None:
    """Upload what the agent measures now, as if it had at each of these times."""
    sample = Collector().sample()
    await device.accepted(*(sample | {"collected_at": at.isoformat()} for at in times))


async def test_the_one_full_disk_opens_one_alert_and_closes_it(
    rules: Rules, device: Device, pool: asyncpg.Pool, mounted: Path
) -> None:
    await pool.execute("UPDATE agent_alerts SET is_active = false")  # of other tests
    rule = FULL | {"except_instances": [one["name"] for one in disks() if one["percent"] > FULL["threshold"]]}
    await rules.make(device.tenant, rule, alert_name="Disk full", keep_firing_minutes=5)
    begin = utc_now().replace(microsecond=0) - timedelta(hours=1)
    (mounted / "filled").write_bytes(b"x" * (SIZE - 8192))
    await measure(device, *(begin - age * MINUTE for age in range(0, 20, 5)))
    await rules.evaluate(begin)
    (alert,) = await alerts_of(device)
    assert f"({mounted})" in alert["alert_message"]
    assert alert["status"] == "active"

    (mounted / "filled").unlink()
    for step in range(1, 5):
        await measure(device, begin + step * 5 * MINUTE)
        await rules.evaluate(begin + step * 5 * MINUTE + MINUTE)
    assert [one["status"] for one in await alerts_of(device)] == ["auto_resolved"]


async def test_this_machine_shows_each_of_its_disks_and_interfaces(device: Device, pool: asyncpg.Pool) -> None:
    await measure(device, utc_now())
    rows = await pool.fetch("SELECT metric, instance FROM agent_series WHERE agent_device_id = $1", device.agent_id)
    stored = {(row["metric"], row["instance"]) for row in rows}
    assert {("disk.percent", one["name"]) for one in disks()} <= stored
    assert {("network.rx_bytes", one["name"]) for one in interfaces()} <= stored
