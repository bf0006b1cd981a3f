"""Names in two spellings: Unicode's composed and decomposed forms, and Windows' names, which know no case."""

import unicodedata
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from core.clock import utc_now
from tests.calls import beat, listed, path_of
from tests.devices import Device, sample
from tests.people import Employee
from tests.rules import Rules, alerts_of

MINUTE = timedelta(minutes=1)
NFC = "Vidéo Über"
NFD = unicodedata.normalize("NFD", NFC)
SPELLINGS = pytest.mark.parametrize(
    ("sent", "asked"), [(NFC, NFD), (NFD, NFC), (NFD, NFD)],
    ids=["composed, decomposed", "decomposed, composed", "decomposed, decomposed"],
)  # fmt: skip
FULL = {"metric": "disk.percent", "operator": ">", "threshold": 90, "duration_minutes": 5}


async def upload(device: Device, **parts: Any) -> None:
    now = utc_now()
    await device.accepted(*(sample(now - age * MINUTE, **parts) for age in (10, 5, 0)))


async def is_found(url: str, device: Device, employee: Employee, search: str) -> bool:
    answer = await device.client.get(url, params={"search": search, "limit": 1000}, headers=employee.headers)
    assert answer.status_code == 200, answer.text
    return NFC in answer.text


@SPELLINGS
async def test_a_rule_on_a_service_finds_both(rules: Rules, device: Device, sent: str, asked: str) -> None:
    await rules.make(
        device.tenant, {"service": asked, "duration_minutes": 5}, agent_device_id=str(device.agent_id)
    )  # fmt: skip
    await upload(device, services=[{"name": sent, "status": "stopped"}])
    await rules.evaluate(utc_now())
    assert len(await alerts_of(device)) == 1


@SPELLINGS
async def test_a_rule_and_a_chart_on_a_disk_find_both(rules: Rules, device: Device, sent: str, asked: str) -> None:
    await rules.make(device.tenant, FULL | {"instance": f"{asked}*"}, agent_device_id=str(device.agent_id))
    await upload(device, disks=[{"name": sent, "percent": 95}])
    await rules.evaluate(utc_now())
    assert len(await alerts_of(device)) == 1
    answer = await device.history(metric="disk.percent", instance=asked, interval="raw")
    assert [line["instance"] for line in answer["instances"]] == [NFC]


@SPELLINGS
async def test_a_search_for_devices_finds_both(device: Device, employee: Employee, sent: str, asked: str) -> None:
    await beat(device, hostname=f"{sent} {device.agent_id}")
    await changed_name(device, employee, sent)
    for search in (f"{asked} {device.agent_id}", f"{asked} of {device.agent_id}"):
        assert [one["id"] for one in await listed(device.client, employee.headers, search=search)] == [
            str(device.agent_id)
        ]


async def changed_name(device: Device, employee: Employee, name: str) -> None:
    body = {"device_name": f"{name} of {device.agent_id}"}
    answer = await device.client.patch(path_of(device), json=body, headers=employee.headers)
    assert answer.status_code == 200, answer.text


@SPELLINGS
async def test_a_search_for_rules_and_alerts_finds_both(
    rules: Rules, device: Device, employee: Employee, sent: str, asked: str
) -> None:
    await rules.make(device.tenant, alert_name=sent, agent_device_id=str(device.agent_id))
    await rules.fire(device)
    assert await is_found("/api/agents/alerts", device, employee, asked)
    assert await is_found("/api/agents/alerts/history", device, employee, asked)


@pytest.fixture
async def windows(device: Device, pool: asyncpg.Pool) -> Device:
    await pool.execute("UPDATE agent_devices SET os_type = 'windows' WHERE id = $1", device.agent_id)
    return device


async def test_a_drive_letter_knows_no_case(rules: Rules, windows: Device, pool: asyncpg.Pool) -> None:
    await rules.make(windows.tenant, FULL | {"instance": "d:"}, agent_device_id=str(windows.agent_id))
    now = utc_now()
    for age, name in ((10, "D:"), (5, "d:"), (0, "D:")):
        await windows.accepted(sample(now - age * MINUTE, disks=[{"name": name, "percent": 95}]))
    rows = await pool.fetch("SELECT instance FROM agent_series WHERE agent_device_id = $1", windows.agent_id)
    assert [row["instance"] for row in rows] == ["D:"]
    await rules.evaluate(utc_now())
    assert len(await alerts_of(windows)) == 1


@pytest.mark.parametrize(("pick", "fires"), [("ethernet 2", True), ("ETHERNET*", True), ("Wi-Fi", False)])
async def test_an_adapter_of_windows_knows_no_case(rules: Rules, windows: Device, pick: str, fires: bool) -> None:
    condition = {"metric": "network.rx_errors", "operator": ">", "threshold": 1, "duration_minutes": 5}
    await rules.make(windows.tenant, condition | {"instance": pick}, agent_device_id=str(windows.agent_id))
    now = utc_now()
    for age in (20, 15, 10, 5, 0):
        counted = [{"name": "Ethernet 2", "rx_errors": 10_000 * (30 - age)}]
        await windows.accepted(sample(now - age * MINUTE, interfaces=counted))
    await rules.evaluate(utc_now())
    assert len(await alerts_of(windows)) == int(fires)


async def test_adapters_of_linux_are_two_in_two_cases(device: Device, pool: asyncpg.Pool) -> None:
    await device.accepted(sample(interfaces=[{"name": "eth0", "rx_bytes": 1}, {"name": "ETH0", "rx_bytes": 2}]))
    count = "SELECT count(*) FROM agent_series WHERE agent_device_id = $1"
    assert await pool.fetchval(count, device.agent_id) == 2


async def test_a_text_that_would_grow_stays_as_it_is(
    client: httpx.AsyncClient, device: Device, employee: Employee
) -> None:
    name = "\u0958" * 255  # each would become two
    answer = await client.patch(path_of(device), json={"device_name": name}, headers=employee.headers)
    assert (answer.status_code, answer.json()["device_name"]) == (200, name)
