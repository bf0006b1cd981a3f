"""A device that is renamed, upgraded or moved to another network says so with its heartbeat."""

from tests.calls import beat, events, listed, seen
from tests.devices import Device
from tests.people import Employee


async def test_new_facts_are_shown_found_and_told(device: Device, employee: Employee) -> None:
    facts = {"hostname": "pc-new-name", "os_version": "10.0.26100", "ip_address": "192.0.2.99"}
    assert (await beat(device, **facts)).status_code == 200
    found = await seen(device)
    assert {name: found[name] for name in facts} == facts
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
    found = await seen(device)
    assert (found["hostname"], found["ip_address"], found["os_version"]) == ("a", None, "x" * 255)


async def test_a_rotation_that_nobody_asked_for_is_told(device: Device) -> None:
    url = f"/api/agents/{device.agent_id}/token/rotate"
    assert (await device.client.post(url, headers=device.headers)).status_code == 200
    assert len(await events(device, event_type="token_rotated_unasked")) == 1
