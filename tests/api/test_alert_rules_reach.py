"""Whom alert rules reach: a device, a site, a business; and the default rules that a business is given."""

import asyncio
from datetime import datetime
from uuid import uuid4

import asyncpg

from alerts.rules.defaults import DEFAULTS
from alerts.state.evaluate import evaluate
from auth.tokens import Tokens
from core.clock import utc_now
from tests.calls import error_of
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant, make_tenant
from tests.rules import CPU, MINUTE, Rules, alerts_of

# Reach


async def test_a_rule_of_a_device_or_site_is_one_of_its_business(rules: Rules, device: Device, alice: Tenant) -> None:
    of_device = await rules.make(None, agent_device_id=str(device.agent_id))
    of_site = await rules.make(None, service_location_id=str(alice.location_id))
    for_all = await rules.make(None)
    assert [rule["business_id"] for rule in (of_device, of_site, for_all)] == [
        str(alice.business_id), str(alice.business_id), None,
    ]  # fmt: skip


async def test_a_reach_that_doesnt_belong_together_is_not_found(
    rules: Rules, device: Device, alice: Tenant, bob: Tenant
) -> None:
    rule = await rules.make(bob)
    for place, code in (
        ({"business_id": str(uuid4())}, "unknown_business"),
        ({"service_location_id": str(uuid4())}, "unknown_service_location"),
        ({"service_location_id": str(alice.location_id)}, "unknown_service_location"),
        ({"agent_device_id": str(uuid4())}, "agent_not_found"),
        ({"agent_device_id": str(device.agent_id)}, "agent_not_found"),
    ):
        body = {"alert_name": "x", "conditions": CPU, "business_id": str(bob.business_id)} | place
        assert error_of(await rules.call("POST", json=body)) == (404, code)
        assert error_of(await rules.call("PATCH", rule["id"], json=place)) == (404, code)
    assert await rules.read(rule) == rule


async def test_a_deleted_device_gets_no_rule(rules: Rules, device: Device) -> None:
    await device.client.delete(f"/api/agents/{device.agent_id}", headers=rules.employee.headers)
    body = {"alert_name": "x", "conditions": CPU, "agent_device_id": str(device.agent_id)}
    assert error_of(await rules.call("POST", json=body)) == (404, "agent_not_found")


# Defaults


async def test_default_rules_are_made_once(
    rules: Rules, pool: asyncpg.Pool, tokens: Tokens, employee: Employee
) -> None:
    erik = await make_tenant(pool, tokens, "Erik")
    own = await rules.make(erik)  # of the type cpu_percent_high
    body = {"business_id": str(erik.business_id)}
    first = (await rules.call("POST", "defaults", json=body)).json()
    types = [str(rule["alert_type"]) for rule in DEFAULTS]
    assert [rule["alert_type"] for rule in first["created"]] == types[1:]
    assert [rule["id"] for rule in first["existing"]] == [own["id"]]
    assert {rule["business_id"] for rule in first["created"]} == {str(erik.business_id)}
    again = (await rules.call("POST", "defaults", json=body)).json()
    assert again["created"] == []
    assert {rule["id"] for rule in again["existing"]} == {own["id"], *(rule["id"] for rule in first["created"])}
    assert await rules.trail(first["created"][0]) == ["alert_rule_created"]


async def test_two_calls_for_default_rules_at_once_make_one_set(
    rules: Rules, pool: asyncpg.Pool, tokens: Tokens
) -> None:
    fay = await make_tenant(pool, tokens, "Fay")
    body = {"business_id": str(fay.business_id)}
    answers = await asyncio.gather(*(rules.call("POST", "defaults", json=body) for _ in range(3)))
    assert sum(len(answer.json()["created"]) for answer in answers) == len(DEFAULTS)


async def test_default_rules_of_nobody_are_not_found(rules: Rules) -> None:
    response = await rules.call("POST", "defaults", json={"business_id": str(uuid4())})
    assert error_of(response) == (404, "unknown_business")


async def test_every_default_rule_is_one_that_an_employee_could_make(rules: Rules, alice: Tenant) -> None:
    for default in DEFAULTS:
        rule = await rules.make(alice, **default)
        assert rule["in_words"]
        assert rule["alert_type"] == default["alert_type"]


async def test_the_default_rules_hear_of_servers_and_virtual_machines_that_fall_silent_and_of_no_workstation(
    rules: Rules, pool: asyncpg.Pool, dora: Tenant, make_device: MakeDevice
) -> None:
    await rules.call("POST", "defaults", json={"business_id": str(dora.business_id)})
    types = ("server", "vm", "desktop", "laptop")
    devices = [await make_device(dora, kind) for kind in types]
    now = utc_now()
    query = "UPDATE agent_devices SET device_type = $2, last_heartbeat = $3, last_metrics_received = $3 WHERE id = $1"
    for device, kind in zip(devices, types, strict=True):
        await pool.execute(query, device.agent_id, kind, now - 70 * MINUTE)
    await rules.evaluate(now - 60 * MINUTE)  # where we were away until now, silence is our own
    for minutes in range(-55, 1, 5):
        await evaluated(pool, now + minutes * MINUTE)
    told = [sorted(alert["alert_type"] for alert in await alerts_of(device)) for device in devices]
    # An offline device has no alert for its silence as well.
    assert told == [["server_offline"], ["vm_offline"], [], []]


async def evaluated(pool: asyncpg.Pool, now: datetime) -> None:
    """Evaluate after the last pass, as the worker goes on."""
    async with pool.acquire() as connection:
        await evaluate(connection, now)
