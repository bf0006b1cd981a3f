"""A counter that falls without a reboot is no spike, at any level; a reboot counts from zero."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from core.clock import utc_now
from rollups.refresh import refresh_range
from tests.api.test_foreign_uploads import write
from tests.calls import seen
from tests.devices import Device, sample

STEP = timedelta(minutes=5)
MB, GB = 10**6, 10**9


def story(fall: int, *, reboot: bool = False) -> tuple[datetime, list[dict[str, Any]]]:
    """Twenty-four samples of 1 MB/s; after the sixth the counter is lower by `fall`."""
    start = utc_now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=6)
    samples = []
    for step in range(24):
        value = 400 * GB + step * 300 * MB - (fall if step >= 6 else 0)
        uptime = 864_000 + step * 300
        if reboot and step >= 6:
            value, uptime = (step - 6) * 300 * MB + 60 * MB, 60 + (step - 6) * 300
        samples.append(sample(start + step * STEP, network_rx_bytes=value, uptime_seconds=uptime))
    return start, samples


async def highest(device: Device, start: datetime, interval: str) -> float:
    answer = await device.history(
        start=start.isoformat(), end=(start + timedelta(hours=2)).isoformat(), metric="network_rx_bytes",
        interval=interval,
    )  # fmt: skip
    values: list[float] = [point["network_rx_bytes"] for point in answer["metrics"] if point["network_rx_bytes"]]
    assert values
    return max(values)


@pytest.mark.parametrize("at_once", [True, False], ids=["one upload", "one by one"])
@pytest.mark.parametrize("fall", [50 * GB, 390 * GB, 1 * GB])
async def test_a_fall_without_a_reboot_is_no_spike(device: Device, database: str, fall: int, at_once: bool) -> None:
    start, samples = story(fall)
    for group in [samples] if at_once else [[one] for one in samples]:
        await device.accepted(*group)
    for _ in range(2):
        for interval in ("raw", "5m", "1h"):
            assert await highest(device, start, interval) <= 1.05 * MB, interval
        connection = await asyncpg.connect(database)
        await refresh_range(connection, start - timedelta(days=1), datetime.now(UTC), utc_now())
        await connection.close()


@pytest.mark.parametrize("at_once", [True, False], ids=["one upload", "one by one"])
@pytest.mark.parametrize("lacking", ["network_rx_bytes", "uptime_seconds"])
async def test_a_fall_after_a_sample_that_lacks_something_is_no_spike(
    device: Device, lacking: str, at_once: bool
) -> None:
    start, samples = story(50 * GB)
    del samples[5][lacking]
    for group in [samples] if at_once else [[one] for one in samples]:
        await device.accepted(*group)
    assert await highest(device, start, "raw") <= 1.05 * MB
    assert (await seen(device))["current_metrics"]["network_rx_bytes"] == samples[-1]["network_rx_bytes"]


async def test_a_reboot_while_the_counter_was_missing_counts_from_zero(device: Device) -> None:
    start, samples = story(0, reboot=True)
    del samples[5]["network_rx_bytes"], samples[6]["network_rx_bytes"]
    for one in samples:
        await device.accepted(one)
    answer = await device.history(start=start.isoformat(), metric="network_rx_bytes", interval="raw")
    rates = [point["network_rx_bytes"] for point in answer["metrics"]]
    assert rates[7] == pytest.approx(360 * MB / 900, rel=0.01)


async def test_a_fall_beside_a_disk_that_fills_a_column_is_no_spike(device: Device) -> None:
    start, samples = story(50 * GB)
    for one in samples:
        one["disk_percent"] = None
        one["disks"] = [{"name": "/", "type": "ext4", "percent": 40, "used_bytes": 4 * GB, "size_bytes": 10 * GB}]
    await device.accepted(*samples)
    assert await highest(device, start, "raw") <= 1.05 * MB


async def test_a_reboot_counts_from_zero(device: Device) -> None:
    start, samples = story(0, reboot=True)
    await device.accepted(*samples)
    assert await highest(device, start, "raw") <= 1.05 * MB
    assert await highest(device, start, "1h") == pytest.approx(0.93 * MB, rel=0.1)


def lines_of(one: dict[str, Any]) -> list[bytes]:
    """A sample as Telegraf sends it, in two parts."""
    time = int(datetime.fromisoformat(one["collected_at"]).timestamp())
    system = f"system,host=a uptime={one['uptime_seconds']}i {time}\nsystem,host=a load1=1 {time}\n"
    adapters = f"net,interface=eth0,host=a bytes_recv={one['network_rx_bytes']}i,bytes_sent=1i {time}\n"
    return [system.encode(), adapters.encode()]


@pytest.mark.parametrize("split", ["at once", "the adapters last", "the adapters first"])
@pytest.mark.parametrize("fall", [50 * GB, 390 * GB])
async def test_a_fall_that_telegraf_sends_is_no_spike(device: Device, database: str, fall: int, split: str) -> None:
    start, samples = story(fall)
    for one in samples:
        parts = lines_of(one) if split != "the adapters first" else lines_of(one)[::-1]
        for body in [b"".join(parts)] if split == "at once" else parts:
            assert (await write(device, body)).status_code == 204
    for _ in range(2):
        for interval in ("raw", "5m", "1h"):
            assert await highest(device, start, interval) <= 1.05 * MB, interval
        connection = await asyncpg.connect(database)
        await refresh_range(connection, start - timedelta(days=1), datetime.now(UTC), utc_now())
        await connection.close()
    assert (await seen(device))["current_metrics"]["network_rx_bytes"] == samples[-1]["network_rx_bytes"]
    asked: dict[str, Any] = {
        "start": start.isoformat(),
        "end": (start + timedelta(hours=2)).isoformat(),
        "interval": "raw",
    }
    (line,) = (await device.history(metric="network.rx_bytes", **asked))["instances"]
    assert max(point["avg"] for point in line["points"] if point["avg"] is not None) <= 1.05 * MB
