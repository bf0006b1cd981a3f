"""What is wrong with an alert rule is named by its path; quotes in names are just names."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.calls import answer_of, error_of
from tests.people import Tenant
from tests.rules import CPU, Rules


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
    rule = await rules.make(alice)
    whole = {"alert_name": "x", "business_id": str(alice.business_id)}
    calls: list[tuple[str, str, dict[str, Any]]] = [("POST", "", whole)]
    if conditions is not None:  # None: nothing to change, and no rule to test
        calls += [("PATCH", rule["id"], {}), ("POST", "backtest", {"agent_device_id": str(uuid4())})]
    for method, target, body in calls:
        text = json.dumps(body | {"conditions": conditions})
        response = await rules.call(method, *filter(None, [target]), content=text.encode(), headers=as_json(rules))
        assert error_of(response) == (422, "invalid_request"), response.text
        assert path in {fault["path"] for fault in response.json()["error"]["details"]}
    assert await rules.read(rule) == rule


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
async def test_the_error_names_the_field_that_does_not_fit(
    rules: Rules, alice: Tenant, wrong: dict[str, Any], path: str
) -> None:
    rule = await rules.make(alice)
    whole = {"alert_name": "x", "conditions": CPU, "business_id": str(alice.business_id)} | wrong
    for method, target, body in (("POST", (), whole), ("PATCH", (rule["id"],), wrong)):
        response = await rules.call(method, *target, content=json.dumps(body).encode(), headers=as_json(rules))
        assert error_of(response) == (422, "invalid_request"), response.text
        assert [fault["path"] for fault in response.json()["error"]["details"]] == [path]


@pytest.mark.parametrize("change", [{}, {"alert_name": None}, {"conditions": None}, {"is_shadow": None}])
async def test_a_change_of_nothing_or_to_nothing_is_refused(rules: Rules, alice: Tenant, change: Any) -> None:
    rule = await rules.make(alice)
    assert error_of(await rules.call("PATCH", rule["id"], json=change)) == (422, "invalid_request")


async def test_quotes_in_names_are_just_names(rules: Rules, alice: Tenant) -> None:
    name = "O'Brien\"; DROP TABLE agent_alerts; -- $1 %s \\"
    created = await rules.make(alice, {"service": name}, alert_name=name)
    assert (created["alert_name"], created["conditions"]) == (name, {"service": name})
    listed = answer_of(await rules.call("GET", params={"search": "'brien\"; drop"}))["rules"]
    assert [rule["id"] for rule in listed] == [created["id"]]
