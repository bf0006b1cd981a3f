"""Migrations: they can go up, down and up again, and leave the platform's own tables alone."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from db.migrations import run as run_module
from db.migrations.run import VERSION_TABLE, downgrade, head, upgrade
from tests.databases import REAL_SERVER, fresh_database
from tests.db.scheduler import stop_scheduler

# Everything that is neither the system's nor an extension's.
INVENTORY = """
SELECT 'relation', c.oid::regclass::text FROM pg_class c
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
  AND c.relnamespace IN ('public'::regnamespace, to_regnamespace('_timescaledb_internal'))
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
UNION ALL
SELECT CASE prokind WHEN 'a' THEN 'aggregate' ELSE 'function' END, p.oid::regprocedure::text FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
"""
JOBS = "SELECT proc_name || ' of ' || hypertable_name FROM timescaledb_information.jobs WHERE job_id >= 1000"

# The platform's tables, larger than what this product needs of them, as an application of its own made them.
PLATFORM = """
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('7f3c2a91d0e4');
CREATE TABLE businesses (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), business_name varchar(255) NOT NULL,
    tax_number varchar(32) UNIQUE, is_active boolean NOT NULL DEFAULT true, plan jsonb NOT NULL DEFAULT '{}'::jsonb,
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, soft_delete boolean NOT NULL DEFAULT false);
COMMENT ON TABLE businesses IS 'customers';
CREATE TABLE service_locations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), business_id uuid NOT NULL REFERENCES businesses (id),
    location_name varchar(255) NOT NULL, street varchar(255) NOT NULL, zip_code char(5) NOT NULL,
    is_headquarters boolean DEFAULT false, created_at timestamptz DEFAULT now());
CREATE INDEX ix_service_locations_business ON service_locations (business_id);
CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), business_id uuid REFERENCES businesses (id) ON DELETE SET NULL,
    email varchar(255) NOT NULL UNIQUE, password_hash text NOT NULL, phone varchar(20),
    is_primary_contact boolean NOT NULL DEFAULT false, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE employees (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email varchar(255) NOT NULL UNIQUE, employee_number serial,
    hourly_rate numeric(10, 2) NOT NULL CHECK (hourly_rate > 0), created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE urgency_levels (
    id uuid PRIMARY KEY, level_name varchar(50) NOT NULL UNIQUE, response_hours integer NOT NULL);
CREATE TABLE priority_levels (id uuid PRIMARY KEY, level_name varchar(50) NOT NULL UNIQUE, color varchar(7) NOT NULL);
CREATE TABLE service_request_statuses (
    id uuid PRIMARY KEY, status_name varchar(50) NOT NULL, is_final_status boolean NOT NULL,
    display_order integer NOT NULL);
CREATE TABLE service_requests (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), request_number varchar(50) NOT NULL UNIQUE,
    title varchar(255) NOT NULL, description text NOT NULL, client_id uuid NOT NULL REFERENCES users (id),
    created_by_user_id uuid NOT NULL REFERENCES users (id), business_id uuid NOT NULL REFERENCES businesses (id),
    service_location_id uuid NOT NULL REFERENCES service_locations (id), requested_date date NOT NULL,
    urgency_level_id uuid NOT NULL REFERENCES urgency_levels (id),
    priority_level_id uuid NOT NULL REFERENCES priority_levels (id),
    status_id uuid NOT NULL REFERENCES service_request_statuses (id),
    assigned_to uuid REFERENCES employees (id), soft_delete boolean NOT NULL DEFAULT false);
CREATE INDEX ix_service_requests_open ON service_requests (business_id, requested_date) WHERE NOT soft_delete;
INSERT INTO businesses (id, business_name, tax_number)
    VALUES ('00000000-0000-4000-8000-000000000001', 'Früh & Söhne', 'DE1');
INSERT INTO service_locations (id, business_id, location_name, street, zip_code)
    SELECT '00000000-0000-4000-8000-000000000002', id, 'HQ', 'Domstr. 1', '50667' FROM businesses;
INSERT INTO users (id, business_id, email, password_hash)
    SELECT '00000000-0000-4000-8000-000000000003', id, 'a@example.com', 'x' FROM businesses;
INSERT INTO employees (email, hourly_rate) VALUES ('t@msp.example', 95.50);
INSERT INTO urgency_levels VALUES ('00000000-0000-4000-8000-000000000004', 'Normal', 24);
INSERT INTO priority_levels VALUES ('00000000-0000-4000-8000-000000000005', 'Low', '#00ff00');
INSERT INTO service_request_statuses VALUES ('00000000-0000-4000-8000-000000000006', 'Pending', false, 1);
INSERT INTO service_requests (request_number, title, description, client_id, created_by_user_id, business_id,
        service_location_id, requested_date, urgency_level_id, priority_level_id, status_id)
    SELECT 'SR-2026-000001', 'Printer', 'on fire', u.id, u.id, b.id, l.id, '2026-11-01', g.id, p.id, s.id
    FROM users u, businesses b, service_locations l, urgency_levels g, priority_levels p, service_request_statuses s;
"""
PLATFORM_TABLES = [
    "alembic_version", "businesses", "service_locations", "users", "employees", "urgency_levels", "priority_levels",
    "service_request_statuses", "service_requests",
]  # fmt: skip


def ask(url: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return sorted(connection.execute(query.encode(), values or None).fetchall(), key=repr)


def run(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


def inventory(url: str) -> list[tuple[Any, ...]]:
    return [entry for entry in ask(url, INVENTORY) if entry != ("relation", VERSION_TABLE)]


def columns(url: str, tables: list[str] | None = None) -> list[tuple[Any, ...]]:
    query = (
        "SELECT table_name, ordinal_position, column_name, data_type, udt_name, character_maximum_length, is_nullable, "
        "column_default FROM information_schema.columns WHERE table_schema = 'public' "
        "AND (%s::text[] IS NULL OR table_name = ANY (%s))"
    )
    return ask(url, query, tables, tables)


OWN_CONSTRAINTS = (
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE conrelid::regclass::text = ANY (%s)"
)
REFERENCES = (
    "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND confrelid::regclass::text = ANY (%s)"
)


def platform_as_it_stands(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Columns, constraints, indexes, comments and rows of the platform's tables."""
    return {
        "columns": columns(url, PLATFORM_TABLES),
        "constraints": ask(url, OWN_CONSTRAINTS, PLATFORM_TABLES),
        "indexes": ask(url, "SELECT indexdef FROM pg_indexes WHERE tablename = ANY (%s)", PLATFORM_TABLES),
        "comments": ask(url, "SELECT t, obj_description(t::regclass) FROM unnest(%s::text[]) t", PLATFORM_TABLES),
        **{table: ask(url, f"SELECT t::text FROM {table} t") for table in PLATFORM_TABLES},
    }  # fmt: skip


def references_to_the_platform(url: str) -> set[str]:
    return {table for (table,) in ask(url, REFERENCES, PLATFORM_TABLES)} - set(PLATFORM_TABLES)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with fresh_database(tmp_path_factory.mktemp("empty")) as url:
        stop_scheduler(url)
        yield url


def test_up_down_and_up_again_on_an_empty_database(empty: str) -> None:
    upgrade(empty)
    first, first_columns, first_jobs = inventory(empty), columns(empty), ask(empty, JOBS)
    assert ("relation", "agent_metrics_1d") in first
    assert len(first_jobs) == 22
    downgrade(empty)
    assert (inventory(empty), ask(empty, JOBS)) == ([], [])
    assert ask(empty, f"SELECT * FROM {VERSION_TABLE}") == []
    upgrade(empty)
    assert columns(empty) == first_columns
    assert len(ask(empty, JOBS)) == 22
    public = [entry for entry in first if "_timescaledb_internal" not in entry[1]]
    assert [entry for entry in inventory(empty) if "_timescaledb_internal" not in entry[1]] == public


def test_upgrading_twice_does_nothing(empty: str) -> None:
    upgrade(empty)
    query = (
        "SELECT c.relname, c.oid::bigint, c.xmin::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
    )
    before = ask(empty, query), ask(empty, "SELECT job_id FROM timescaledb_information.jobs")
    upgrade(empty)
    assert (ask(empty, query), ask(empty, "SELECT job_id FROM timescaledb_information.jobs")) == before
    assert ask(empty, f"SELECT * FROM {VERSION_TABLE}") == [(head(),)]


def test_a_downgrade_keeps_the_only_table_that_the_platform_has(empty: str) -> None:
    downgrade(empty)
    run(empty, "CREATE TABLE employees (id uuid PRIMARY KEY, badge integer NOT NULL)")
    upgrade(empty)
    assert ("relation", "users") in inventory(empty)
    downgrade(empty)
    assert inventory(empty) == [("relation", "employees")]
    run(empty, "DROP TABLE employees")


def test_the_platforms_tables_stay_as_they_are(tmp_path_factory: pytest.TempPathFactory) -> None:
    with fresh_database(tmp_path_factory.mktemp("platform")) as url:
        stop_scheduler(url)
        run(url, PLATFORM)
        before, belongings = platform_as_it_stands(url), inventory(url)
        assert len(before["service_requests"]) == 1
        upgrade(url)
        assert platform_as_it_stands(url) == before
        assert {"agent_devices", "agent_alerts", "agent_alert_history"} <= references_to_the_platform(url)
        assert ask(url, f"SELECT * FROM {VERSION_TABLE}") == [(head(),)]
        downgrade(url)
        assert platform_as_it_stands(url) == before
        assert references_to_the_platform(url) == set()
        assert inventory(url) == belongings


@pytest.mark.skipif(not REAL_SERVER, reason="the embedded server has one session, and so shares advisory locks")
def test_two_migrators_at_once_dont_break_each_other(tmp_path_factory: pytest.TempPathFactory) -> None:
    # Two processes: Alembic keeps its context in a module, so two threads of one process would share it.
    program = "import sys; from db.migrations.run import upgrade; upgrade(sys.argv[1])"
    with fresh_database(tmp_path_factory.mktemp("both")) as url:
        both = [subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.PIPE) for _ in range(2)]
        ends = [(process.communicate(timeout=60)[1].decode(), process.returncode) for process in both]
        assert [code for _, code in ends] == [0, 0], ends
        assert ask(url, f"SELECT * FROM {VERSION_TABLE}") == [(head(),)]
        assert len(ask(url, JOBS)) == 22


def test_no_revision_reads_a_value_that_may_change() -> None:
    allowed = ("alembic", "sqlalchemy", "pathlib", "collections", "datetime", "db.migrations", "db.sql")
    versions = Path(run_module.__file__).parent / "versions"
    for file in (*versions.glob("*.py"), versions.parent / "storage.py"):
        for imported in re.findall(r"^(?:from|import) ([\w.]+)", file.read_text(), re.MULTILINE):
            assert imported.startswith(allowed) or imported == "dataclasses", f"{file.name} imports {imported}"
