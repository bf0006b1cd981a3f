"""An erasure takes a person out of every record, leaves the records and everybody else, and proves it."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from core.clock import utc_now
from devices.audit_chain import find_breaks, seal_trail
from devices.erasure.requests import (
    ErasureRequest,
    LegalHoldError,
    NothingToEraseError,
    read_certificate,
    request_erasure,
)
from devices.erasure.scope import ErasedSubject, count_audit, count_subject
from devices.erasure.work import erase, prove_due
from tests.databases import migrated_database

RECORDS = """
WITH business AS (INSERT INTO businesses (business_name) VALUES ($1 || '''s business') RETURNING id),
device AS (INSERT INTO agent_devices (business_id, device_name, created_by)
           SELECT id, $1, $2 FROM business RETURNING *),
rule AS (INSERT INTO agent_alerts (alert_name, alert_type, severity, business_id, conditions, created_by,
                                   notification_recipients)
         SELECT $1, 'high_cpu', 'warning', id, '{"metric": "cpu_percent", "operator": ">", "threshold": 90}', $2,
                jsonb_build_array('noc@msp.example', upper($1) || '@MSP.example')
         FROM business RETURNING *),
alert AS (INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, severity, triggered_at, status)
          SELECT rule.id, device.id, 'warning', now(), 'acknowledged' FROM rule, device RETURNING *),
mail AS (INSERT INTO agent_alert_notifications (agent_alert_history_id, channel, kind, recipient, created_at)
         SELECT id, 'email', 'firing', $1 || '@msp.example', now() FROM alert),
view AS (INSERT INTO agent_saved_views (business_id, owner_id, page, query, view_name)
         SELECT id, $2, 'agents', 'q=x', $1 FROM business),
hold AS (INSERT INTO agent_legal_holds (business_id, subject, devices, reason, placed_by, placed_at, released_by,
                                        released_at)
         SELECT id, $1, '{}', 'litigation', 'employee ' || $2, now(), 'employee ' || $2, now() FROM business),
command AS (INSERT INTO agent_commands (agent_device_id, command_type, status, requested_by, approval_required)
            SELECT id, 'restart', 'pending', $2, true FROM device),
trail AS (INSERT INTO agent_audit (actor_kind, actor_id, action, at) VALUES ('employee', $2, 'tested', now()))
SELECT alert.id FROM alert
"""
NAMED = "to_jsonb(t)::text LIKE '%' || $1 || '%'"
TABLES = """
SELECT relname FROM pg_class
WHERE relkind = 'r' AND relname LIKE 'agent\\_%' AND relnamespace = 'public'::regnamespace
  AND relname NOT IN ('agent_audit', 'agent_erasures')
ORDER BY relname
"""
WORDS = """
SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relkind = 'r' AND c.relname LIKE 'agent\\_%' AND a.attname LIKE '%\\_by' AND a.atttypid = 'text'::regtype
ORDER BY 1
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with migrated_database(tmp_path_factory.mktemp("person")) as database_url:
        yield database_url


@pytest.fixture
async def connection(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def add_person(connection: asyncpg.Connection, name: str) -> UUID:
    """Add an employee who did something everywhere, for a business of their own."""
    person = uuid4()
    await connection.execute(
        "INSERT INTO employees (id, email, first_name, last_name) VALUES ($1, $2 || '@msp.example', $2, $2)",
        person,
        name,
    )
    alert = await connection.fetchval(RECORDS, name, person)
    await connection.execute("UPDATE agent_alert_history SET acknowledged_by = $2 WHERE id = $1", alert, person)
    return person


async def tables_with(connection: asyncpg.Connection, text: str) -> list[str]:
    """Return our tables in which any column of any row holds a text."""
    tables = [row["relname"] for row in await connection.fetch(TABLES)]
    return [name for name in tables if await connection.fetchval(f"SELECT count(*) FROM {name} t WHERE {NAMED}", text)]


async def erased(connection: asyncpg.Connection, person: UUID) -> dict[str, Any]:
    """Request, erase, prove, and return the certificate."""
    number = await request_erasure(
        connection, ErasedSubject("person", person), ErasureRequest("asked for", "dba", utc_now())
    )
    assert await erase(connection, number, utc_now())
    assert await prove_due(connection, utc_now() + timedelta(hours=2)) == [number]
    return await read_certificate(connection, number)


async def test_a_person_is_erased_and_records_and_others_stay(connection: asyncpg.Connection) -> None:
    erika, others = (
        await add_person(connection, "Erika"),
        [await add_person(connection, name) for name in ("Max", "Ida")],
    )
    await seal_trail(connection)
    before = [await tables_with(connection, str(other)) for other in others]
    subject = ErasedSubject("person", erika)
    counted = await count_subject(connection, subject)
    assert {
        "agent_alert_history",
        "agent_alerts",
        "agent_commands",
        "agent_devices",
        "agent_saved_views",
    } <= counted.keys()

    certificate = await erased(connection, erika)

    assert certificate["deleted"] == dict(counted)
    assert (certificate["state"], certificate["subject_id"]) == ("proven", erika)
    assert not any(certificate["recount"].values())
    assert await tables_with(connection, str(erika)) == []
    alert = await connection.fetchrow(
        "SELECT h.acknowledged_by, h.acknowledged_by_name, a.created_by_name, a.notification_recipients"
        " FROM agent_alert_history h JOIN agent_alerts a ON a.id = h.agent_alert_id WHERE a.alert_name = 'Erika'"
    )
    assert alert is not None
    assert tuple(alert) == (None, "erased person", "erased person", '["noc@msp.example"]')
    assert [await tables_with(connection, str(other)) for other in others] == before
    assert await connection.fetchval("SELECT count(*) FROM agent_alert_notifications") == 2
    assert await connection.fetchval("SELECT count(*) FROM agent_commands WHERE approval_required") == 3
    assert await count_audit(connection, subject) == 1  # it stays, and its chain holds
    assert [line async for line in find_breaks(connection)] == []


async def test_a_user_of_a_customer_loses_their_views_and_address(connection: asyncpg.Connection) -> None:
    await add_person(connection, "Otto")
    user = uuid4()
    await connection.execute("INSERT INTO users (id, email) VALUES ($1, 'OTTO@msp.example')", user)
    await connection.execute(
        "INSERT INTO agent_saved_views (owner_id, page, query, view_name) VALUES ($1, 'alerts', '', 'mine')", user
    )
    deleted = (await erased(connection, user))["deleted"]
    assert deleted == {"agent_saved_views": 1, "agent_alerts": 1, "agent_alert_notifications": 1}


async def test_nothing_is_erased_of_a_person_who_did_nothing_or_while_a_hold_is_in_force(
    connection: asyncpg.Connection,
) -> None:
    request = ErasureRequest("asked for", "dba", utc_now())
    with pytest.raises(NothingToEraseError):
        await request_erasure(connection, ErasedSubject("person", uuid4()), request)
    person = await add_person(connection, "Held")
    hold = "UPDATE agent_legal_holds SET released_at = {} WHERE subject = 'Held'"
    await connection.execute(hold.format("NULL"))
    try:
        with pytest.raises(LegalHoldError, match="litigation"):
            await request_erasure(connection, ErasedSubject("person", person), request)
    finally:
        await connection.execute(hold.format("now()"))
    assert await tables_with(connection, str(person))


async def test_every_column_of_words_about_people_is_reached(connection: asyncpg.Connection) -> None:
    assert [row[0] for row in await connection.fetch(WORDS)] == [
        "agent_erasures.requested_by", "agent_legal_holds.placed_by", "agent_legal_holds.released_by",
        "agent_retention_changes.requested_by", "agent_retention_changes.undone_by", "agent_tenant_ages.changed_by",
    ]  # fmt: skip
