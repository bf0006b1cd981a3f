"""Series in uploads: stored beside their samples, in bounds, each fault answered in the receipt."""

from datetime import timedelta
from typing import Any

import asyncpg

from core.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import Device, sample

MINUTE = timedelta(minutes=1)

C = {"name": "C:", "type": "NTFS", "used_bytes": 50_000_000_000, "size_bytes": 100_000_000_000, "percent": 50.0}
D = {"name": "D:", "type": "NTFS", "used_bytes": 90_000_000_000, "size_bytes": 100_000_000_000, "percent": 90.0}


async def stored(pool: asyncpg.Pool, device: Device) -> dict[tuple[str, str], list[float]]:
    rows = await pool.fetch(
        "SELECT s.metric, s.instance, array_agg(v.value ORDER BY v.collected_at) AS values"
        " FROM agent_series s JOIN agent_series_samples v ON v.series_id = s.id"
        " WHERE s.agent_device_id = $1 GROUP BY 1, 2",
        device.agent_id,
    )
    return {(row["metric"], row["instance"]): row["values"] for row in rows}


async def newest(pool: asyncpg.Pool, device: Device, metric: str) -> dict[str, float]:
    rows = await pool.fetch(
        "SELECT s.instance, v.value FROM agent_series_newest n,"
        " unnest(n.series_ids, n.series_values) AS v (id, value) JOIN agent_series s USING (id)"
        " WHERE n.agent_device_id = $1 AND n.metric = $2",
        device.agent_id, metric,
    )  # fmt: skip
    return {row["instance"]: row["value"] for row in rows}


async def test_disks_interfaces_sensors_and_values_become_series(device: Device, pool: asyncpg.Pool) -> None:
    now = utc_now()
    eth = {"name": "eth0", "rx_bytes": 10, "tx_bytes": 20, "rx_errors": 0}
    queue = {"metric": "custom.queue_length", "instance": "mail", "value": 3, "unit": "messages"}
    parts: dict[str, Any] = {
        "disks": [C, D], "interfaces": [eth], "sensors": [{"name": "cpu", "celsius": 61.5}], "series": [queue],
    }  # fmt: skip
    receipt = await device.accepted(sample(now, **parts), sample(now - MINUTE, disks=[C]))
    assert (receipt["accepted"], receipt["notes"]) == (2, [])
    values = await stored(pool, device)
    assert values["disk.percent", "C:"] == [50.0, 50.0]
    assert values["disk.percent", "D:"] == [90.0]
    assert values["network.tx_bytes", "eth0"] == [20.0]
    assert values["temperature.celsius", "cpu"] == [61.5]
    assert values["custom.queue_length", "mail"] == [3.0]
    assert await newest(pool, device, "disk.percent") == {"C:": 50.0, "D:": 90.0}


async def test_an_upload_sent_again_adds_no_value(device: Device, pool: asyncpg.Pool) -> None:
    now = utc_now()
    await device.accepted(sample(now, disks=[C]))
    receipt = await device.accepted(sample(now, disks=[D]), sample(now - MINUTE, disks=[C]))
    assert (receipt["accepted"], receipt["duplicates"]) == (1, 1)
    assert (await stored(pool, device))["disk.percent", "C:"] == [50.0, 50.0]
    assert ("disk.percent", "D:") not in await stored(pool, device)


async def test_missing_columns_are_filled_from_real_disks_and_all_interfaces(
    device: Device, pool: asyncpg.Pool
) -> None:
    now = utc_now()
    image = {"name": "/snap/core", "type": "squashfs", "percent": 100.0}
    a, b = {"name": "eth0", "rx_bytes": 10, "tx_bytes": 1}, {"name": "eth1", "rx_bytes": 5, "tx_bytes": 2}
    lo = {"name": "lo", "rx_bytes": 1000, "tx_bytes": 1000}
    bare = {"collected_at": (now - 2 * MINUTE).isoformat()}
    await device.accepted(bare | {"disks": [C, D, image], "interfaces": [a, b, lo]})
    await device.accepted({"collected_at": now.isoformat(), "disks": [C], "interfaces": [a]})
    rows = await pool.fetch(
        "SELECT disk_percent, disk_used_gb, network_rx_bytes, network_tx_bytes FROM agent_metrics"
        " WHERE agent_device_id = $1 ORDER BY collected_at", device.agent_id,
    )  # fmt: skip
    assert tuple(rows[0]) == (90.0, 90.0, 15, 3)
    assert tuple(rows[1]) == (50.0, 50.0, None, None)  # a sum that lacks eth1 would look like a reset


async def test_columns_that_a_sample_sets_itself_stay(device: Device, pool: asyncpg.Pool) -> None:
    await device.accepted(sample(utc_now(), disk_percent=12.0, disks=[D]))
    assert (
        await pool.fetchval("SELECT disk_percent FROM agent_metrics WHERE agent_device_id = $1", device.agent_id) == 12
    )


async def test_beyond_the_bound_of_a_device_new_series_are_refused_once_told(
    device: Device, pool: asyncpg.Pool
) -> None:
    now = utc_now()
    for turn in range(4):
        values = [{"metric": "custom.x", "instance": f"{turn}-{n}", "value": n} for n in range(150)]
        receipt = await device.accepted(sample(now - turn * MINUTE, series=values))
        assert receipt["accepted"] == 1
        codes = [note["code"] for note in receipt["notes"]]
        assert codes == ([] if turn == 0 else ["too_many_series"])
    assert len(await stored(pool, device)) == 200
    told = await pool.fetchval(
        "SELECT count(*) FROM agent_events WHERE agent_device_id = $1 AND event_type = 'series_refused'",
        device.agent_id,
    )
    assert told == 1


async def test_odd_names_and_values_cost_only_themselves(device: Device, pool: asyncpg.Pool) -> None:
    odd: list[dict[str, Any]] = [
        {"metric": "disk.percent", "instance": "\u202eevil", "value": 5},
        {"metric": "disk.percent", "instance": "it's \"C:\" -- ", "value": 6},
        {"metric": "disk.percent", "instance": "n\0ul", "value": 7},
        {"metric": "disk.percent", "instance": "x" * 10_000, "value": 8},
        {"metric": "disk.percent", "instance": "\u200b", "value": 9},
        {"metric": "no.such_metric", "value": 1},
        {"metric": "'; DROP TABLE agent_series", "value": 1},
        {"metric": "disk.percent", "instance": "far", "value": 1e9},
        {"metric": "disk.percent", "instance": "text", "value": "full"},
        {"metric": "disk.percent", "instance": "ratio", "value": 0.5, "unit": "ratio"},
        {"metric": "disk.percent", "instance": "good", "value": 10},
    ]  # fmt: skip
    receipt = await device.accepted(sample(utc_now(), series=odd, disks=[{"name": ""}, "text", D]))
    assert receipt["accepted"] == 1
    assert {note["code"] for note in receipt["notes"]} == {
        "invalid_instance", "unknown_metric", "out_of_range", "wrong_type", "series_redefined",
    }  # fmt: skip
    percentages = {name: values for name, values in (await stored(pool, device)).items() if name[0] == "disk.percent"}
    assert percentages == {
        ("disk.percent", "evil"): [5.0], ("disk.percent", "it's \"C:\" --"): [6.0], ("disk.percent", "n"): [7.0],
        ("disk.percent", "good"): [10.0], ("disk.percent", "D:"): [90.0],
    }  # fmt: skip


async def test_a_value_a_hair_out_of_range_is_cut_however_it_is_sent(device: Device, pool: asyncpg.Pool) -> None:
    now = utc_now()
    hairs = {
        "swap.percent": (100.00000000000001, 100.0), "cpu.core_percent": (103.7, 100.0),
        "cpu.state_percent": (-7.1e-10, 0.0), "ping.loss_percent": (100.4, 100.0), "disk.percent": (100.2, 100.0),
    }  # fmt: skip
    for age in (2, 1, 0):  # the first registers the series, the next ones find them
        values = [{"metric": name, "instance": "a", "value": value} for name, (value, _) in hairs.items()]
        receipt = await device.accepted(sample(now - age * MINUTE, series=values))
        assert {note["code"] for note in receipt["notes"]} == {"clamped"}
    assert await stored(pool, device) == {(name, "a"): [end] * 3 for name, (_, end) in hairs.items()}
    far = [{"metric": "swap.percent", "value": 101.5}, {"metric": "temperature.celsius", "value": -273.16}]
    receipt = await device.accepted(sample(now + MINUTE, series=far))
    assert {note["code"] for note in receipt["notes"]} == {"out_of_range"}


async def test_values_that_are_no_numbers_are_left_out(device: Device, pool: asyncpg.Pool) -> None:
    at = utc_now().isoformat()
    body = (
        '{"metrics": [{"collected_at": "%s", "disks": [{"name": "C:", "percent": NaN, "used_bytes": 5}],'
        ' "series": [{"metric": "custom.a", "value": Infinity}, {"metric": "custom.b", "value": 2}]}]}'
    )
    response = await device.post((body % at).encode())
    assert response.status_code == 200
    assert {note["code"] for note in response.json()["notes"]} == {"not_finite"}
    assert set(await stored(pool, device)) == {("disk.used_bytes", "C:"), ("custom.b", "")}


async def test_a_metric_keeps_the_unit_and_kind_that_its_business_sent_first(
    make_device: MakeDevice, pool: asyncpg.Pool
) -> None:
    first, second = await make_device(name="one"), await make_device(name="two")
    now = utc_now()
    jobs = {"metric": "custom.jobs", "instance": "a", "value": 5, "unit": "jobs", "kind": "counter"}
    assert (await first.accepted(sample(now, series=[jobs])))["notes"] == []
    receipt = await first.accepted(sample(now - MINUTE, series=[jobs | {"kind": "gauge"}], disks=[C]))
    assert [note["code"] for note in receipt["notes"]] == ["series_redefined"]
    receipt = await second.accepted(sample(now, series=[jobs | {"unit": "tasks"}]))
    assert [note["code"] for note in receipt["notes"]] == ["series_redefined"]
    assert await stored(pool, second) == {}
    assert (await stored(pool, first))["custom.jobs", "a"] == [5.0]


async def test_a_series_that_a_sample_lists_twice_counts_once(device: Device, pool: asyncpg.Pool) -> None:
    now = utc_now()
    for at in (now, now - MINUTE):
        await device.accepted(sample(at, disks=[C, C | {"percent": 60.0}]))
    assert (await stored(pool, device))["disk.percent", "C:"] == [50.0, 50.0]


async def test_a_sample_with_part_of_the_instances_keeps_the_newest_of_the_others(
    device: Device, pool: asyncpg.Pool
) -> None:
    now = utc_now()
    await device.accepted(sample(now - MINUTE, disks=[C]))
    await device.accepted(sample(now, disks=[D]))
    assert await newest(pool, device, "disk.percent") == {"C:": 50.0, "D:": 90.0}
    await device.accepted(sample(now - 2 * MINUTE, disks=[C | {"percent": 1.0}]))
    assert await newest(pool, device, "disk.percent") == {"C:": 50.0, "D:": 90.0}
