"""Our upgrade changes nothing for the platform: its statements answer the same, its schema is the same."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from db.migrations.run import downgrade, upgrade
from tests.databases import fresh_database
from tests.db.scheduler import stop_scheduler
from tests.db.test_migrations import ask
from tests.platform.dumps import catalog, pg_dump, relations
from tests.platform.kinds import build_platform
from tests.platform.statements import BUSINESS, EMPLOYEE, LOCATION, run_statements

# One row of ours at each reference to what the platform deletes.
ROWS = """
INSERT INTO agent_devices (id, business_id, service_location_id, device_name, created_by)
    VALUES ('00000000-0000-4000-8000-0000000000d1', :b, :l, 'pc', :e);
INSERT INTO agent_registration_tokens (token_hash, business_id, device_name, expires_at, created_by)
    VALUES (repeat('a', 64), :b, 'pc', now(), :e);
INSERT INTO agent_commands (agent_device_id, command_type, requested_by) VALUES (:d, 'restart', :e);
INSERT INTO agent_commands (agent_device_id, command_type, requested_by, approved_by, approved_at)
    SELECT :d, 'restart', id, :e, now() FROM employees WHERE id <> :e;
INSERT INTO agent_alerts (id, alert_name, alert_type, severity, business_id, conditions, created_by)
    VALUES ('00000000-0000-4000-8000-0000000000a1', 'CPU', 'metric', 'info', :b, '{}', :e);
INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, severity, service_request_created)
    SELECT '00000000-0000-4000-8000-0000000000a1', :d, now(), 'info', id FROM service_requests LIMIT 1;
UPDATE agent_alert_history SET acknowledged_by = :e, resolved_by = :e;
INSERT INTO agent_maintenance_windows (window_name, business_id, starts_at, ends_at, created_by, created_at)
    VALUES ('night', :b, now(), now() + interval '1 hour', :e, now());
INSERT INTO agent_software_eol (software_name, eol_date, created_by, updated_by, created_at, updated_at)
    VALUES ('java', '2026-01-01', :e, :e, now(), now());
INSERT INTO agent_alert_tickets (incident_key, agent_alert_id, agent_device_id, business_id, service_location_id,
        severity, title, description, wanted, created_at, service_request_id)
    SELECT 'device:x', '00000000-0000-4000-8000-0000000000a1', :d, :b, :l, 'info', 't', 't', 'open', now(), id
    FROM service_requests LIMIT 1;
"""
REFERENCES = """
SELECT c.conrelid::regclass::text, a.attname, c.confdeltype FROM pg_constraint c
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
WHERE c.contype = 'f' AND c.confrelid = ANY (%s::regclass[]) AND c.conrelid::regclass::text LIKE 'agent%%'
"""


def filled(statements: str) -> str:
    """Fill in the ids of the platform's test rows."""
    ids = {":b": BUSINESS, ":l": LOCATION, ":e": EMPLOYEE, ":d": "00000000-0000-4000-8000-0000000000d1"}
    for mark, row_id in ids.items():
        statements = statements.replace(mark, f"'{row_id}'")
    return statements


@pytest.fixture(scope="module", params=["platform", "older"])
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with fresh_database(tmp_path_factory.mktemp("platform")) as url:
        stop_scheduler(url)
        build_platform(url, request.param)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("INSERT INTO employees (email) VALUES ('other@msp.example')")
        yield url
        downgrade(url)


def test_statements_and_schema_of_the_platform_are_unchanged_by_upgrade_and_downgrade(platform: str) -> None:
    tables = relations(platform)
    statements, schema, dump = run_statements(platform), catalog(platform), pg_dump(platform, tables)
    assert [answer for answer in statements if "Violation" in answer[0]] == [
        ("ForeignKeyViolation", "service_requests_client_id_fkey")
    ]
    upgrade(platform)
    assert schema - catalog(platform) == set()
    assert pg_dump(platform, tables) == dump
    with psycopg.connect(platform, autocommit=True) as connection:
        connection.execute(filled(ROWS).encode())
    assert run_statements(platform) == statements
    downgrade(platform)
    left = {entry[1] for entry in catalog(platform) - schema}
    assert left <= {"rts_agents_alembic_version", "rts_agents_alembic_version_pkc"}
    assert schema - catalog(platform) == set()
    assert pg_dump(platform, tables) == dump


def test_a_deleted_employee_leaves_the_name_at_each_reference(platform: str) -> None:
    upgrade(platform)
    with psycopg.connect(platform) as connection:
        connection.execute(filled(ROWS).encode())
        references = connection.execute(REFERENCES.encode(), [["employees", "users"]]).fetchall()
        assert {delete for _, _, delete in references} == {"n"}, references
        connection.execute("DELETE FROM employees WHERE id = %s", [EMPLOYEE])
        for table, column, _ in references:
            kept = connection.execute(
                f"SELECT count(*) FROM {table} WHERE {column} IS NULL AND {column}_name = 'Tom Tech'".encode()
            ).fetchone()
            assert kept == (1,), (table, column)
        connection.rollback()


def test_a_deleted_business_takes_its_devices_along_and_a_deleted_ticket_leaves_its_alert(platform: str) -> None:
    upgrade(platform)
    references = ask(platform, REFERENCES, ["businesses"])
    assert {delete for _, _, delete in references} == {"c"}, references
    references = ask(platform, REFERENCES, ["service_requests"])
    assert {delete for _, _, delete in references} == {"n"}, references
    with psycopg.connect(platform) as connection:
        connection.execute(filled(ROWS).encode())
        connection.execute("DELETE FROM service_requests")
        linked = connection.execute("SELECT service_request_created FROM agent_alert_history").fetchall()
        assert linked == [(None,)]
        connection.execute("DELETE FROM businesses WHERE id = %s", [UUID(BUSINESS)])
        assert connection.execute("SELECT count(*) FROM agent_devices").fetchone() == (0,)
        connection.rollback()
