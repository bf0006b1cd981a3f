"""Alert rules over HTTP: made, changed, switched, deleted, listed; faults by path; what a change does to alerts."""

import asyncio
import json
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from agents.tokens import Tokens
from alerts.defaults import DEFAULTS
from alerts.evaluate import evaluate
from api.cursors import make_cursor
from db.clock import utc_now
from tests.calls import answer_of, error_of
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant, make_tenant
from tests.rules import CPU, MINUTE, RULES, Rules, alerts_of, only_alert

# Made and read


async def test_a_rule_comes_back_as_it_was_made_with_what_follows(rules: Rules, alice: Tenant) -> None:
    made = await rules.make(alice, severity="critical", description="  ask Kim  ", keep_firing_minutes=7.5)
    assert made["conditions"] == CPU
    assert made["in_words"] == "cpu_percent: all > 90 percent for 10 min"
    assert (made["alert_type"], made["severity"], made["keep_firing_minutes"]) == ("cpu_percent_high", "critical", 7.5)
    assert (made["description"], made["is_active"], made["is_shadow"]) == ("ask Kim", True, False)
    assert (made["trigger_count"], made["last_triggered"], made["error_message"]) == (0, None, None)
    assert made["created_by"] == str(rules.employee.employee_id)
    assert await rules.read(made) == made
    assert await rules.trail(made) == ["alert_rule_created"]


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
    made = await rules.make(alice, notification_recipients=both)
    assert (made["notification_channels"], made["notification_recipients"]) == (["email", "webhook"], both)
    changed = await rules.change(made, notification_recipients=both[1:2])
    assert changed["notification_channels"] == ["webhook"]
    assert (await rules.change(made, notification_channels=["email"]))["notification_channels"] == ["email"]


async def test_hours_are_kept_in_the_form_of_the_evaluation(rules: Rules, alice: Tenant, pool: asyncpg.Pool) -> None:
    hours = {"days": [5, 1, 1], "from": "22:00", "to": "06:00", "time_zone": "Europe/Berlin"}
    made = await rules.make(alice, active_hours=hours)
    assert made["active_hours"] == hours | {"days": [1, 5]}
    assert (await rules.change(made, active_hours=None))["active_hours"] is None
    query = "SELECT active_hours IS NULL FROM agent_alerts WHERE id = $1::text::uuid"
    assert await pool.fetchval(query, made["id"])


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
    made = await rules.make(bob)
    for place, code in (
        ({"business_id": str(uuid4())}, "unknown_business"),
        ({"service_location_id": str(uuid4())}, "unknown_service_location"),
        ({"service_location_id": str(alice.location_id)}, "unknown_service_location"),
        ({"agent_device_id": str(uuid4())}, "agent_not_found"),
        ({"agent_device_id": str(device.agent_id)}, "agent_not_found"),
    ):
        body = {"alert_name": "x", "conditions": CPU, "business_id": str(bob.business_id)} | place
        assert error_of(await rules.call("POST", json=body)) == (404, code)
        assert error_of(await rules.call("PATCH", made["id"], json=place)) == (404, code)
    assert await rules.read(made) == made


async def test_a_deleted_device_gets_no_rule(rules: Rules, device: Device) -> None:
    await device.client.delete(f"/api/agents/{device.agent_id}", headers=rules.employee.headers)
    body = {"alert_name": "x", "conditions": CPU, "agent_device_id": str(device.agent_id)}
    assert error_of(await rules.call("POST", json=body)) == (404, "agent_not_found")


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
        for headers, wanted in ((alice.headers, 403), (device.headers, 401), ({}, 401)):
            response = await device.client.request(method, url, json={}, headers=headers)
            assert response.status_code == wanted, (method, path, response.text)


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


# Faults


def nested(levels: int) -> dict[str, Any]:
    condition: dict[str, Any] = dict(CPU)
    for _ in range(levels):
        condition = {"all": [condition]}
    return condition


FAULTS: list[tuple[Any, str]] = [
    ({}, "body.conditions.metric"),
    ([], "body.conditions"),
    (None, "body.conditions"),
    ("cpu_percent > 90", "body.conditions"),
    (CPU | {"metric": "'; DROP TABLE agent_alerts; --"}, "body.conditions.metric"),
    (CPU | {"metric": ["cpu_percent"]}, "body.conditions.metric"),
    (CPU | {"metric": "network_rx_bytes"}, "body.conditions.metric"),
    (CPU | {"metric": 'cpu_percent" OR 1=1'}, "body.conditions.metric"),
    (CPU | {"operator": "="}, "body.conditions.operator"),
    (CPU | {"operator": "> 0 OR '1'='1' --"}, "body.conditions.operator"),
    (CPU | {"threshold": "ninety"}, "body.conditions.threshold"),
    (CPU | {"threshold": 101}, "body.conditions.threshold"),
    (CPU | {"threshold": 10**400}, "body.conditions.threshold"),
    (CPU | {"threshold": -(10**400)}, "body.conditions.threshold"),
    (CPU | {"threshold": 1e308}, "body.conditions.threshold"),
    (CPU | {"duration_minutes": 10**30}, "body.conditions.duration_minutes"),
    (CPU | {"threshold": float("nan")}, "body.conditions.threshold"),
    (CPU | {"threshold": float("inf")}, "body.conditions.threshold"),
    (CPU | {"duration_minutes": float("nan")}, "body.conditions.duration_minutes"),
    (CPU | {"duration_minutes": 0}, "body.conditions.duration_minutes"),
    (CPU | {"recovery_threshold": 95}, "body.conditions.recovery_threshold"),
    (CPU | {"aggregate": "share"}, "body.conditions.share_percent"),
    (CPU | {"treshold": 1}, "body.conditions.treshold"),
    (CPU | {"\ud800": 1}, "body.conditions"),
    ({"all": []}, "body.conditions.all"),
    ({"all": CPU}, "body.conditions.all"),
    ({"all": [CPU, CPU | {"threshold": "x"}]}, "body.conditions.all.1.threshold"),
    ({"all": [CPU, CPU | {"threshold": 900}]}, "body.conditions.all.1.threshold"),
    ({"any": [CPU, {"all": [CPU, CPU, {"offline_minutes": -1}]}]}, "body.conditions.any.1.all.2.offline_minutes"),
    ({"any": [{"all": [CPU], "any": []}]}, "body.conditions.any.0.any"),
    ({"all": [CPU] * 11}, "body.conditions.all"),
    ({"all": [CPU] * 2000}, "body.conditions.all"),
    ({"all": [{"any": [CPU] * 6}] * 2}, "body.conditions"),
    ({"service": ""}, "body.conditions.service"),
    ({"service": "a\0b"}, "body.conditions.service"),
    ({"service": "\ud800"}, "body.conditions.service"),
    ({"service": "x", "duration_minutes": float("nan")}, "body.conditions.duration_minutes"),
    ({"metric": "cpu_percent", "change_by": 0}, "body.conditions.change_by"),
    ({"within_days": float("nan")}, "body.conditions.within_days"),
    ({"metric": "cpu_percent", "deviations": float("nan"), "floor": 1}, "body.conditions.deviations"),
    (nested(4), "body.conditions"),
    (nested(60), "body.conditions"),
]


@pytest.mark.parametrize(("conditions", "path"), FAULTS)
async def test_a_faulty_condition_is_named_by_its_path(rules: Rules, alice: Tenant, conditions: Any, path: str) -> None:
    made = await rules.make(alice)
    whole = {"alert_name": "x", "business_id": str(alice.business_id)}
    calls: list[tuple[str, str, dict[str, Any]]] = [("POST", "", whole)]
    if conditions is not None:  # None: nothing to change, and no rule to test
        calls += [("PATCH", made["id"], {}), ("POST", "backtest", {"agent_device_id": str(uuid4())})]
    for method, target, body in calls:
        text = json.dumps(body | {"conditions": conditions})
        response = await rules.call(method, *filter(None, [target]), content=text.encode(), headers=as_json(rules))
        assert error_of(response) == (422, "invalid_request"), response.text
        assert path in {fault["path"] for fault in response.json()["error"]["details"]}
    assert await rules.read(made) == made


def as_json(rules: Rules) -> dict[str, str]:
    return rules.employee.headers | {"Content-Type": "application/json"}


@pytest.mark.parametrize("levels", [100, 900, 3000, 12_000, 40_000])
@pytest.mark.parametrize("form", ['{"all": [%s]}', '{"metric": [%s]}', '{"metric": %s}', "[%s]", '{"x": %s}'])
async def test_a_body_of_endless_depth_is_refused(rules: Rules, levels: int, form: str) -> None:
    head, tail = form.split("%s")
    levels = min(levels, 250_000 // (len(form) - 2))
    conditions = f'"conditions": {head * levels}1{tail * levels}'
    for target, text in (([], f'{{"alert_name": "x", {conditions}}}'), (["backtest"], f"{{{conditions}}}")):
        response = await rules.call("POST", *target, content=text.encode(), headers=as_json(rules))
        assert error_of(response) == (422, "invalid_request"), response.text


async def test_a_number_of_thousands_of_digits_is_refused(rules: Rules) -> None:
    conditions = f'"conditions": {{"offline_minutes": {"9" * 10_000}}}'
    for target, text in (([], f'{{"alert_name": "x", {conditions}}}'), (["backtest"], f"{{{conditions}}}")):
        response = await rules.call("POST", *target, content=text.encode(), headers=as_json(rules))
        assert error_of(response) == (422, "invalid_request")


HOURS = {"days": [1], "from": "08:00", "to": "18:00", "time_zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"alert_name": " "}, "body.alert_name"),
        ({"alert_name": "a\0"}, "body.alert_name"),
        ({"alert_type": "CPU high"}, "body.alert_type"),
        ({"severity": "fatal"}, "body.severity"),
        ({"device_type": "phone"}, "body.device_type"),
        ({"nonsense": 1}, "body.nonsense"),
        ({"\udfff": 1}, "body"),
        ({"is_active": False}, "body.is_active"),
        ({"description": "\ud800"}, "body.description"),
        ({"keep_firing_minutes": -1}, "body.keep_firing_minutes"),
        ({"keep_firing_minutes": float("nan")}, "body.keep_firing_minutes"),
        ({"notification_channels": ["pager"]}, "body.notification_channels.0"),
        ({"notification_recipients": ["a@b.example"] * 21}, "body.notification_recipients"),
        ({"notification_recipients": ["a@b.example", "nobody"]}, "body.notification_recipients.1"),
        ({"notification_recipients": ["a@b"]}, "body.notification_recipients.0"),
        ({"notification_recipients": ["a@b.example, c@d.example"]}, "body.notification_recipients.0"),
        ({"notification_recipients": ["a@b.example\nBcc: c@d.example"]}, "body.notification_recipients.0"),
        ({"notification_recipients": ["ftp://x.example/"]}, "body.notification_recipients.0"),
        ({"notification_recipients": ["https://"]}, "body.notification_recipients.0"),
        ({"notification_recipients": ["https://x.example:99999/"]}, "body.notification_recipients.0"),
        ({"notification_recipients": ["https://[::1/"]}, "body.notification_recipients.0"),
        ({"notification_recipients": ["https://x.example/a b"]}, "body.notification_recipients.0"),
        ({"notification_recipients": ["javascript:alert(1)"]}, "body.notification_recipients.0"),
        *(
            ({"notification_recipients": ["noc@msp.example", f"https://{host}/x"]}, "body.notification_recipients.1")
            for host in ("127.0.0.1", "10.1.2.3:8080", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "2130706433")
        ),
        ({"active_hours": HOURS | {"days": []}}, "body.active_hours.days"),
        ({"active_hours": HOURS | {"days": [0]}}, "body.active_hours.days.0"),
        ({"active_hours": HOURS | {"from": "24:00"}}, "body.active_hours.from"),
        ({"active_hours": HOURS | {"to": "8:00"}}, "body.active_hours.to"),
        ({"active_hours": HOURS | {"to": "08:00"}}, "body.active_hours"),
        ({"active_hours": HOURS | {"time_zone": "Mars/Olympus"}}, "body.active_hours.time_zone"),
        ({"active_hours": HOURS | {"time_zone": "../../etc/passwd"}}, "body.active_hours.time_zone"),
        ({"active_hours": HOURS | {"time_zone": "Europe"}}, "body.active_hours.time_zone"),
        ({"active_hours": HOURS | {"time_zone": "\0"}}, "body.active_hours.time_zone"),
    ],
)
async def test_what_doesnt_fit_is_named(rules: Rules, alice: Tenant, wrong: dict[str, Any], path: str) -> None:
    made = await rules.make(alice)
    whole = {"alert_name": "x", "conditions": CPU, "business_id": str(alice.business_id)} | wrong
    for method, target, body in (("POST", (), whole), ("PATCH", (made["id"],), wrong)):
        response = await rules.call(method, *target, content=json.dumps(body).encode(), headers=as_json(rules))
        assert error_of(response) == (422, "invalid_request"), response.text
        assert [fault["path"] for fault in response.json()["error"]["details"]] == [path]


@pytest.mark.parametrize("change", [{}, {"alert_name": None}, {"conditions": None}, {"is_shadow": None}])
async def test_a_change_of_nothing_or_to_nothing_is_refused(rules: Rules, alice: Tenant, change: Any) -> None:
    made = await rules.make(alice)
    assert error_of(await rules.call("PATCH", made["id"], json=change)) == (422, "invalid_request")


async def test_quotes_in_names_are_just_names(rules: Rules, alice: Tenant) -> None:
    name = "O'Brien\"; DROP TABLE agent_alerts; -- $1 %s \\"
    made = await rules.make(alice, {"service": name}, alert_name=name)
    assert (made["alert_name"], made["conditions"]) == (name, {"service": name})
    listed = answer_of(await rules.call("GET", params={"search": "'brien\"; drop"}))["rules"]
    assert [rule["id"] for rule in listed] == [made["id"]]


# Lists


async def test_the_list_is_filtered_and_paged(
    rules: Rules, client: httpx.AsyncClient, pool: asyncpg.Pool, tokens: Tokens, make_device: MakeDevice
) -> None:
    dora = await make_tenant(pool, tokens, "Dora")
    device = await make_device(dora)
    names = ["a", "a", "b_b", "c%"]
    made = [await rules.make(dora, alert_name=name) for name in names]
    of_device = await rules.make(dora, alert_name="d", agent_device_id=str(device.agent_id))
    of_servers = await rules.make(dora, alert_name="e", device_type="server")
    await rules.call("POST", made[3]["id"], "disable")
    every = {rule["id"] for rule in (*made, of_device, of_servers)}

    async def listed(**query: Any) -> list[str]:
        found, cursor = [], None
        while True:
            page = answer_of(
                await rules.call("GET", params=query | {"limit": 2} | ({"cursor": cursor} if cursor else {}))
            )
            found += [rule["id"] for rule in page["rules"]]
            if not (cursor := page["next_cursor"]):
                return found

    business = {"business_id": str(dora.business_id)}
    assert set(await listed(**business)) == every
    assert await listed(**business, is_active=False) == [made[3]["id"]]
    assert await listed(**business, search="_") == [made[2]["id"]]
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


# What a change does


async def test_transitions_say_why_newest_first(rules: Rules, device: Device, alice: Tenant) -> None:
    rule = await rules.make(alice, agent_device_id=str(device.agent_id))
    other = await rules.make(alice, CPU | {"threshold": 99}, agent_device_id=str(device.agent_id))
    now = await rules.fire(device)
    await rules.recover(device, now + MINUTE)
    found = await rules.transitions(rule, agent_id=str(device.agent_id))
    assert [(one["from_state"], one["to_state"], one["reason"]) for one in found] == [
        ("recovering", "inactive", "recovered"),
        ("firing", "recovering", "behind the recovery threshold"),
        ("inactive", "firing", "breached"),
    ]
    assert (found[-1]["value"], found[-1]["threshold"], found[-1]["device_name"]) == (95, 90, "server-1")
    first = answer_of(await rules.call("GET", rule["id"], "transitions", params={"limit": 2}))
    rest = await rules.transitions(rule, limit=2, cursor=first["next_cursor"])
    assert first["transitions"] + rest == found
    assert await rules.transitions(other) == []
    told = await rules.read(rule)
    assert (told["trigger_count"], told["open_alerts"]) == (1, 0)
    assert told["last_triggered"]


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"conditions": CPU | {"threshold": 80}}, "The rule was changed."),
        ({"device_type": "server"}, "The rule was changed."),
        ({"is_shadow": True}, "The rule was changed."),
        ("disable", "The rule was disabled."),
        ("delete", "The rule was deleted."),
    ],
)
async def test_a_rule_that_is_another_ends_its_alerts_with_a_note(
    rules: Rules, device: Device, alice: Tenant, pool: asyncpg.Pool, change: Any, note: str
) -> None:
    rule = await rules.make(alice)
    await rules.fire(device)
    assert (await only_alert(device))["status"] == "active"
    if change == "delete":
        assert (await rules.call("DELETE", rule["id"])).status_code == 204
    elif change == "disable":
        assert answer_of(await rules.call("POST", rule["id"], "disable"))["is_active"] is False
    else:
        await rules.change(rule, **change)
    alert = await only_alert(device, rules.employee.headers)
    assert (alert["status"], alert["resolution_notes"]) == ("resolved", note)
    assert alert["resolved_by"] == str(rules.employee.employee_id)
    assert (
        await pool.fetchval("SELECT count(*) FROM agent_alert_states WHERE agent_device_id = $1", device.agent_id) == 0
    )
    last = await pool.fetchrow(
        "SELECT to_state, reason FROM agent_alert_transitions WHERE agent_device_id = $1 ORDER BY id DESC LIMIT 1",
        device.agent_id,
    )
    assert last and tuple(last) == ("inactive", note)  # noqa: PT018
    assert len(await rules.trail(rule)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"alert_name": "Other"}, {"severity": "critical"}, {"conditions": CPU | {"threshold": 90.0}},
        {"keep_firing_minutes": 9}, {"description": "x"}, {"ticket_enabled": False}, {"device_type": None},
    ],
)  # fmt: skip
async def test_a_rule_that_says_the_same_goes_on(rules: Rules, device: Device, alice: Tenant, change: Any) -> None:
    rule = await rules.make(alice)
    now = await rules.fire(device)
    changed = await rules.change(rule, **change)
    assert changed["open_alerts"] >= 1
    await rules.evaluate(now + MINUTE)
    assert (await only_alert(device))["status"] == "active"


async def test_a_changed_rule_starts_anew_and_may_fire_at_once(rules: Rules, device: Device, alice: Tenant) -> None:
    rule = await rules.make(alice)
    now = await rules.fire(device)
    await rules.change(rule, conditions=CPU | {"threshold": 80})
    await rules.evaluate(now + MINUTE)
    assert [alert["status"] for alert in await alerts_of(device)] == ["active", "resolved"]


async def test_a_rule_that_is_enabled_again_starts_anew(rules: Rules, device: Device, alice: Tenant) -> None:
    rule = await rules.make(alice)
    now = await rules.fire(device)
    for _ in range(2):
        await rules.call("POST", rule["id"], "disable")
    await rules.evaluate(now + MINUTE)
    assert [alert["status"] for alert in await alerts_of(device)] == ["resolved"]
    assert answer_of(await rules.call("POST", rule["id"], "enable"))["is_active"] is True
    await rules.evaluate(now + 2 * MINUTE)
    assert [alert["status"] for alert in await alerts_of(device)] == ["active", "resolved"]
    assert await rules.trail(rule) == ["alert_rule_created", "alert_rule_disabled", "alert_rule_enabled"]


async def test_the_trail_says_what_was_before(rules: Rules, alice: Tenant, pool: asyncpg.Pool) -> None:
    rule = await rules.make(alice)
    await rules.change(rule, alert_name="Other", severity="critical")
    query = "SELECT details FROM agent_audit WHERE details ->> 'rule_id' = $1 AND action = 'alert_rule_changed'"
    details = json.loads(await pool.fetchval(query, rule["id"]))
    assert details["changed"] == {"alert_name": "Other", "severity": "critical"}
    assert details["before"] == {"alert_name": "CPU busy", "severity": "warning"}


async def test_a_change_waits_for_the_evaluation_that_has_read_the_rule(
    rules: Rules, device: Device, alice: Tenant, database: str
) -> None:
    rule = await rules.make(alice)
    evaluating = await asyncpg.connect(database)
    async with evaluating.transaction():
        await evaluating.execute("SELECT pg_advisory_xact_lock(hashtext('rts-agents alert pass'))")
        change = asyncio.create_task(rules.change(rule, severity="critical"))
        await asyncio.sleep(0.3)
        assert not change.done()
    assert (await change)["severity"] == "critical"
    await evaluating.close()


async def test_a_rule_that_cant_be_read_says_why_and_is_mended_by_a_change(
    rules: Rules, device: Device, alice: Tenant, pool: asyncpg.Pool
) -> None:
    rule = await rules.make(alice)
    query = "UPDATE agent_alerts SET conditions = $2 WHERE id = $1::text::uuid"
    await pool.execute(query, rule["id"], '{"metric": "nonsense"}')
    await rules.fire(device)
    broken = await rules.read(rule)
    assert broken["in_words"] is None
    assert "nonsense" in broken["error_message"] or "metric" in broken["error_message"]
    mended = await rules.change(rule, conditions=CPU)
    assert (mended["error_message"], mended["error_at"]) == (None, None)


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
        made = await rules.make(alice, **default)
        assert made["in_words"]
        assert made["alert_type"] == default["alert_type"]


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
    assert told == [["no_data", "server_offline"], ["vm_no_data", "vm_offline"], [], []]


async def evaluated(pool: asyncpg.Pool, now: datetime) -> None:
    """Evaluate after the last pass, as the worker goes on."""
    async with pool.acquire() as connection:
        await evaluate(connection, now)
