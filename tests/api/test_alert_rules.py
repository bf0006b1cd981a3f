"""Alert rules over HTTP: made, read, listed; who may."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from api.fields.cursors import make_cursor
from auth.tokens import Tokens
from core.clock import utc_now
from tests.calls import answer_of, error_of
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Tenant, make_tenant
from tests.rules import CPU, MINUTE, RULES, Rules

# Made and read


async def test_a_rule_comes_back_as_it_was_made_with_what_follows(rules: Rules, alice: Tenant) -> None:
    rule = await rules.make(alice, severity="critical", description="  ask Kim  ", keep_firing_minutes=7.5)
    assert rule["conditions"] == CPU
    assert rule["in_words"] == "cpu_percent: all > 90 percent for 10 min"
    assert (rule["alert_type"], rule["severity"], rule["keep_firing_minutes"]) == ("cpu_percent_high", "critical", 7.5)
    assert (rule["description"], rule["is_active"], rule["is_shadow"]) == ("ask Kim", True, False)
    assert (rule["trigger_count"], rule["last_triggered"], rule["error_message"]) == (0, None, None)
    assert rule["created_by"] == str(rules.employee.employee_id)
    assert await rules.read(rule) == rule
    assert await rules.trail(rule) == ["alert_rule_created"]


@pytest.mark.parametrize(
    ("conditions", "alert_type"),
    [
        (CPU | {"operator": "<"}, "cpu_percent_low"),
        ({"metric": "disk_percent", "change_by": 5}, "disk_percent_rising"),
        ({"metric": "disk_percent", "change_by": -5}, "disk_percent_falling"),
        ({"metric": "disk_percent", "within_days": 14}, "disk_percent_forecast"),
        ({"metric": "cpu_percent", "deviations": 3, "floor": 10}, "cpu_percent_unusual"),
        ({"no_data_minutes": 60}, "no_data"),
        ({"offline_minutes": 15}, "offline"),
        ({"service": "nginx"}, "service_down"),
        ({"any": [CPU, {"offline_minutes": 15}]}, "combined"),
    ],
)
async def test_the_type_follows_from_the_conditions(
    rules: Rules, alice: Tenant, conditions: Any, alert_type: str
) -> None:
    assert (await rules.make(alice, conditions))["alert_type"] == alert_type


async def test_a_chosen_type_stays_and_one_that_followed_follows(rules: Rules, alice: Tenant) -> None:
    chosen, derived = await rules.make(alice, alert_type="busy"), await rules.make(alice)
    other = {"metric": "memory_percent", "operator": ">", "threshold": 90}
    assert (await rules.change(chosen, conditions=other))["alert_type"] == "busy"
    assert (await rules.change(derived, conditions=other))["alert_type"] == "memory_percent_high"


async def test_channels_are_those_of_the_recipients_unless_said(rules: Rules, alice: Tenant) -> None:
    both = ["noc@msp.example", "https://hooks.example/x?y=1", "oncall@msp.example"]
    rule = await rules.make(alice, notification_recipients=both)
    assert (rule["notification_channels"], rule["notification_recipients"]) == (["email", "webhook"], both)
    changed = await rules.change(rule, notification_recipients=both[1:2])
    assert changed["notification_channels"] == ["webhook"]
    assert (await rules.change(rule, notification_channels=["email"]))["notification_channels"] == ["email"]


async def test_hours_are_kept_in_the_form_of_the_evaluation(rules: Rules, alice: Tenant, pool: asyncpg.Pool) -> None:
    hours = {"days": [5, 1, 1], "from": "22:00", "to": "06:00", "time_zone": "Europe/Berlin"}
    rule = await rules.make(alice, active_hours=hours)
    assert rule["active_hours"] == hours | {"days": [1, 5]}
    assert (await rules.change(rule, active_hours=None))["active_hours"] is None
    query = "SELECT active_hours IS NULL FROM agent_alerts WHERE id = $1::text::uuid"
    assert await pool.fetchval(query, rule["id"])


# Who may


async def test_customers_may_nothing_with_rules(rules: Rules, alice: Tenant, device: Device) -> None:
    rule = await rules.make(alice)
    calls = [
        ("GET", ""), ("POST", ""), ("POST", "defaults"), ("GET", rule["id"]), ("PATCH", rule["id"]),
        ("DELETE", rule["id"]), ("POST", f"{rule['id']}/enable"), ("POST", f"{rule['id']}/disable"),
        ("GET", f"{rule['id']}/transitions"),
    ]  # fmt: skip
    for method, path in calls:
        url = f"{RULES}/{path}".rstrip("/")
        for headers, status in ((alice.headers, 403), (device.headers, 401), ({}, 401)):
            response = await device.client.request(method, url, json={}, headers=headers)
            assert response.status_code == status, (method, path, response.text)


async def test_an_employee_whom_the_platform_doesnt_know_makes_no_rule(
    rules: Rules, alice: Tenant, tokens: Tokens
) -> None:
    stranger = {"sub": "x", "employee_id": str(uuid4()), "role": "technician"}
    headers = {"Authorization": f"Bearer {tokens.issue_person(stranger, utc_now(), 5 * MINUTE)}"}
    body = {"alert_name": "x", "conditions": CPU, "business_id": str(alice.business_id)}
    assert error_of(await rules.call("POST", headers=headers, json=body)) == (403, "unknown_employee")


async def test_a_rule_that_isnt_there_is_not_found(rules: Rules, alice: Tenant) -> None:
    gone = await rules.make(alice)
    assert (await rules.call("DELETE", gone["id"])).status_code == 204
    for rule_id in (gone["id"], str(uuid4())):
        for method, *parts in (
            ("GET", rule_id), ("PATCH", rule_id), ("DELETE", rule_id), ("POST", rule_id, "enable"),
            ("POST", rule_id, "disable"), ("GET", rule_id, "transitions"),
        ):  # fmt: skip
            body = {"severity": "info"} if method == "PATCH" else None
            assert error_of(await rules.call(method, *parts, json=body)) == (404, "alert_rule_not_found")


# Lists


async def test_the_list_is_filtered_and_paged(
    rules: Rules, client: httpx.AsyncClient, pool: asyncpg.Pool, tokens: Tokens, make_device: MakeDevice
) -> None:
    dora = await make_tenant(pool, tokens, "Dora")
    device = await make_device(dora)
    names = ["a", "a", "b_b", "c%"]
    created_rules = [await rules.make(dora, alert_name=name) for name in names]
    of_device = await rules.make(dora, alert_name="d", agent_device_id=str(device.agent_id))
    of_servers = await rules.make(dora, alert_name="e", device_type="server")
    await rules.call("POST", created_rules[3]["id"], "disable")
    every = {rule["id"] for rule in (*created_rules, of_device, of_servers)}

    async def listed(**query: Any) -> list[str]:
        rule_ids, cursor = [], None
        while True:
            page = answer_of(
                await rules.call("GET", params=query | {"limit": 2} | ({"cursor": cursor} if cursor else {}))
            )
            rule_ids += [rule["id"] for rule in page["rules"]]
            if not (cursor := page["next_cursor"]):
                return rule_ids

    business = {"business_id": str(dora.business_id)}
    assert set(await listed(**business)) == every
    assert await listed(**business, is_active=False) == [created_rules[3]["id"]]
    assert await listed(**business, search="_") == [created_rules[2]["id"]]
    reaching = await listed(agent_id=str(device.agent_id))
    assert every - set(reaching) == {of_servers["id"]}
    assert await listed(business_id=str(uuid4())) == []


@pytest.mark.parametrize("key", [("a", "b"), ("a",), ("x", uuid4(), "y")])
async def test_a_made_up_cursor_is_refused(rules: Rules, alice: Tenant, key: tuple[Any, ...]) -> None:
    assert error_of(await rules.call("GET", params={"cursor": make_cursor(*key)})) == (422, "invalid_cursor")


@pytest.mark.parametrize("number", ["-1", str(2**63), "9" * 5000, "x"])
async def test_a_made_up_cursor_of_transitions_is_refused(rules: Rules, alice: Tenant, number: str) -> None:
    rule = await rules.make(alice)
    cursor = make_cursor("2026-05-03T14:05:00+00:00", number)
    response = await rules.call("GET", rule["id"], "transitions", params={"cursor": cursor[:4000]})
    assert error_of(response)[0] == 422
