"""The whole audit trail over HTTP: with and without a device, filtered, page by page, for those with the right."""

import csv
import io
import json
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from core.clock import utc_now
from devices import export_trail
from tests.calls import changed, trail
from tests.devices import Device
from tests.people import Employee, Tenant

URL = "/api/admin/audit"


async def read(client: httpx.AsyncClient, employee: Employee, **params: Any) -> dict[str, Any]:
    answer = await client.get(URL, params=params, headers=employee.headers)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_a_row_without_a_device_is_found_by_actor_action_business_and_time(
    client: httpx.AsyncClient, employee: Employee, pool: asyncpg.Pool, alice: Tenant, bob: Tenant
) -> None:
    actor, at = uuid4(), utc_now()
    await pool.execute(
        "INSERT INTO agent_audit (at, actor_kind, actor_id, action, details) "
        "VALUES ($1, 'employee', $2, 'rule_made', jsonb_build_object('business_id', $3::uuid))",
        at, actor, alice.business_id,
    )  # fmt: skip
    (row,) = (await read(client, employee, actor_id=str(actor)))["entries"]
    assert (row["agent_id"], row["action"]) == (None, "rule_made")
    own = {"actor_id": str(actor)}
    for query in ({"action": "rule_made"}, {"business_id": str(alice.business_id)}, {"start": at.isoformat()}):
        assert (await read(client, employee, **own, **query))["entries"] == [row]
    for other in ({"action": "rule"}, {"business_id": str(bob.business_id)}, {"end": at.isoformat()}):
        assert (await read(client, employee, **own, **other))["entries"] == []


async def test_pages_of_a_device_are_its_own_trail(device: Device, employee: Employee) -> None:
    for _ in range(3):
        await changed(device, employee, "deactivate")
        await changed(device, employee, "activate")
    expected = [entry["id"] for entry in await trail(device, employee)][::-1]
    entry_ids: list[int] = []
    before: dict[str, Any] = {}
    while True:
        page = await read(device.client, employee, agent_id=str(device.agent_id), limit=2, **before)
        entry_ids += [entry["id"] for entry in page["entries"]]
        if page["next_before"] is None:
            break
        before = {"before": page["next_before"]}
    assert entry_ids == expected


async def test_customers_may_not_read_it(client: httpx.AsyncClient, alice: Tenant) -> None:
    answer = await client.get(URL, headers=alice.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "employees_only")


async def exported(client: httpx.AsyncClient, employee: Employee, **params: Any) -> str:
    answer = await client.get(f"{URL}/export", params=params, headers=employee.headers)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_an_export_has_every_row_across_its_pages(
    client: httpx.AsyncClient, employee: Employee, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_trail, "PAGE", 2)
    actor = uuid4()
    await pool.execute(
        "INSERT INTO agent_audit (at, actor_kind, actor_id, action, details) "
        "SELECT now(), 'employee', $1, 'rule_made', jsonb_build_object('n', n) FROM generate_series(1, 5) n",
        actor,
    )
    lines = (await exported(client, employee, actor_id=str(actor))).splitlines()
    assert [json.loads(line)["details"] for line in lines] == [{"n": n} for n in (5, 4, 3, 2, 1)]
    records = list(csv.DictReader(io.StringIO(await exported(client, employee, actor_id=str(actor), format="csv"))))
    assert [json.loads(record["details"]) for record in records] == [{"n": n} for n in (5, 4, 3, 2, 1)]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
async def test_a_cell_of_csv_is_no_formula(
    client: httpx.AsyncClient, employee: Employee, pool: asyncpg.Pool, first: str
) -> None:
    actor, action = uuid4(), f'{first}cmd,"x"'
    query = "INSERT INTO agent_audit (at, actor_kind, actor_id, action) VALUES (now(), 'employee', $1, $2)"
    await pool.execute(query, actor, action)
    text = await exported(client, employee, actor_id=str(actor), format="csv")
    (record,) = csv.DictReader(io.StringIO(text, newline=""))
    assert record["action"] == f"'{action}"
