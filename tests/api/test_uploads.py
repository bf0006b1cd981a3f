"""What an agent is told about its uploads, and what is stored."""

import asyncio
import gc
import gzip
import json
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from api.services import Services
from ingest.pending import Row, Upload
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee

MINUTE = timedelta(minutes=1)


async def stored(pool: asyncpg.Pool, device: Device) -> list[asyncpg.Record]:
    query = "SELECT * FROM agent_metrics WHERE agent_device_id = $1 ORDER BY collected_at"
    return await pool.fetch(query, device.agent_id)


async def test_samples_are_stored_with_every_column(device: Device, pool: asyncpg.Pool) -> None:
    values: dict[str, Any] = {
        "cpu_percent": 12.5, "memory_used_gb": 6.1, "memory_percent": 38.2, "disk_used_gb": 120.4,
        "disk_percent": 47.0, "uptime_seconds": 86400, "network_rx_bytes": 123, "network_tx_bytes": 456,
    }  # fmt: skip
    receipt = await device.accepted(sample(load_average=[0.4, 0.5, 0.6], **values))
    assert receipt == {
        "received": 1, "accepted": 1, "duplicates": 0, "rejected": [], "alerts_triggered": [], "notes": [],
        "notes_left_out": 0,
    }  # fmt: skip
    (row,) = await stored(pool, device)
    assert {name: row[name] for name in values} == values
    assert (row["load_average_1m"], row["load_average_5m"], row["load_average_15m"]) == (0.4, 0.5, 0.6)
    assert row["raw_metrics"] is None


async def test_zero_null_and_absent_survive(device: Device, pool: asyncpg.Pool) -> None:
    await device.accepted(sample(cpu_percent=0, memory_percent=None, network_rx_bytes=0))
    (row,) = await stored(pool, device)
    assert (row["cpu_percent"], row["memory_percent"], row["disk_percent"], row["network_rx_bytes"]) == (
        0,
        None,
        None,
        0,
    )


async def test_unknown_fields_are_kept_in_raw_metrics(device: Device, pool: asyncpg.Pool) -> None:
    await device.accepted(sample(cpu_percent=1, gpu={"temperature": 71}, note="a'b\"c — ü"))
    (row,) = await stored(pool, device)
    assert json.loads(row["raw_metrics"]) == {"gpu": {"temperature": 71}, "note": "a'b\"c — ü"}


async def test_gzip_is_unpacked(device: Device) -> None:
    response = await device.send(sample(cpu_percent=1), sample(MINUTE, cpu_percent=2), zipped=True)
    assert response.json()["accepted"] == 2


async def test_the_same_upload_twice_is_all_duplicates(device: Device, pool: asyncpg.Pool) -> None:
    samples = [sample(age * MINUTE, cpu_percent=age) for age in range(3)]
    assert (await device.accepted(*samples))["accepted"] == 3
    again = await device.accepted(*samples)
    assert (again["received"], again["accepted"], again["duplicates"]) == (3, 0, 3)
    assert len(await stored(pool, device)) == 3


async def test_half_duplicates_are_told_apart(device: Device, pool: asyncpg.Pool) -> None:
    first, second, third = (sample(age * MINUTE, cpu_percent=age) for age in range(3))
    await device.accepted(first, second)
    receipt = await device.accepted(second, third, third)
    assert (receipt["accepted"], receipt["duplicates"]) == (1, 2)
    assert len(await stored(pool, device)) == 3


FAULTS: list[tuple[str, Any]] = [
    ("wrong_type", 7),
    ("wrong_type", ["cpu_percent", 2]),
    ("too_old", {"collected_at": "1970-01-01T00:00:00Z"}),
    ("clock_ahead", {"collected_at": "2106-02-07T06:28:15Z"}),
    ("invalid_time", {"collected_at": "yesterday"}),
    ("invalid_time", {"collected_at": 1767225600}),
    ("invalid_time", {"collected_at": "\ud800"}),
    ("invalid_time", {"collected_at": "2026-05-03T14:05:60Z"}),
    ("time_without_zone", {"collected_at": "2026-05-03T14:05:00"}),
    ("missing_time", {"collected_at": None}),
]


@pytest.mark.parametrize(("code", "fault"), FAULTS, ids=lambda value: str(value)[:40])
async def test_a_sample_without_a_usable_time_is_rejected_alone(device: Device, code: str, fault: Any) -> None:
    good, faulty = sample(cpu_percent=1), sample(MINUTE, cpu_percent=2)
    bad = faulty | fault if isinstance(fault, dict) else fault
    receipt = await device.accepted(good, bad, sample(2 * MINUTE))
    assert (receipt["received"], receipt["accepted"]) == (3, 2)
    (rejection,) = receipt["rejected"]
    assert (rejection["index"], rejection["code"]) == (1, code)
    assert rejection["message"]


async def test_two_hours_ahead_is_rejected_and_five_minutes_accepted(device: Device) -> None:
    receipt = await device.accepted(sample(timedelta(hours=-2)), sample(timedelta(minutes=-5)))
    assert receipt["accepted"] == 1
    assert receipt["rejected"][0]["code"] == "clock_ahead"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"metrics": [', 400, "malformed_json"),
        (b"", 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
        (b"[" * 100_000, 400, "malformed_json"),
        (b"[]", 422, "wrong_envelope"),
        (b'{"metrics": {}}', 422, "wrong_envelope"),
        (b"null", 422, "wrong_envelope"),
    ],
)
async def test_a_body_that_cant_be_read_is_refused(device: Device, body: bytes, status: int, code: str) -> None:
    response = await device.post(body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


async def test_a_json_error_names_its_position(device: Device) -> None:
    error = (await device.post(b'{"metrics": [}')).json()["error"]
    assert error["details"] == {"position": 13}


async def test_gzip_that_is_cut_or_false_is_refused(device: Device) -> None:
    whole = gzip.compress(b'{"metrics": []}')
    for body in (whole[:-4], b"plain text"):
        response = await device.post(body, **{"Content-Encoding": "gzip"})
        assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_gzip")


async def test_a_gzip_bomb_is_refused(device: Device) -> None:
    bomb = gzip.compress(b" " * 200_000_000, compresslevel=9)
    response = await device.post(bomb, **{"Content-Encoding": "gzip"})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")


async def test_too_many_samples_are_refused(device: Device) -> None:
    response = await device.post(b'{"metrics": [' + b",".join([b"{}"] * 20_001) + b"]}")
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_many_samples")


async def test_other_encodings_are_refused(device: Device) -> None:
    response = await device.post(b"x", **{"Content-Encoding": "br"})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_encoding")


async def test_another_agents_token_is_refused(make_device: MakeDevice) -> None:
    first, second = await make_device(), await make_device()
    second.token = first.token
    response = await second.send(sample(cpu_percent=1))
    assert (response.status_code, response.json()["error"]["code"]) == (403, "wrong_agent")


@pytest.mark.parametrize("name", ["me", "%F1", "a" * 5000])
async def test_a_path_whose_id_is_none_is_no_agents(device: Device, name: str) -> None:
    url = f"/api/agents/{name}/metrics"
    response = await device.client.post(url, json={"metrics": []}, headers=device.headers)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "wrong_agent")
    assert (await device.client.post(url, json={"metrics": []})).status_code == 401


async def test_no_token_and_a_false_one_are_refused(client: httpx.AsyncClient, device: Device) -> None:
    response = await client.post(f"/api/agents/{device.agent_id}/metrics", content=b"{}")
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")
    device.token = device.tenant.user_token
    response = await device.send(sample(cpu_percent=1))
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_token")


async def test_a_revoked_token_is_refused_and_stores_nothing(
    client: httpx.AsyncClient, device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    await device.accepted(sample(MINUTE, cpu_percent=1))
    revoked = await client.delete(f"/api/agents/{device.agent_id}/token", headers=employee.headers)
    assert revoked.status_code == 204
    response = await device.send(sample(cpu_percent=2))
    assert (response.status_code, response.json()["error"]["code"]) == (401, "token_revoked")
    assert (await device.send()).status_code == 401
    assert len(await stored(pool, device)) == 1


async def test_the_device_knows_its_newest_sample(
    client: httpx.AsyncClient, device: Device, employee: Employee
) -> None:
    await device.accepted(sample(MINUTE, cpu_percent=11), sample(2 * MINUTE, cpu_percent=22))
    await device.accepted(sample(3 * MINUTE, cpu_percent=33))
    detail = (await client.get(f"/api/agents/{device.agent_id}", headers=employee.headers)).json()
    assert detail["status"] == "online"
    assert detail["current_metrics"]["cpu_percent"] == 11
    assert detail["last_metrics_received"] is not None


async def test_services_follow_the_newest_sample(client: httpx.AsyncClient, device: Device) -> None:
    def seen(status: str, pid: int | None) -> list[dict[str, Any]]:
        return [{"name": "nginx", "status": status, "pid": pid}]

    await device.accepted(sample(5 * MINUTE, services=seen("running", 10)))
    await device.accepted(sample(3 * MINUTE, services=seen("stopped", None)))
    await device.accepted(sample(4 * MINUTE, services=seen("error", None)))  # late: must not win
    await device.accepted(sample(1 * MINUTE, services=seen("running", 20)))
    detail = (await client.get(f"/api/agents/{device.agent_id}", headers=device.tenant.headers)).json()
    (service,) = detail["monitored_services"]
    assert (service["name"], service["status"], service["pid"], service["restart_count"]) == (
        "nginx",
        "running",
        20,
        1,
    )


async def test_services_without_a_pid_change_state_too(client: httpx.AsyncClient, device: Device) -> None:
    for age, status in ((4, "running"), (3, "running"), (2, "stopped"), (1, "running")):
        await device.accepted(sample(age * MINUTE, services=[{"name": "Spooler", "status": status}]))
    detail = (await client.get(f"/api/agents/{device.agent_id}", headers=device.tenant.headers)).json()
    (service,) = detail["monitored_services"]
    assert (service["status"], service["pid"], service["restart_count"]) == ("running", None, 1)


async def test_gzip_that_unpacks_to_nothing_for_ever_is_refused(device: Device) -> None:
    response = await device.post(gzip.compress(b"") * 100_000, **{"Content-Encoding": "gzip"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_gzip")


async def test_hundreds_of_sparse_late_samples_are_stored(device: Device, pool: asyncpg.Pool) -> None:
    sparse = [sample(hours * timedelta(minutes=61), cpu_percent=1) for hours in range(1, 600)]
    assert (await device.accepted(*sparse))["accepted"] == 599
    assert (await device.accepted(*sparse))["duplicates"] == 599
    assert len(await stored(pool, device)) == 599


async def test_a_fleet_that_comes_back_at_once_does_not_keep_other_calls_waiting(
    device: Device, client: httpx.AsyncClient, services: Services
) -> None:
    many, size = 40, 500
    body = json.dumps({"metrics": [sample(MINUTE * (20 + step), cpu_percent=1) for step in range(size)]}).encode()
    uploads = [asyncio.create_task(device.post(body)) for _ in range(many)]
    other = await client.get("/api/agents")
    assert other.status_code == 401
    assert services.commits.buffered < many * size / 2  # it came in between, not after all that had arrived before it
    receipts = [answer.json() for answer in await asyncio.gather(*uploads)]
    assert sum(receipt["accepted"] for receipt in receipts) == size
    assert sum(receipt["duplicates"] for receipt in receipts) == (many - 1) * size


async def test_a_large_upload_that_would_wait_too_long_is_told_to_come_back(
    device: Device, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.uploads.MAX_WAIT_SECONDS", 0.0)
    body = json.dumps({"metrics": [sample(MINUTE * step, cpu_percent=1) for step in range(500)]}).encode()
    async with services.turns.of("another business", "another device", 60):
        answers = await asyncio.gather(*(device.post(body) for _ in range(10)))
    for refused in answers:
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ingest_busy")
        assert 5 <= int(refused.headers["Retry-After"]) <= 10
    monkeypatch.undo()
    assert (await device.post(body)).status_code == 200  # every turn was given back


def work() -> int:
    return sum(isinstance(one, Row | Upload) for one in gc.get_objects())


async def test_an_upload_leaves_nothing_for_the_garbage_collector(device: Device) -> None:
    gc.collect()
    gc.disable()
    try:
        before = work()
        await device.accepted(sample(cpu_percent=1, gpu={"temperature": 71}), sample(MINUTE, cpu_percent=2))
        assert work() == before
    finally:
        gc.enable()
