"""One odd value, service or byte of an upload costs only itself, and the receipt names it."""

import json
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tests.calls import seen
from tests.conftest import MakeDevice
from tests.devices import Device, sample

MINUTE = timedelta(minutes=1)
GOOD: dict[str, Any] = {
    "cpu_percent": 12.5, "memory_used_gb": 6.1, "memory_percent": 38.2, "disk_used_gb": 120.4, "disk_percent": 97.0,
    "uptime_seconds": 86400, "network_rx_bytes": 123, "network_tx_bytes": 456,
}  # fmt: skip
SERVICES = [{"name": "MSSQLSERVER", "status": "stopped", "pid": None}]

# field, value as sent, value as stored, code of the note
VALUES: list[tuple[str, Any, float | None, str]] = [
    ("cpu_percent", 103.7, 100, "clamped"),
    ("cpu_percent", 100.00000000000001, 100, "clamped"),
    ("cpu_percent", -7.1e-10, 0, "clamped"),
    ("cpu_percent", 187, 100, "clamped"),
    ("cpu_percent", 800, None, "out_of_range"),
    ("memory_percent", 100.4, 100, "clamped"),
    ("memory_percent", -1, None, "out_of_range"),
    ("disk_percent", -1e-12, 0, "clamped"),
    ("disk_percent", "97", None, "wrong_type"),
    ("memory_used_gb", -0.001, 0, "clamped"),
    ("memory_used_gb", float("inf"), None, "not_finite"),
    ("disk_used_gb", True, None, "wrong_type"),
    ("uptime_seconds", -1, 0, "clamped"),
    ("uptime_seconds", 10**11, None, "out_of_range"),
    ("network_rx_bytes", -2147483648, None, "out_of_range"),
    ("network_rx_bytes", 2**63, None, "out_of_range"),
    ("network_tx_bytes", 10**400, None, "out_of_range"),
    ("network_tx_bytes", {"total": 1}, None, "wrong_type"),
]


async def row_of(pool: asyncpg.Pool, device: Device) -> asyncpg.Record:
    rows = await pool.fetch("SELECT * FROM agent_metrics WHERE agent_device_id = $1", device.agent_id)
    (row,) = rows
    return row


def noted(receipt: dict[str, Any]) -> list[tuple[int, str, str]]:
    assert receipt["accepted"] == receipt["received"] == 1, receipt
    return [(note["index"], note["field"], note["code"]) for note in receipt["notes"]]


@pytest.mark.parametrize(("field", "value", "stored", "code"), VALUES, ids=lambda value: str(value)[:30])
async def test_a_value_out_of_range_costs_only_itself(
    device: Device, pool: asyncpg.Pool, field: str, value: Any, stored: float | None, code: str
) -> None:
    receipt = await device.accepted(sample(services=SERVICES, **GOOD | {field: value}))
    assert noted(receipt) == [(0, field, code)]
    row = await row_of(pool, device)
    assert {name: row[name] for name in GOOD} == GOOD | {field: stored}
    (service,) = (await seen(device))["monitored_services"]
    assert (service["name"], service["status"]) == ("MSSQLSERVER", "stopped")


@pytest.mark.parametrize(
    ("loads", "stored", "fields"),
    [
        ([0.4, -1e-9, None], [0.4, 0, None], ["load_average_5m"]),
        ([-1, "2", 3], [None, None, 3], ["load_average_1m", "load_average_5m"]),
        ([1, 2], [None, None, None], ["load_average"]),
        (0.4, [None, None, None], ["load_average"]),
    ],
)
async def test_an_odd_load_costs_only_itself(
    device: Device, pool: asyncpg.Pool, loads: Any, stored: list[float | None], fields: list[str]
) -> None:
    receipt = await device.accepted(sample(load_average=loads, **GOOD))
    assert [field for _, field, _ in noted(receipt)] == fields
    row = await row_of(pool, device)
    assert [row[f"load_average_{minutes}m"] for minutes in (1, 5, 15)] == stored
    assert row["disk_percent"] == 97


WORDS = [
    ("Running", "running"), ("START_PENDING", "starting"), ("StopPending", "stopped"), ("Paused", "stopped"),
    (4, "running"), (4.0, "running"), (" 4", "running"), ("7", "stopped"), (4.5, "error"), (1, "stopped"),
    ("active", "running"), ("failed", "error"), ("deactivating", "stopped"),
    ("on fire", "error"), (None, "error"), (99, "error"), (True, "error"), (["running"], "error"),
]  # fmt: skip


@pytest.mark.parametrize(("word", "state"), WORDS, ids=str)
async def test_a_state_in_another_systems_word_is_taken(device: Device, word: Any, state: str) -> None:
    receipt = await device.accepted(sample(services=[{"name": "a", "status": word}, *SERVICES], **GOOD))
    assert {code for _, _, code in noted(receipt)} <= {"changed_status", "unknown_status"}
    states = {one["name"]: one["status"] for one in (await seen(device))["monitored_services"]}
    assert states == {"a": state, "MSSQLSERVER": "stopped"}


@pytest.mark.parametrize("entry", [7, None, {}, {"name": ""}, {"name": 3, "status": "running"}, {"name": "\x00"}, []])
async def test_an_odd_service_costs_only_itself(device: Device, entry: Any) -> None:
    receipt = await device.accepted(sample(services=[entry, *SERVICES], **GOOD))
    assert noted(receipt) == [(0, "services", "invalid_service")]
    assert [one["name"] for one in (await seen(device))["monitored_services"]] == ["MSSQLSERVER"]


@pytest.mark.parametrize("pid", [-1, 2**40, "812", 1.5, True, float("nan")])
async def test_an_odd_pid_costs_only_itself(device: Device, pid: Any) -> None:
    await device.accepted(sample(services=[{"name": "a", "status": "running", "pid": pid}], **GOOD))
    (service,) = (await seen(device))["monitored_services"]
    assert (service["status"], service["pid"]) == ("running", None)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("MSSQL\x00\x00", "MSSQL"), ("a\nb", "a b"), ("a\x1b[31mred\x1b[0m", "ared"), ("a\u202eb", "ab"),
        ("z\u200bero", "zero"), ("Cafe\u0301", "Café"), (" spaced\u00a0 out ", "spaced out"),
        ("half\ud800", "half\ufffd"), ("x" * 300, "x" * 255), ("Spooler (日本)", "Spooler (日本)"),
    ],
)  # fmt: skip
async def test_a_service_name_is_kept_without_invisible_characters(device: Device, sent: str, kept: str) -> None:
    await device.accepted(sample(services=[{"name": sent, "status": "running"}], **GOOD))
    assert [one["name"] for one in (await seen(device))["monitored_services"]] == [kept]


async def test_a_byte_that_is_not_utf_8_costs_only_its_text(device: Device) -> None:
    body = {"metrics": [sample(age * MINUTE, **GOOD) for age in range(100)]}
    body["metrics"][0]["services"] = [{"name": "Druckwarteschlange f?r B?ro", "status": "running"}]
    response = await device.post(json.dumps(body).encode().replace(b"?", b"\xfc"))
    receipt = response.json()
    assert (response.status_code, receipt["accepted"]) == (200, 100)
    assert [(note["index"], note["field"], note["code"]) for note in receipt["notes"]] == [
        (0, "services", "invalid_utf8")
    ]
    (service,) = (await seen(device))["monitored_services"]
    assert service["name"] == "Druckwarteschlange f\ufffdr B\ufffdro"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ([1, float("-inf")], "not_finite"), ("a\0b", "invalid_text"), ("\ud800", "invalid_text"),
        ("x" * 20_000, "too_much_unknown"), (2**70, "out_of_range"), ({"a": {"\0": 1}}, "invalid_text"),
    ],
)  # fmt: skip
async def test_an_unknown_field_that_cant_be_kept_costs_only_itself(
    device: Device, pool: asyncpg.Pool, value: Any, code: str
) -> None:
    receipt = await device.accepted(sample(extra=value, gpu={"temperature": 71}, **GOOD))
    assert noted(receipt) == [(0, "extra", code)]
    row = await row_of(pool, device)
    assert json.loads(row["raw_metrics"]) == {"gpu": {"temperature": 71}}
    assert row["disk_percent"] == 97


@pytest.mark.parametrize("depth", [20, 900, 960, 966, 990, 5000])
async def test_deep_nesting_costs_its_field_or_is_malformed(device: Device, pool: asyncpg.Pool, depth: int) -> None:
    deep = "[" * depth + "1" + "]" * depth
    good = json.dumps(sample(**GOOD))[1:-1].replace('"cpu_percent": 12.5', f'"cpu_percent": {deep}')
    response = await device.post(f'{{"metrics": [{{{good}, "extra": {deep}, "services": {deep}}}]}}'.encode())
    if depth > 900:  # the parser's own limit lies somewhere there
        assert response.status_code in (200, 400), response.text
        return
    assert (response.status_code, response.json()["accepted"]) == (200, 1), response.text
    assert (await row_of(pool, device))["disk_percent"] == 97


async def test_a_leap_second_is_the_end_of_its_minute(device: Device, pool: asyncpg.Pool) -> None:
    day = (sample()["collected_at"])[:10]
    yesterday = sample(timedelta(days=1))["collected_at"][:10]
    receipt = await device.accepted({"collected_at": f"{day}T00:59:60+01:00", "cpu_percent": 1})
    assert (receipt["accepted"], receipt["rejected"]) == (1, [])
    assert (await row_of(pool, device))["collected_at"].isoformat() == f"{yesterday}T23:59:59.999999+00:00"


async def test_notes_are_bounded(device: Device) -> None:
    receipt = await device.accepted(*(sample(age * MINUTE, cpu_percent="x") for age in range(1200)))
    assert (receipt["accepted"], len(receipt["notes"]), receipt["notes_left_out"]) == (1200, 1000, 200)


async def test_unmeasured_samples_count_as_no_data(make_device: MakeDevice) -> None:
    device = await make_device()
    await device.accepted({"collected_at": "2106-02-07T06:28:15Z", "cpu_percent": 7})
    await device.accepted(sample(MINUTE, cpu_percent="x"))
    await device.accepted()
    detail = await seen(device)
    assert (detail["last_metrics_received"], detail["status"]) == (None, "offline")
    await device.accepted(sample(cpu_percent=103))
    detail = await seen(device)
    assert (detail["last_metrics_received"] is not None, detail["status"]) == (True, "online")


async def test_services_of_a_device_are_bounded(device: Device) -> None:
    for part in range(3):
        services = [{"name": f"docker-{part}-{number}", "status": "running"} for number in range(400)]
        receipt = await device.accepted(sample((5 - part) * MINUTE, services=services, **GOOD))
    assert [(note["field"], note["code"]) for note in receipt["notes"]] == [("services", "too_many_services")]
    assert len((await seen(device))["monitored_services"]) == 1000
