"""The history of alerts over all devices, and one action on many alerts at once."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from core.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant

PATH = "/api/agents/alerts"
HOUR = timedelta(hours=1)
MakeAlert = Callable[..., Awaitable[UUID]]


@pytest.fixture
def make_alert(pool: asyncpg.Pool) -> MakeAlert:
    """Write an alert of a rule of its own, as evaluation does."""

    async def make(
        device: Device, began: float = 2, ended: float | None = None, severity: str = "warning", name: str = "busy"
    ) -> UUID:
        rule = await pool.fetchval(
            "INSERT INTO agent_alerts (alert_name, alert_type, severity, agent_device_id, conditions, is_active) "
            """VALUES ($1, 'metric', $2, $3, '{"metric": "cpu_percent"}', false) RETURNING id""",
            name, severity, device.agent_id,
        )  # fmt: skip
        now = utc_now()
        alert_id: UUID = await pool.fetchval(
            "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, resolved_at, severity, "
            "status, alert_message) VALUES ($1, $2, $3, $4, $5, $6, 'CPU is high') RETURNING id",
            rule, device.agent_id, now - began * HOUR, None if ended is None else now - ended * HOUR, severity,
            "active" if ended is None else "auto_resolved",
        )  # fmt: skip
        return alert_id

    return make


@pytest.fixture
async def desk(make_device: MakeDevice, dora: Tenant) -> Device:
    return await make_device(dora, "front-desk")


async def history(client: httpx.AsyncClient, tenant: Tenant, **query: Any) -> list[str]:
    response = await client.get(f"{PATH}/history", params=query, headers=tenant.headers)
    assert response.status_code == 200, response.text
    return [alert["id"] for alert in response.json()["alerts"]]


async def bulk(client: httpx.AsyncClient, employee: Employee, action: str, *ids: UUID, **more: Any) -> list[Any]:
    body = {"action": action, "ids": [str(one) for one in ids]} | more
    response = await client.post(f"{PATH}/bulk", json=body, headers=employee.headers)
    assert response.status_code == 200, response.text
    outcomes: list[Any] = response.json()["outcomes"]
    return outcomes


async def test_the_history_is_newest_first_and_of_ones_own_business(
    client: httpx.AsyncClient, desk: Device, dora: Tenant, bob: Tenant, make_alert: MakeAlert
) -> None:
    ended, opened = await make_alert(desk, 9, 8), await make_alert(desk, 2)
    assert await history(client, dora) == [str(opened), str(ended)]
    assert str(opened) not in await history(client, bob)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "active,acknowledged"}, "open"), ({"status": "auto_resolved"}, "ended"),
        ({"severity": "critical"}, "ended"), ({"search": "FULL"}, "ended"),
        ({"search": "nothing"}, None), ({"snoozed": "true"}, None),
        ({"agent_id": str(uuid4())}, None), ({"rule_id": str(uuid4())}, None), ({"business_id": str(uuid4())}, None),
    ],
)  # fmt: skip
async def test_a_filter_keeps_what_fits(
    client: httpx.AsyncClient,
    desk: Device,
    dora: Tenant,
    make_alert: MakeAlert,
    query: dict[str, str],
    expected: str | None,
) -> None:
    alert_ids = {"open": await make_alert(desk, 2), "ended": await make_alert(desk, 9, 8, "critical", "disk full")}
    assert await history(client, dora, **query) == ([str(alert_ids[expected])] if expected else [])


async def test_a_range_keeps_alerts_that_were_open_in_it(
    client: httpx.AsyncClient, desk: Device, dora: Tenant, make_alert: MakeAlert
) -> None:
    alert_ids = [await make_alert(desk, began, ended) for began, ended in ((9, 8), (5, 3), (2, None))]
    now = utc_now()

    async def between(begin: float, end: float) -> list[str]:
        times = {"start": now - begin * HOUR, "end": now - end * HOUR}
        return await history(client, dora, **{name: at.isoformat() for name, at in times.items()})

    assert await between(4, 1) == [str(alert_ids[2]), str(alert_ids[1])]
    assert await between(7, 6) == []
    assert await between(9.5, 7) == [str(alert_ids[0])]


async def test_pages_of_the_history_hold_each_alert_once(
    client: httpx.AsyncClient, desk: Device, dora: Tenant, make_alert: MakeAlert
) -> None:
    alert_ids = [str(await make_alert(desk, began)) for began in range(5)]
    listed_ids: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while query:
        page = (await client.get(f"{PATH}/history", params=query, headers=dora.headers)).json()
        listed_ids += [alert["id"] for alert in page["alerts"]]
        query = {"limit": 2, "cursor": page["next_cursor"]} if page["next_cursor"] else {}
    assert listed_ids == alert_ids


async def test_a_note_of_an_acknowledgement_is_kept_and_hidden_from_customers(
    client: httpx.AsyncClient, desk: Device, dora: Tenant, employee: Employee, make_alert: MakeAlert
) -> None:
    alert = await make_alert(desk)
    body = {"note": "waiting for a new disk"}
    answer = await client.post(f"{PATH}/history/{alert}/acknowledge", json=body, headers=employee.headers)
    assert (answer.status_code, answer.json()["acknowledgement_note"]) == (200, "waiting for a new disk")
    seen = (await client.get(f"{PATH}/history", headers=dora.headers)).json()["alerts"][0]
    assert (seen["status"], seen["acknowledgement_note"], seen["metric"]) == ("acknowledged", None, "cpu_percent")


async def test_an_ended_alert_in_a_bulk_action_does_not_stop_the_others(
    client: httpx.AsyncClient, desk: Device, employee: Employee, make_alert: MakeAlert
) -> None:
    first, ended, last = await make_alert(desk), await make_alert(desk, 9, 8), await make_alert(desk)
    unknown = uuid4()
    outcomes = await bulk(client, employee, "acknowledge", first, ended, unknown, last, note="on it")
    assert [one["id"] for one in outcomes] == [str(one) for one in (first, ended, unknown, last)]
    assert [one["code"] for one in outcomes] == [None, "alert_ended", "alert_not_found", None]
    assert [one["alert"]["status"] for one in outcomes if one["ok"]] == ["acknowledged"] * 2


async def test_many_alerts_are_snoozed_and_resolved_at_once(
    client: httpx.AsyncClient, desk: Device, dora: Tenant, employee: Employee, make_alert: MakeAlert
) -> None:
    ids = [await make_alert(desk) for _ in range(3)]
    outcomes = await bulk(client, employee, "snooze", *ids, minutes=30)
    until = [datetime.fromisoformat(one["alert"]["snoozed_until"]) for one in outcomes]
    assert all(timedelta(minutes=25) < at - utc_now() <= timedelta(minutes=30) for at in until)
    assert len(await history(client, dora, snoozed="true")) == 3
    outcomes = await bulk(client, employee, "resolve", *ids, ids[0], note="replaced")
    assert [one["alert"]["resolution_notes"] for one in outcomes] == ["replaced"] * 3
    assert await history(client, dora, status="active,acknowledged") == []


@pytest.mark.parametrize("change", [{"action": "delete"}, {"ids": []}, {"minutes": -1}, {"more": 1}, {"ids": ["x"]}])
async def test_an_order_that_does_not_fit_is_refused(
    client: httpx.AsyncClient, employee: Employee, change: dict[str, Any]
) -> None:
    body = {"action": "acknowledge", "ids": [str(uuid4())]} | change
    assert (await client.post(f"{PATH}/bulk", json=body, headers=employee.headers)).status_code == 422
