"""Retention over HTTP: the same plans, changes, undo and holds; who may; and a server that follows what is in force."""

import asyncpg

from core.clock import utc_now
from db.hypertables.policies import DAY
from retention.changes import apply_due
from tests.devices import register_device, sample
from tests.retention.conftest import BASE, Server


async def test_a_change_is_planned_applied_and_undone(server: Server, connection: asyncpg.Connection) -> None:
    name = await connection.fetchval("SELECT current_database()")
    plan = await server.plan(raw="14d")
    assert not plan["refused"]
    order = {"plan": plan["plan"], "database": name, "reason": "ticket 4711"}
    wrong = await server.post("/changes", order | {"database": "another"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (409, "wrong_database")
    answer = await server.post("/changes", order)
    assert answer.status_code == 201, answer.text
    change = answer.json()
    assert change["in_force"] is False

    report = (await server.client.get(BASE, headers=server.technician.headers)).json()
    assert report["waiting"]["change_id"] == change["change_id"]
    assert {level["name"]: level["kept_days"] for level in report["levels"]}["raw"] == 30
    assert report["max_sample_age_days"] == 27
    undone = await server.post(f"/changes/{change['change_id']}/undo", {"database": name})
    assert undone.status_code == 200, undone.text
    (row,) = (await server.client.get(f"{BASE}/changes", headers=server.technician.headers)).json()
    assert (row["state"], row["requested_by"]) == ("undone", f"employee {server.dba.employee_id}")
    trail = await connection.fetch("SELECT action FROM agent_audit WHERE actor_id = $1", server.dba.employee_id)
    assert {"retention_change_requested", "retention_change_undone"} <= {entry["action"] for entry in trail}


async def test_a_refused_plan_has_its_reasons_and_an_edited_one_is_not_taken(
    server: Server, connection: asyncpg.Connection
) -> None:
    name = await connection.fetchval("SELECT current_database()")
    plan = await server.plan(raw="3d")
    assert plan["refused"]
    refused = await server.post("/changes", {"plan": plan["plan"], "database": name, "reason": "x"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "retention_plan_refused")
    assert refused.json()["error"]["details"]
    damaged = await server.post("/changes", {"plan": {"hash": "x"}, "database": name, "reason": "x"})
    assert (damaged.status_code, damaged.json()["error"]["code"]) == (422, "retention_plan_damaged")
    bad = await server.post("/plans", {"keep": {"raw": "3h"}})
    assert (bad.status_code, bad.json()["error"]["code"]) == (422, "invalid_age")
    assert (await server.post("/changes/999999/undo", {"database": name})).status_code == 404


async def test_the_server_takes_samples_by_the_values_in_force(server: Server, connection: asyncpg.Connection) -> None:
    name = await connection.fetchval("SELECT current_database()")
    device = await register_device(server.client, server.technician, server.tenant, "old", 300)
    assert (await device.accepted(sample(20 * DAY, cpu_percent=5)))["accepted"] == 1
    plan = await server.plan(raw="14d")
    await server.post("/changes", {"plan": plan["plan"], "database": name, "reason": "x"})
    await apply_due(connection, utc_now() + DAY)
    await server.services.storage.read()
    (rejected,) = (await device.accepted(sample(19 * DAY, cpu_percent=5)))["rejected"]
    assert rejected["code"] == "too_old"
    assert "11 days" in rejected["message"]
    assert (await device.accepted(sample(10 * DAY, cpu_percent=5)))["accepted"] == 1
    asked = {"start": (utc_now() - 20 * DAY).isoformat(), "end": utc_now().isoformat(), "interval": "raw"}
    path = f"/api/agents/{device.agent_id}/metrics/history"
    chart = (await server.client.get(path, params=asked, headers=server.technician.headers)).json()
    assert [warning["code"] for warning in chart["warnings"]] == ["coarser_than_asked"]
    assert "14 days" in chart["warnings"][0]["message"]


async def test_a_hold_is_placed_seen_and_released(server: Server, connection: asyncpg.Connection) -> None:
    order = {"kind": "business", "subject_id": str(server.tenant.business_id), "reason": "litigation 17/26"}
    placed = await server.post("/holds", order)
    assert placed.status_code == 201, placed.text
    report = (await server.client.get(BASE, headers=server.dba.headers)).json()
    (hold,) = report["holds"]
    assert (hold["subject"], hold["reason"]) == ("Alice", "litigation 17/26")
    assert all(level["next_drop_at"] is None for level in report["levels"])
    path = f"/holds/{placed.json()['hold_id']}/release"
    assert (await server.post(path)).status_code == 204
    assert (await server.post(path)).status_code == 404


async def test_only_the_right_dba_changes_and_customers_see_nothing(server: Server) -> None:
    for path, body in (("/plans", {"keep": {"raw": "45d"}}), ("/holds/1/release", None)):
        technician = await server.post(path, body, server.technician)
        assert (technician.status_code, technician.json()["error"]["code"]) == (403, "right_missing")
        customer = await server.post(path, body, server.tenant)
        assert (customer.status_code, customer.json()["error"]["code"]) == (403, "employees_only")
    for path in ("", "/changes"):
        assert (await server.client.get(f"{BASE}{path}", headers=server.tenant.headers)).status_code == 403
