"""The history of metrics with instances, and the highest of the fleet: instances, rates, levels, tenants."""

from datetime import timedelta

import asyncpg
import httpx

from core.clock import utc_now
from rollups.choose import bucket_start
from rollups.refresh import refresh_range
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FIVE = 5 * MINUTE


async def test_instances_have_a_line_at_every_level(device: Device, database: str) -> None:
    start = bucket_start(utc_now(), HOUR) - 6 * HOUR
    count = int((utc_now() - start) / FIVE)
    samples = [
        sample(
            start + step * FIVE,
            disks=[{"name": "C:", "percent": step % 100}, {"name": "D:", "percent": 90}],
            interfaces=[{"name": "eth0", "rx_bytes": step * 300}],
        )
        for step in range(count)
    ]
    await device.accepted(*samples[: count // 2])
    connection = await asyncpg.connect(database)
    await refresh_range(connection, start, utc_now(), utc_now())
    await connection.close()
    await device.accepted(*samples[count // 2 :])
    for interval in ("raw", "5m", "1h"):
        answer = await device.history(
            metric="disk.percent,network.rx_bytes", start=start.isoformat(), interval=interval, aggregates="avg,max"
        )
        lines = {(line["metric"], line["instance"]): line["points"] for line in answer["instances"]}
        assert list(lines) == [("disk.percent", "C:"), ("disk.percent", "D:"), ("network.rx_bytes", "eth0")]
        assert {point["avg"] for point in lines["disk.percent", "D:"]} == {90}
        for points in lines.values():
            assert sum(point["samples"] for point in points) == count
        rates = [point["avg"] for point in lines["network.rx_bytes", "eth0"]][1:]
        assert set(rates) == {1.0}, interval
    assert answer["units"]["network.rx_bytes"] == "bytes/s"
    hours = [max(row % 100 for row in range(at * 12, min(count, at * 12 + 12))) for at in range(-(-count // 12))]
    assert [point["max"] for point in lines["disk.percent", "C:"]] == hours


async def test_an_instance_can_be_picked_and_columns_be_had(device: Device) -> None:
    now = utc_now()
    await device.accepted(sample(now, disks=[{"name": "C:", "percent": 1}, {"name": "D:", "percent": 2}]))
    answer = await device.history(metric="disk.percent", instance="D:", interval="raw", format="columns")
    (line,) = answer["instances"]
    assert (line["instance"], line["avg"], line["samples"]) == ("D:", [2], [1])
    listed = await device.client.get(f"/api/agents/{device.agent_id}/metrics/series", headers=device.tenant.headers)
    assert [(one["instance"], one["value"]) for one in listed.json()["series"]] == [("C:", 1), ("D:", 2)]


async def test_an_unknown_metric_is_named(device: Device) -> None:
    for query in ({"metric": "disk.nonsense"}, {"metric": "cpu_percent,disk.percent"}):
        response = await device.client.get(
            f"/api/agents/{device.agent_id}/metrics/history", params=query, headers=device.tenant.headers
        )
        assert (response.status_code, response.json()["error"]["code"]) == (422, "unknown_metric")


async def test_the_highest_of_the_fleet_are_those_that_the_caller_may_see(
    client: httpx.AsyncClient, make_device: MakeDevice, employee: Employee, alice: Tenant, bob: Tenant
) -> None:
    now = utc_now()
    at_alice = await make_device(tenant=alice)
    at_bob = await make_device(tenant=bob)
    await at_alice.accepted(
        sample(now, disks=[{"name": "/a", "inodes_percent": 99.5}, {"name": "/b", "inodes_percent": 99.25}])
    )
    await at_bob.accepted(sample(now, disks=[{"name": "/c", "inodes_percent": 99.75}]))
    stale = await make_device(tenant=bob)
    await stale.accepted(sample(now - 2 * HOUR, disks=[{"name": "/old", "inodes_percent": 100}]))

    async def top(headers: dict[str, str], limit: int = 3) -> list[str]:
        url = f"/api/agents/metrics/top?metric=disk.inodes_percent&limit={limit}"
        return [one["instance"] for one in (await client.get(url, headers=headers)).json()["top"]]

    assert await top(employee.headers) == ["/c", "/a", "/b"]
    assert await top(employee.headers, 2) == ["/c", "/a"]
    assert await top(bob.headers) == ["/c"]
    assert await top(alice.headers) == ["/a", "/b"]
