"""Maintenance windows: kept by employees, read by the business that they are of, and in force where they say."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from core.clock import utc_now
from tests.calls import answer_of, error_of
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant
from tests.rules import MINUTE, Rules, alerts_of

URL = "/api/agents/maintenance-windows"
WEEKLY = {"weekdays": [6, 7, 6], "local_start": "22:00", "duration_minutes": 240, "time_zone": "Europe/Berlin"}


@pytest.fixture(autouse=True)
async def no_windows_stay(pool: asyncpg.Pool) -> AsyncIterator[None]:
    """A window that is running would mute the rules of other tests."""
    yield
    await pool.execute("DELETE FROM agent_maintenance_windows")


def once(begin: datetime, end: datetime) -> dict[str, str]:
    return {"starts_at": begin.isoformat(), "ends_at": end.isoformat()}


async def make(client: httpx.AsyncClient, employee: Employee, tenant: Tenant | None, **more: Any) -> dict[str, Any]:
    business = {"business_id": str(tenant.business_id)} if tenant else {}
    response = await client.post(URL, json={"window_name": "Patching"} | business | more, headers=employee.headers)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


async def test_a_weekly_window_comes_back_as_it_was_made(
    client: httpx.AsyncClient, alice: Tenant, employee: Employee
) -> None:
    window = await make(client, employee, alice, **WEEKLY)
    assert {name: window[name] for name in WEEKLY} == WEEKLY | {"weekdays": [6, 7]}
    assert (window["business_name"], window["created_by"]) == ("Alice", str(employee.employee_id))
    assert (window["starts_at"], window["ends_at"]) == (None, None)
    assert answer_of(await client.get(f"{URL}/{window['id']}", headers=employee.headers)) == window


async def test_a_window_says_whether_it_is_running(
    client: httpx.AsyncClient, alice: Tenant, employee: Employee
) -> None:
    now = utc_now()
    local = now.strftime("%H:%M")
    always = {"weekdays": [1, 2, 3, 4, 5, 6, 7], "local_start": local, "duration_minutes": 1440, "time_zone": "UTC"}
    windows = [
        await make(client, employee, alice, **times)
        for times in (
            once(now - MINUTE, now + 10 * MINUTE), once(now - 2 * MINUTE, now - MINUTE),
            once(now + 10 * MINUTE, now + 11 * MINUTE), always,
        )
    ]  # fmt: skip
    assert [window["is_running"] for window in windows] == [True, False, False, True]


async def test_a_window_of_all_businesses_from_the_table_is_shown_to_employees_only(
    client: httpx.AsyncClient, pool: asyncpg.Pool, alice: Tenant, employee: Employee
) -> None:
    window_id = await pool.fetchval(
        "INSERT INTO agent_maintenance_windows (window_name, starts_at, ends_at, created_by, created_at) "
        "VALUES ('The data centre moves', $1, $2, $3, $1) RETURNING id",
        utc_now() - MINUTE, utc_now() + 10 * MINUTE, employee.employee_id,
    )  # fmt: skip
    windows = answer_of(await client.get(URL, params={"limit": 1000}, headers=employee.headers))["windows"]
    window = next(window for window in windows if window["id"] == str(window_id))
    assert (window["business_id"], window["business_name"], window["is_running"]) == (None, None, True)
    assert answer_of(await client.get(URL, params={"limit": 1000}, headers=alice.headers))["windows"] == []
    assert error_of(await client.get(f"{URL}/{window_id}", headers=alice.headers))[0] == 404


async def test_customers_read_their_own_businesss_windows_only(
    client: httpx.AsyncClient, alice: Tenant, bob: Tenant, charlie: Tenant, employee: Employee
) -> None:
    windows = [await make(client, employee, tenant, **WEEKLY) for tenant in (alice, bob)]
    for tenant, own in ((alice, windows[0]), (bob, windows[1]), (charlie, None)):
        others = answer_of(await client.get(URL, params={"limit": 1000}, headers=tenant.headers))["windows"]
        assert {window["business_id"] for window in others} == ({str(tenant.business_id)} if own else set())
        assert {window[name] for window in others for name in ("created_by", "created_by_name")} <= {None}
        for window in windows:
            response = await client.get(f"{URL}/{window['id']}", headers=tenant.headers)
            if window is own:
                assert answer_of(response) == window | {"created_by": None, "created_by_name": None}
            else:
                assert error_of(response) == (404, "maintenance_window_not_found")
        other = {"business_id": str(bob.business_id), "limit": "1000"}
        others = answer_of(await client.get(URL, params=other, headers=tenant.headers))["windows"]
        assert bool(others) == (tenant is bob)


async def test_only_employees_change_windows(
    client: httpx.AsyncClient, device: Device, alice: Tenant, employee: Employee
) -> None:
    window = await make(client, employee, alice, **WEEKLY)
    body = {"window_name": "x", "business_id": str(alice.business_id)} | WEEKLY
    for method, url in (("POST", URL), ("PUT", f"{URL}/{window['id']}"), ("DELETE", f"{URL}/{window['id']}")):
        for headers, status in ((alice.headers, 403), (device.headers, 401), ({}, 401)):
            assert (await client.request(method, url, json=body, headers=headers)).status_code == status
    assert (await client.get(URL, headers=device.headers)).status_code == 401


async def test_a_window_is_replaced_and_deleted_with_a_trail(
    client: httpx.AsyncClient, alice: Tenant, employee: Employee, pool: asyncpg.Pool
) -> None:
    window = await make(client, employee, alice, **WEEKLY)
    now = utc_now().replace(microsecond=0)
    body = {"window_name": "Move", "service_location_id": str(alice.location_id)} | once(now, now + MINUTE)
    changed = answer_of(await client.put(f"{URL}/{window['id']}", json=body, headers=employee.headers))
    assert (changed["id"], changed["window_name"], changed["weekdays"]) == (window["id"], "Move", None)
    assert (changed["business_id"], changed["created_at"]) == (window["business_id"], window["created_at"])
    url = f"{URL}/{window['id']}"
    assert (await client.delete(url, headers=employee.headers)).status_code == 204
    for method in ("GET", "PUT", "DELETE"):
        answer = await client.request(method, url, json=body if method == "PUT" else None, headers=employee.headers)
        assert error_of(answer) == (404, "maintenance_window_not_found")
    query = "SELECT action, details FROM agent_audit WHERE details ->> 'id' = $1 ORDER BY id"
    trail = await pool.fetch(query, window["id"])
    assert [row["action"].removeprefix("maintenance_window_") for row in trail] == ["created", "changed", "deleted"]
    assert json.loads(trail[1]["details"])["before"]["window_name"] == "Patching"


async def test_the_list_is_paged_in_the_order_of_names(
    client: httpx.AsyncClient, charlie: Tenant, employee: Employee
) -> None:
    created = [await make(client, employee, charlie, window_name=name, **WEEKLY) for name in ("b", "a", "a", "c")]
    windows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        query = {"business_id": str(charlie.business_id), "limit": "2"} | cursor
        page = answer_of(await client.get(URL, params=query, headers=employee.headers))
        windows += page["windows"]
        cursor = {"cursor": page["next_cursor"]}
        if page["next_cursor"] is None:
            break
    assert [window["window_name"] for window in windows] == ["a", "a", "b", "c"]
    for window in created:
        await client.delete(f"{URL}/{window['id']}", headers=employee.headers)


async def test_a_place_that_doesnt_belong_together_is_not_found(
    client: httpx.AsyncClient, device: Device, alice: Tenant, bob: Tenant, employee: Employee
) -> None:
    for place, code in (
        ({"business_id": str(uuid4())}, "unknown_business"),
        ({"service_location_id": str(alice.location_id)}, "unknown_service_location"),
        ({"agent_device_id": str(device.agent_id)}, "agent_not_found"),
    ):
        body = {"window_name": "x", "business_id": str(bob.business_id)} | WEEKLY | place
        assert error_of(await client.post(URL, json=body, headers=employee.headers)) == (404, code)


FROM, TO = "2026-05-03T10:00:00Z", "2026-05-03T12:00:00Z"


@pytest.mark.parametrize(
    ("times", "path"),
    [
        ({}, "body"),
        ({"starts_at": FROM}, "body"),
        ({"starts_at": TO, "ends_at": FROM}, "body"),
        ({"starts_at": FROM, "ends_at": FROM}, "body"),
        ({"starts_at": "2026-05-03T10:00:00", "ends_at": TO}, "body.starts_at"),
        ({"starts_at": FROM, "ends_at": "9999-12-31T23:59:59-14:00"}, "body.ends_at"),
        (WEEKLY | {"starts_at": FROM}, "body"),
        (WEEKLY | {"time_zone": None}, "body"),
        (WEEKLY | {"time_zone": "Europe/Atlantis"}, "body.time_zone"),
        (WEEKLY | {"time_zone": "/etc/localtime"}, "body.time_zone"),
        (WEEKLY | {"time_zone": "Europe/Berlin\0"}, "body.time_zone"),
        (WEEKLY | {"weekdays": []}, "body.weekdays"),
        (WEEKLY | {"weekdays": [8]}, "body.weekdays.0"),
        (WEEKLY | {"weekdays": [1.5]}, "body.weekdays.0"),
        (WEEKLY | {"local_start": "24:00"}, "body.local_start"),
        (WEEKLY | {"local_start": "10:00:00"}, "body.local_start"),
        (WEEKLY | {"duration_minutes": 0}, "body.duration_minutes"),
        (WEEKLY | {"duration_minutes": 10_081}, "body.duration_minutes"),
        (WEEKLY | {"business_id": None}, "body"),
        (WEEKLY | {"window_name": "  "}, "body.window_name"),
        (WEEKLY | {"every": "week"}, "body.every"),
    ],
)
async def test_a_window_that_is_none_is_refused_by_its_path(
    client: httpx.AsyncClient, alice: Tenant, employee: Employee, times: dict[str, Any], path: str
) -> None:
    window = await make(client, employee, alice, **WEEKLY)
    body = {"window_name": "x", "business_id": str(alice.business_id)} | times
    for response in (
        await client.post(URL, json=body, headers=employee.headers),
        await client.put(f"{URL}/{window['id']}", json=body, headers=employee.headers),
    ):
        assert error_of(response) == (422, "invalid_request")
        assert [fault["path"] for fault in response.json()["error"]["details"]] == [path]


async def test_no_alert_begins_during_a_maintenance_window(
    rules: Rules, client: httpx.AsyncClient, make_device: MakeDevice, alice: Tenant, bob: Tenant
) -> None:
    inside, beside, elsewhere = await make_device(alice), await make_device(alice), await make_device(bob)
    await rules.make(None)
    now = utc_now() - 120 * MINUTE  # when `fire` evaluates
    times = once(now - 10 * MINUTE, now + timedelta(minutes=10))
    window = await make(client, rules.employee, None, agent_device_id=str(inside.agent_id), **times)
    await rules.fire(inside, beside, elsewhere)
    statuses = [[alert["status"] for alert in await alerts_of(one)] for one in (inside, beside, elsewhere)]
    assert statuses == [[], ["active"], ["active"]]
    await client.delete(f"{URL}/{window['id']}", headers=rules.employee.headers)
    await rules.evaluate(now + MINUTE)
    assert [alert["status"] for alert in await alerts_of(inside)] == ["active"]
