"""The past of series: counters that fall, former owners, former intervals, and days by a local clock."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from core.clock import utc_now
from ingest.series_registry import SeriesRegistry
from rollups.refresh import refresh_range
from tests.calls import beat, path_of
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant
from tests.rules import Rules, alerts_of

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MB, GB = 10**6, 10**9


async def lines(device: Device, start: datetime, end: datetime, interval: str, **more: Any) -> list[dict[str, Any]]:
    answer = await device.history(start=start.isoformat(), end=end.isoformat(), interval=interval, **more)
    instances: list[dict[str, Any]] = answer["instances"]
    return instances


def falling(start: datetime, fall: int, *, reboot: bool = False) -> list[dict[str, Any]]:
    """Twenty-four samples of an adapter with 1 MB/s; after the sixth its counter is lower by `fall`."""
    samples = []
    for step in range(24):
        value, uptime = 400 * GB + step * 300 * MB - (fall if step >= 6 else 0), 864_000 + step * 300
        if reboot and step >= 6:
            value, uptime = (step - 6) * 300 * MB + 60 * MB, 60 + (step - 6) * 300
        listed = [{"name": "eth0", "rx_bytes": value}, {"name": "eth1", "rx_bytes": step * 300 * MB}]
        samples.append(sample(start + step * 5 * MINUTE, interfaces=listed, uptime_seconds=uptime))
    return samples


async def refresh(database: str, start: datetime) -> None:
    connection = await asyncpg.connect(database)
    await refresh_range(connection, start - DAY, datetime.now(UTC), utc_now())
    await connection.close()


@pytest.mark.parametrize("way", ["one upload", "one by one", "one by one, by processes that have not seen it"])
@pytest.mark.parametrize("fall", [50 * GB, 390 * GB, 1 * GB])
async def test_an_adapter_that_counts_lower_without_a_reboot_is_no_spike(
    device: Device, database: str, fall: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = utc_now().replace(minute=0, second=0, microsecond=0) - 6 * HOUR
    samples = falling(start, fall)
    if "not seen" in way:
        monkeypatch.setattr(SeriesRegistry, "get", lambda *_: None)
    for group in [samples] if way == "one upload" else [[one] for one in samples]:
        await device.accepted(*group)
    for _ in range(2):
        for interval in ("raw", "5m", "1h"):
            for line in await lines(device, start, start + 2 * HOUR, interval, metric="network.rx_bytes"):
                rates = [point["avg"] for point in line["points"] if point["avg"] is not None]
                assert min(rates) >= 0.8 * MB, (interval, line["instance"])
                assert max(rates) <= 1.05 * MB, (interval, line["instance"])
        await refresh(database, start)
    newest = await device.client.get(path_of(device, "metrics/series"), headers=device.tenant.headers)
    values = {one["instance"]: one["value"] for one in newest.json()["series"]}
    assert values["eth0"] == 400 * GB + 23 * 300 * MB - fall


async def test_an_adapter_that_counts_from_zero_after_a_reboot_has_a_rate(device: Device) -> None:
    start = utc_now().replace(minute=0, second=0, microsecond=0) - 6 * HOUR
    await device.accepted(*falling(start, 0, reboot=True))
    line, _ = await lines(device, start, start + 2 * HOUR, "raw", metric="network.rx_bytes")
    rates = [point["avg"] for point in line["points"]]
    assert rates[6] == pytest.approx(0.2 * MB)
    assert rates[7] == pytest.approx(MB)


async def test_an_adapter_that_counts_lower_without_a_reboot_raises_no_alert(rules: Rules, device: Device) -> None:
    now = utc_now()
    rate = {"metric": "network.rx_bytes", "instance": "*", "operator": ">", "threshold": 2 * MB}
    await rules.make(device.tenant, rate | {"duration_minutes": 10})
    await rules.make(device.tenant, rate | {"duration_minutes": 60, "aggregate": "max"})
    await rules.make(device.tenant, rate | {"duration_minutes": 300, "aggregate": "max"})
    for one in falling(now - 45 * MINUTE, 50 * GB)[:10]:
        await device.accepted(one)
        await rules.evaluate(datetime.fromisoformat(one["collected_at"]) + MINUTE / 2)
    assert await alerts_of(device) == []


async def test_a_former_owners_disks_are_seen_by_nobody_else(
    make_device: MakeDevice, dora: Tenant, employee: Employee
) -> None:
    device = await make_device()
    now = utc_now()
    custom = [{"metric": "custom.customers", "instance": "of the former owner", "value": 7}]
    await device.accepted(
        *(sample(now - age * MINUTE, disks=[{"name": "C:", "percent": 71}], series=custom) for age in range(20, 0, -5))
    )
    body = {"business_id": str(dora.business_id), "service_location_id": str(dora.location_id)}
    moved = await device.client.post(path_of(device, "move"), json=body, headers=employee.headers)
    assert moved.status_code == 200, moved.text
    device.tenant = dora
    asked = {"metric": "disk.percent,custom.customers"}
    for interval in ("raw", "5m"):
        assert await lines(device, now - HOUR, now + HOUR, interval, **asked) == []
    series = path_of(device, "metrics/series")
    top = "/api/agents/metrics/top?metric=disk.percent"
    assert (await device.client.get(series, headers=dora.headers)).json() == {"series": []}
    assert (await device.client.get(top, headers=dora.headers)).json()["top"] == []
    await device.accepted(sample(utc_now(), disks=[{"name": "C:", "percent": 72}]))
    for interval in ("raw", "5m"):
        (line,) = await lines(device, now - HOUR, now + HOUR, interval, **asked)
        assert [point["avg"] for point in line["points"]] in ([72], [])  # a bucket that both have is nobody's
    (line,) = await lines(device, now - HOUR, now + HOUR, "raw", **asked)
    assert [point["avg"] for point in line["points"]] == [72]
    listed = (await device.client.get(series, headers=dora.headers)).json()["series"]
    assert [(one["instance"], one["value"]) for one in listed] == [("C:", 72)]
    assert [one["value"] for one in (await device.client.get(top, headers=dora.headers)).json()["top"]] == [72]
    everything = (await device.client.get(series, headers=employee.headers)).json()["series"]
    assert {one["metric"] for one in everything} == {"disk.percent", "custom.customers"}


async def test_past_hours_of_disks_keep_their_coverage(device: Device, employee: Employee) -> None:
    hour = utc_now().replace(minute=0, second=0, microsecond=0) - 3 * HOUR
    disk = [{"name": "C:", "percent": 1}]
    await device.accepted(*(sample(hour + 5 * step * MINUTE, disks=disk) for step in range(24)))
    body = {"metrics_interval_seconds": 60}
    changed = await device.client.patch(path_of(device), json=body, headers=employee.headers)
    assert changed.status_code == 200, changed.text
    for _ in range(2):
        (line,) = await lines(device, hour, hour + 2 * HOUR, "1h", metric="disk.percent")
        assert [point["coverage"] for point in line["points"]] == [1.0, 1.0]
        await beat(device)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe"])
async def test_one_local_day_of_a_full_disk_is_one_point(device: Device, database: str, zone: str) -> None:
    clock = ZoneInfo(zone)
    full = (datetime.now(clock) - 4 * DAY).date()
    first = datetime.combine(full - DAY, datetime.min.time(), clock).astimezone(UTC)
    times = [first + number * 15 * MINUTE for number in range(3 * 96)]
    await device.accepted(
        *(
            sample(
                at,
                disks=[{"name": "C:", "percent": 80 if at.astimezone(clock).date() == full else 10}],
                interfaces=[{"name": "eth0", "rx_bytes": number * 900 * MB}],
            )
            for number, at in enumerate(times)
        )
    )
    for _ in range(2):
        instances = await lines(
            device, first, first + 3 * DAY, "1d", time_zone=zone, metric="disk.percent,network.rx_bytes"
        )
        disk, adapter = (line["points"] for line in instances)
        assert [point["avg"] for point in disk] == [10, 80, 10]
        assert [datetime.fromisoformat(point["timestamp"]) for point in disk] == [first + day * DAY for day in range(3)]
        assert [point["avg"] for point in adapter] == [pytest.approx(MB)] * 3
        await refresh(database, first)
