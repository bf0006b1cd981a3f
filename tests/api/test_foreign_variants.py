"""Variants of other agents' uploads over HTTP: parts after a restart, guessed units, counts of what is lost."""

from datetime import timedelta

import asyncpg
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from tests.api.test_foreign_uploads import PROTOBUF, influx_lines, now, push, remote_write, rows_of, write
from tests.devices import Device

OLD = timedelta(days=40)


@pytest.mark.parametrize("precision", ["", "precision=auto", "precision=second"])
async def test_version_3_reads_times_by_their_size(device: Device, pool: asyncpg.Pool, precision: str) -> None:
    at = now()
    response = await write(device, influx_lines(at, "system,host=a load1=1"), f"/api/v3/write_lp?db=t&{precision}")
    assert response.status_code == 204
    assert [row["collected_at"] for row in await rows_of(pool, device)] == [at]


async def test_a_metric_of_another_host_that_is_not_mapped_costs_nothing(device: Device, pool: asyncpg.Pool) -> None:
    response = await write(device, influx_lines(now(), "syslog,hostname=switch-1 msgid=5", "system,host=a load1=1"))
    assert response.status_code == 204
    assert [row["load_average_1m"] for row in await rows_of(pool, device)] == [1]
    name = await pool.fetchval("SELECT hostname FROM agent_devices WHERE id = $1", device.agent_id)
    assert name == "a"


async def test_each_sample_of_a_time_that_is_too_old_counts_as_not_written(device: Device, pool: asyncpg.Pool) -> None:
    old, new = (int((now() - age).timestamp() * 1000) for age in (OLD, timedelta()))
    series = [
        ({"__name__": "node_load1"}, [(1.0, old), (1.0, new)]), ({"__name__": "node_load5"}, [(5.0, old), (5.0, new)]),
        ({"__name__": "up"}, [(1.0, new)]),
    ]  # fmt: skip
    response = await push(device, *remote_write(2, series))
    assert response.status_code == 400
    assert response.text.startswith("2 samples not stored")
    assert response.headers["x-prometheus-remote-write-samples-written"] == "3"
    assert len(await rows_of(pool, device)) == 1


async def test_each_point_of_a_time_that_is_too_old_is_a_rejected_one(device: Device) -> None:
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    for name in ("1m", "5m", "15m"):
        metric = metrics.add(name=f"system.cpu.load_average.{name}")
        metric.gauge.data_points.add(time_unix_nano=int((now() - OLD).timestamp()) * 10**9, as_double=1)
    response = await device.client.post(
        "/v1/metrics", content=request.SerializeToString(), headers={"Content-Type": PROTOBUF} | device.headers
    )
    assert response.status_code == 200
    assert ExportMetricsServiceResponse.FromString(response.content).partial_success.rejected_data_points == 3


async def test_a_part_after_a_restart_is_no_sum_over_all_interfaces(device: Device, pool: asyncpg.Pool) -> None:
    first, second, third = now(3), now(2), now(1)
    both = [f"net,interface={name},host=a bytes_recv={count}i,bytes_sent=1i" for name, count in
            (("eth0", 1_000), ("eth1", 500_000))]  # fmt: skip
    await write(device, influx_lines(first, *both))
    # What a process remembers of a device is by its token: with a new one it is as new as after a restart.
    answer = await device.client.post(f"/api/agents/{device.agent_id}/token/rotate", headers=device.headers)
    device.token = answer.json()["agent_token"]
    for line in both:
        assert (await write(device, influx_lines(second, line))).status_code == 204
    await write(device, influx_lines(third, both[0], "system,host=a load1=1"))
    rows = await rows_of(pool, device)
    assert [row["network_rx_bytes"] for row in rows] == [501_000, 501_000, None]


async def test_an_interface_that_vanished_during_a_restart_is_left_out_from_the_second_sample_on(
    device: Device, pool: asyncpg.Pool
) -> None:
    line = "net,interface={},host=a bytes_recv={}i,bytes_sent=1i"
    await write(device, influx_lines(now(4), line.format("eth0", 10), line.format("eth1", 5)))
    answer = await device.client.post(f"/api/agents/{device.agent_id}/token/rotate", headers=device.headers)
    device.token = answer.json()["agent_token"]
    for minutes_ago, count in ((3, 11), (2, 12), (1, 13)):
        await write(device, influx_lines(now(minutes_ago), line.format("eth0", count)))
    rows = await rows_of(pool, device)
    assert [row["network_rx_bytes"] for row in rows][:2] == [15, None]
    assert rows[-1]["network_rx_bytes"] in (13, -14)  # a break: it is lower than the sum over both


DISKS = ("disk,path=/run/shm,fstype=ext4,host=a used=1i,free=99i", "disk,path=/,fstype=ext4,host=a used=97i,free=3i")


async def disk_percents(pool: asyncpg.Pool, device: Device) -> list[float | None]:
    return [row["disk_percent"] for row in await rows_of(pool, device)]


async def test_a_part_without_the_systems_disk_says_nothing_of_it(device: Device, pool: asyncpg.Pool) -> None:
    first, second, third = now(3), now(2), now(1)
    await write(device, influx_lines(first, *DISKS))
    for line in (*DISKS, "system,host=a load1=1"):
        await write(device, influx_lines(second, line))
    await write(device, influx_lines(third, DISKS[0], "system,host=a load1=1"))
    assert await disk_percents(pool, device) == [97, 97, None]


async def test_after_a_restart_the_systems_disk_is_known(device: Device, pool: asyncpg.Pool) -> None:
    first, second = now(3), now(2)
    await write(device, influx_lines(first, *DISKS))
    answer = await device.client.post(f"/api/agents/{device.agent_id}/token/rotate", headers=device.headers)
    device.token = answer.json()["agent_token"]
    for line in DISKS:
        await write(device, influx_lines(second, line))
    assert await disk_percents(pool, device) == [97, 97]


async def test_a_device_without_a_systems_disk_has_its_largest_one(device: Device, pool: asyncpg.Pool) -> None:
    lines = DISKS[0].replace("shm", "archive").replace("99", "999"), DISKS[1].replace("path=/", "path=/data")
    for minutes_ago in (3, 2):
        await write(device, influx_lines(now(minutes_ago), *lines))
    assert await disk_percents(pool, device) == pytest.approx([0.1, 0.1])
