"""A device that is renamed, upgraded or moved to another network says so with its heartbeat or an upload."""

import json
from typing import Any

import asyncpg
import pytest

from tests.api.test_foreign_uploads import now, write
from tests.calls import beat, change, changed, deeds, events, listed, seen
from tests.devices import Device, sample
from tests.people import Employee

FACTS = {"hostname": "pc-new-name", "os_version": "10.0.26100", "ip_address": "192.0.2.99"}


async def test_new_facts_are_shown_found_and_told(device: Device, employee: Employee) -> None:
    facts = {"hostname": "pc-new-name", "os_version": "10.0.26100", "ip_address": "192.0.2.99"}
    assert (await beat(device, **facts)).status_code == 200
    detail = await seen(device)
    assert {name: detail[name] for name in facts} == facts
    (event,) = await events(device, event_type="facts_changed")
    assert event["data"]["os_version"] == {"from": None, "to": "10.0.26100"}
    assert [one["id"] for one in await listed(device.client, employee.headers, search="pc-new-name")] == [
        str(device.agent_id)
    ]
    await beat(device, **facts)
    await beat(device)
    assert len(await events(device, event_type="facts_changed")) == 1


async def test_an_odd_fact_never_costs_the_heartbeat(device: Device) -> None:
    odd = {"hostname": "a\0b", "ip_address": "10.0.0.999", "os_version": "x" * 500}
    assert (await beat(device, **odd)).status_code == 200
    detail = await seen(device)
    assert (detail["hostname"], detail["ip_address"], detail["os_version"]) == ("a", None, "x" * 255)


async def test_a_rotation_that_nobody_asked_for_is_told(device: Device) -> None:
    url = f"/api/agents/{device.agent_id}/token/rotate"
    assert (await device.client.post(url, headers=device.headers)).status_code == 200
    assert len(await events(device, event_type="token_rotated_unasked")) == 1


async def told_by_upload(device: Device, *samples: Any, **facts: Any) -> None:
    answer = await device.post(json.dumps({"metrics": samples or [sample(cpu_percent=1)], **facts}).encode())
    assert answer.status_code == 200, answer.text


async def test_an_upload_tells_them_too(device: Device, pool: asyncpg.Pool) -> None:
    await told_by_upload(device, **FACTS)
    detail = await seen(device)
    assert {name: detail[name] for name in FACTS} == FACTS
    (event,) = await events(device, event_type="facts_changed")
    assert event["data"]["hostname"]["to"] == "pc-new-name"
    query = "UPDATE agent_devices SET os_version = 'as somebody wrote it' WHERE id = $1"
    await pool.execute(query, device.agent_id)
    await told_by_upload(device, **FACTS)
    assert (await seen(device))["os_version"] == "as somebody wrote it"  # what was said before costs no query
    await told_by_upload(device, **FACTS | {"hostname": "pc-newer-name"})
    assert (await seen(device))["hostname"] == "pc-newer-name"


@pytest.mark.parametrize("odd", [{"cpu_percent": 1, "x": 1}, {"cpu_percent": "x"}])
async def test_odd_facts_never_cost_an_upload_nor_the_other_way_about(device: Device, odd: dict[str, Any]) -> None:
    facts = {"hostname": ["a"], "os_version": "x" * 500, "os_architecture": 7, "ip_address": "10.0.0.999"}
    await told_by_upload(device, **facts)
    detail = await seen(device)
    assert (detail["hostname"], detail["os_version"], detail["ip_address"]) == ("server-1", "x" * 255, None)
    await told_by_upload(device, sample(**odd), **FACTS)
    assert (await seen(device))["hostname"] == "pc-new-name"


async def test_a_revoked_token_changes_nothing(device: Device, employee: Employee) -> None:
    await changed(device, employee, "deactivate")
    body = json.dumps({"metrics": [sample(cpu_percent=1)], **FACTS}).encode()
    assert (await device.post(body)).status_code == 401
    assert (await seen(device))["hostname"] == "server-1"


async def test_an_employee_renames_the_host(device: Device, employee: Employee) -> None:
    renamed = await change(device, employee, method="PATCH", hostname="pc-new-name")
    assert renamed.status_code == 200, renamed.text
    assert renamed.json()["hostname"] == "pc-new-name"
    assert [one["id"] for one in await listed(device.client, employee.headers, search="pc-new-name")]
    assert await deeds(device, employee) == ["device_changed"]


OTLP = {
    "resourceMetrics": [{
        "resource": {"attributes": [
            {"key": "host.name", "value": {"stringValue": "pc-new-name"}},
            {"key": "os.description", "value": {"stringValue": "Debian 13"}},
        ]},
        "scopeMetrics": [{"metrics": [{"name": "system.cpu.load_average.1m", "gauge": {"dataPoints": [
            {"timeUnixNano": str(int(now().timestamp()) * 10**9), "asDouble": 1},
        ]}}]}],
    }],
}  # fmt: skip


@pytest.mark.parametrize("has_our_agent", [False, True])
@pytest.mark.parametrize("way", ["influx", "otlp"])
async def test_other_agents_tell_them_where_ours_does_not(device: Device, way: str, has_our_agent: bool) -> None:
    if has_our_agent:
        await beat(device, hostname="as our agent says")
    if way == "influx":
        answer = await write(device, f"system,host=pc-new-name load1=1 {int(now().timestamp())}\n".encode())
    else:
        headers = device.headers | {"Content-Type": "application/json"}
        answer = await device.client.post("/v1/metrics", content=json.dumps(OTLP).encode(), headers=headers)
    assert answer.is_success
    detail = await seen(device)
    assert detail["hostname"] == ("as our agent says" if has_our_agent else "pc-new-name")
    assert detail["os_version"] == ("Debian 13" if way == "otlp" and not has_our_agent else None)
