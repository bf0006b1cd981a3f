"""Records: each table that grows has an age; old rows go, young rows and those under legal hold stay."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import UUID

import asyncpg
import pytest

from core.clock import utc_now
from db.hypertables.policies import DAY
from retention.changes import UndoRefusedError, apply_due, apply_plan, undo_change
from retention.holds import HoldRequest, place_hold
from retention.plans import PlanRefusedError, UnknownNameError, make_plan
from retention.purge import note_audit_setting, purge_records
from retention.records import KINDS, NAMES, NOT_GROWING, QUERIES, read_record_ages, record_days
from tests.databases import REAL_SERVER
from tests.devices import register_device
from tests.people import make_tenant
from tests.retention.conftest import OPERATOR, Run, Server

OLD, YOUNG = timedelta(days=2000), timedelta(days=10)
GRACE = timedelta(hours=24)
# Rows of a device: each statement has the device, the business, a rule of it and a time.
ROWS = {
    "alerts": "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, severity, status, triggered_at, "
    "resolved_at) SELECT $3, $1, 'info', 'resolved', $4, $4 WHERE $2::uuid IS NOT NULL",
    "notifications": "INSERT INTO agent_alert_notifications (agent_alert_history_id, kind, channel, recipient, "
    "created_at, sent_at) SELECT id, 'firing', 'email', 'a@example.org', $4, $4 FROM agent_alert_history "
    "WHERE agent_device_id = $1 AND agent_alert_id = $3 AND resolved_at = $4 AND $2::uuid IS NOT NULL",
    "alert_transitions": "INSERT INTO agent_alert_transitions (agent_alert_id, agent_device_id, at, from_state, "
    "to_state, reason) SELECT $3, $1, $4, 'inactive', 'firing', 'x' WHERE $2::uuid IS NOT NULL",
    "tickets": "INSERT INTO agent_alert_tickets (agent_alert_id, agent_device_id, business_id, created_at, closed_at, "
    "description, incident_key, severity, state, title, wanted) "
    "VALUES ($3, $1, $2, $4, $4, 'x', gen_random_uuid()::text, 'info', 'closed', 'x', 'closed')",
    "commands": "INSERT INTO agent_commands (agent_device_id, command_type, created_at, changed_at, completed_at, "
    "status, stdout) SELECT $1, 'restart_service', $4, $4, $4, 'completed', 'secret' "
    "WHERE $2::uuid IS NOT NULL AND $3::uuid IS NOT NULL",
    "events": "INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at) "
    "SELECT $1, 'age', $4, $4 WHERE $2::uuid IS NOT NULL AND $3::uuid IS NOT NULL",
    "registration_tokens": "INSERT INTO agent_registration_tokens (agent_device_id, business_id, device_name, "
    "expires_at, token_hash) SELECT $1, $2, 'x', $4, encode(sha256(gen_random_uuid()::text::bytea), 'hex') "
    "WHERE $3::uuid IS NOT NULL",
    "software": "INSERT INTO agent_software_inventory (agent_device_id, software_name, first_seen, is_active, "
    "removed_at) SELECT $1, 'x', $4, false, $4 WHERE $2::uuid IS NOT NULL AND $3::uuid IS NOT NULL",
    "maintenance_windows": "INSERT INTO agent_maintenance_windows (agent_device_id, business_id, window_name, "
    "created_at, starts_at, ends_at) SELECT $1, $2, 'x', $4, $4::timestamptz - interval '1 hour', $4 "
    "WHERE $3::uuid IS NOT NULL",
    "intervals": "INSERT INTO agent_device_intervals (agent_device_id, changed_at, seconds, until_at) "
    "SELECT $1, $4, 60, $4 WHERE $2::uuid IS NOT NULL AND $3::uuid IS NOT NULL",
}
COUNTED = dict.fromkeys(ROWS, "agent_device_id = $1") | {
    "notifications": "agent_alert_history_id IN (SELECT id FROM agent_alert_history WHERE agent_device_id = $1)"
}


@dataclass
class Machine:
    """A device of a business of its own, with a rule."""

    device_id: UUID
    business_id: UUID
    rule_id: UUID

    async def fill(self, connection: asyncpg.Connection, age: timedelta) -> None:
        """Add a row of each kind of that age."""
        at = utc_now() - age
        for statement in ROWS.values():
            await connection.execute(statement, self.device_id, self.business_id, self.rule_id, at)

    async def counts(self, connection: asyncpg.Connection) -> dict[str, int]:
        return {
            name: await connection.fetchval(
                f"SELECT count(*) FROM {NAMES[name].relation} WHERE {where}", self.device_id
            )
            for name, where in COUNTED.items()
        }


async def make_machine(server: Server, connection: asyncpg.Connection, name: str) -> Machine:
    tenant = await make_tenant(server.services.pool, server.services.tokens, name)
    device = await register_device(server.client, server.technician, tenant, name, 300)
    rule = await connection.fetchval(
        "INSERT INTO agent_alerts (alert_name, alert_type, business_id, conditions, severity) "
        "VALUES ('x', 'threshold', $1, '{}', 'info') RETURNING id",
        tenant.business_id,
    )
    return Machine(device.agent_id, tenant.business_id, rule)


async def test_every_growing_table_has_a_retention_age(connection: asyncpg.Connection) -> None:
    rows = await connection.fetch(
        "SELECT relname::text AS name FROM pg_class WHERE relkind IN ('r', 'p') "
        "AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'agent_devices'::regclass) "
        "AND (relname LIKE 'agent\\_%' OR relname = 'rts_agents_alembic_version')"
    )
    aged = {table for kind in KINDS for table in (kind.relation, *kind.also)}
    assert {row["name"] for row in rows} == aged | NOT_GROWING.keys()
    assert not aged & NOT_GROWING.keys()


async def test_code_statements_and_database_name_the_same_kinds(connection: asyncpg.Connection) -> None:
    statements = await connection.fetch(QUERIES["compose_records"])
    stored = await connection.fetch("SELECT name FROM agent_record_ages")
    assert {(row["name"], row["relation"]) for row in statements} == {(kind.name, kind.relation) for kind in KINDS}
    assert {row["name"] for row in stored} == set(NAMES)


async def test_old_rows_go_and_those_under_legal_hold_stay(server: Server, connection: asyncpg.Connection) -> None:
    plain, held, held_device = [await make_machine(server, connection, name) for name in ("Ada", "Bob", "Cleo")]
    for machine in (plain, held, held_device):
        await machine.fill(connection, OLD)
        await machine.fill(connection, YOUNG)
    before = await plain.counts(connection)
    await place_hold(connection, HoldRequest("business", held.business_id, "x"), OPERATOR, utc_now())
    await place_hold(connection, HoldRequest("device", held_device.device_id, "x"), OPERATOR, utc_now())
    await purge_records(connection, utc_now())
    assert await plain.counts(connection) == {name: rows - 1 for name, rows in before.items()}
    assert await held.counts(connection) == before
    assert await held_device.counts(connection) == before
    assert await purge_records(connection, utc_now()) == {}
    purged = {age.kind.name: age.purged_rows for age in await read_record_ages(connection)}
    assert all(purged[name] for name in ROWS if name != "notifications")  # those went with their alerts


async def test_outputs_and_notifications_go_before_what_they_are_of(
    server: Server, connection: asyncpg.Connection
) -> None:
    machine = await make_machine(server, connection, "Outputs")
    await machine.fill(connection, timedelta(days=300))
    await connection.execute(
        "UPDATE agent_record_ages SET keep = '90 days' WHERE name IN ('command_outputs', 'notifications')"
    )
    assert await purge_records(connection, utc_now()) == {"command_outputs": 1, "notifications": 1}
    row = await connection.fetchrow(
        "SELECT status, stdout FROM agent_commands WHERE agent_device_id = $1", machine.device_id
    )
    assert row is not None
    assert (row["status"], row["stdout"]) == ("completed", None)


async def test_open_alerts_and_running_commands_never_go(server: Server, connection: asyncpg.Connection) -> None:
    machine = await make_machine(server, connection, "Open")
    await machine.fill(connection, OLD)
    await connection.execute("UPDATE agent_alert_history SET status = 'active', resolved_at = NULL")
    await connection.execute("UPDATE agent_commands SET status = 'executing'")
    await connection.execute("UPDATE agent_alert_tickets SET state = 'open', wanted = 'open', closed_at = NULL")
    await purge_records(connection, utc_now())
    counts = await machine.counts(connection)
    assert [counts[name] for name in ("alerts", "notifications", "commands", "tickets")] == [1, 1, 1, 1]


@asynccontextmanager
async def refused(connection: asyncpg.Connection, condition: str) -> AsyncIterator[None]:
    """Let no old event be deleted for which the condition on OLD holds."""
    await connection.execute(
        "CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF {condition} THEN RAISE EXCEPTION 'no'; END IF; RETURN OLD; END $$; "
        f"CREATE TRIGGER refuse_it BEFORE DELETE ON agent_events FOR EACH ROW EXECUTE FUNCTION refuse_it()"
    )
    try:
        yield
    finally:
        await connection.execute("DROP FUNCTION refuse_it CASCADE")


FAULTS = "SELECT item, reason FROM agent_isolated_faults WHERE task = 'old records' ORDER BY item"


async def test_a_device_that_fails_stops_no_other_and_no_other_kind(
    server: Server, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retention.purge.BATCH_ROWS", 4)
    faulty, *others = [await make_machine(server, connection, name) for name in ("Faulty", "Gus", "Hal")]
    for machine in (faulty, faulty, faulty, faulty, faulty, *others):
        await machine.fill(connection, OLD)
    async with refused(connection, f"OLD.agent_device_id = '{faulty.device_id}'"):
        purged = await purge_records(connection, utc_now())
        assert [tuple(row) for row in await connection.fetch(FAULTS)] == [(f"events:{faulty.device_id}", "no")]
        assert (await faulty.counts(connection))["events"] == 5
        assert [(await machine.counts(connection))["events"] for machine in others] == [0, 0]
        assert purged["commands"] == 7
        for machine in others:
            await machine.fill(connection, OLD)
        await purge_records(connection, utc_now())  # while the faulty one is left out
        assert [(await machine.counts(connection))["events"] for machine in others] == [0, 0]
    assert (await purge_records(connection, utc_now() + timedelta(hours=2)))["events"] == 5
    assert await connection.fetch(FAULTS) == []


async def test_a_kind_that_fails_stops_no_other(server: Server, connection: asyncpg.Connection) -> None:
    machine = await make_machine(server, connection, "Broken")
    await machine.fill(connection, OLD)
    await connection.execute("ALTER TABLE agent_events RENAME COLUMN received_at TO renamed")
    try:
        purged = await purge_records(connection, utc_now())
    finally:
        await connection.execute("ALTER TABLE agent_events RENAME COLUMN renamed TO received_at")
    assert "events" not in purged
    assert purged["commands"] == 1
    assert [row["item"] for row in await connection.fetch(FAULTS)] == ["kind:events"]
    assert (await purge_records(connection, utc_now() + timedelta(hours=2)))["events"] == 1


@pytest.mark.skipif(not REAL_SERVER, reason="on the embedded server, transactions take turns")
async def test_tables_of_the_platform_are_not_locked(
    server: Server, connection: asyncpg.Connection, own_url: str
) -> None:
    machine = await make_machine(server, connection, "Locked")
    await machine.fill(connection, OLD)
    other = await asyncpg.connect(own_url, timeout=10)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE businesses, employees, service_locations, users IN ACCESS EXCLUSIVE MODE")
            purged = await purge_records(connection, utc_now())
    finally:
        await other.close()
    assert ROWS.keys() - {"notifications"} <= purged.keys()
    assert not await connection.fetchval("SELECT count(*) FROM agent_isolated_faults WHERE task = 'old records'")


async def test_ages_of_records_are_planned_applied_and_undone(server: Server, connection: asyncpg.Connection) -> None:
    machine = await make_machine(server, connection, "Planned")
    await machine.fill(connection, timedelta(days=300))
    name, now = await connection.fetchval("SELECT current_database()"), utc_now()
    plan = await make_plan(connection, {"events": 60 * DAY}, now, GRACE, large=True)
    (effect,) = plan.effects
    assert (effect.level, effect.relation, effect.rows, effect.chunks) == ("events", "agent_events", 1, 0)
    assert any("events (events of devices): kept for 60 days instead of 730 days" in loss for loss in plan.losses)
    number = (await apply_plan(connection, plan.document(), name, OPERATOR, "x", now, GRACE)).id
    assert record_days(await read_record_ages(connection))["events"] == 730
    assert await apply_due(connection, now + GRACE) == number
    assert record_days(await read_record_ages(connection))["events"] == 60
    assert (await purge_records(connection, now + GRACE))["events"] == 1
    with pytest.raises(UndoRefusedError, match="Rows were deleted: events"):
        await undo_change(connection, number, OPERATOR, now + GRACE)
    trail = await connection.fetchval(
        "SELECT details -> 'after_days' ->> 'events' FROM agent_audit WHERE action = 'retention_change_applied' "
        "ORDER BY id DESC LIMIT 1"
    )
    assert float(trail) == 60


async def test_a_change_that_deleted_nothing_is_undone(connection: asyncpg.Connection) -> None:
    name, now = await connection.fetchval("SELECT current_database()"), utc_now()
    plan = await make_plan(connection, {"alerts": 60 * DAY, "raw": 20 * DAY}, now, GRACE)
    number = (await apply_plan(connection, plan.document(), name, OPERATOR, "x", now, GRACE)).id
    assert await apply_due(connection, now + GRACE) == number
    assert "values before it are in force again" in await undo_change(connection, number, OPERATOR, now + GRACE)
    assert record_days(await read_record_ages(connection))["alerts"] == 730


async def test_too_short_and_unknown_names_are_refused(connection: asyncpg.Connection) -> None:
    now = utc_now()
    plan = await make_plan(connection, {"audit": 7 * DAY}, now, GRACE)
    assert any("30 days are the least" in one for one in plan.objections)
    name = await connection.fetchval("SELECT current_database()")
    with pytest.raises(PlanRefusedError):
        await apply_plan(connection, plan.document(), name, OPERATOR, "x", now, GRACE)
    with pytest.raises(UnknownNameError, match="command_outputs"):
        await make_plan(connection, {"nothing": 60 * DAY}, now, GRACE)


async def test_the_setting_holds_until_a_change_sets_the_age_of_the_trail(connection: asyncpg.Connection) -> None:
    await note_audit_setting(connection, 0)
    assert record_days(await read_record_ages(connection))["audit"] == 36_500
    await note_audit_setting(connection, 400)
    assert record_days(await read_record_ages(connection))["audit"] == 400
    name, now = await connection.fetchval("SELECT current_database()"), utc_now()
    plan = await make_plan(connection, {"audit": 500 * DAY}, now, GRACE)
    assert (await apply_plan(connection, plan.document(), name, OPERATOR, "x", now, GRACE)).applied
    await note_audit_setting(connection, 400)
    assert record_days(await read_record_ages(connection))["audit"] == 500


async def test_records_are_shown_and_planned_at_the_command_line(
    run: Run, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    shown = await run("retention", "show")
    assert "command_outputs" in shown.output
    file = tmp_path / "plan.json"
    planned = await run("retention", "plan", "--keep", "alerts=3y", "--keep", "events=60d", "--out", str(file))
    assert planned.exit_code == 0, planned.output
    assert "events 730 d -> 60 d" in planned.output
    assert json.loads(file.read_text())["after"]["alerts"] == 3 * 365
    wrong = await run("retention", "what-if", "--keep", "nothing=60d")
    assert wrong.exit_code == 1
    assert (await run("retention", "what-if", "--keep", "alerts")).exit_code == 2


async def test_records_are_shown_and_planned_over_http(server: Server, connection: asyncpg.Connection) -> None:
    report = (await server.client.get("/api/admin/retention", headers=server.technician.headers)).json()
    assert {records["name"] for records in report["records"]} == set(NAMES)
    answer = await server.post("/plans", {"keep": {"events": "60d"}})
    assert cast("dict[str, dict[str, float]]", answer.json()["plan"])["after"]["events"] == 60
    unknown = await server.post("/plans", {"keep": {"nothing": "60d"}})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (422, "unknown_retention_name")
