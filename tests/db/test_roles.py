"""The three roles have what they need and no more: everything runs without a superuser."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from alerts.tickets.fit import find_misfits
from api.app import Application
from auth.keys import KeyFile
from core.clock import utc_now
from core.settings import Settings
from db.migrations.run import MigrationFailedError, downgrade, upgrade
from db.roles import apply_roles, compose_roles
from devices.audit_chain import find_breaks, forget_trail, seal_trail
from rollups.failed_jobs import run_delayed
from rollups.refresh import list_jobs
from tests.alerts.scenarios import MINUTE
from tests.alerts.service_desk import open_service_desk
from tests.databases import REAL_SERVER, as_admin, fresh_database
from tests.devices import register_device
from tests.people import Employee, Tenant
from tests.platform.kinds import build_platform
from tests.platform.statements import BUSINESS, EMPLOYEE, LOCATION, run_statements
from tests.worker.test_failed_jobs import mark_failed
from worker.run import Worker
from worker.tasks import make_tasks

pytestmark = pytest.mark.skipif(not REAL_SERVER, reason="the embedded server has one role")


@dataclass(frozen=True)
class Urls:
    """One database, as each role reaches it."""

    admin: str
    portal: str  # the platform's own role, which owns its tables
    owner: str
    app: str
    reader: str


@pytest.fixture(scope="module")
async def urls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Urls]:
    tag = uuid4().hex[:8]
    names = {role: f"rts_test_{role}_{tag}" for role in ("portal", "owner", "app", "reader")}
    with fresh_database(tmp_path_factory.mktemp("roles")) as made_for:
        admin = as_admin(made_for)
        connection = await asyncpg.connect(admin)
        try:
            await connection.execute(
                f"CREATE ROLE {names['portal']} LOGIN; GRANT ALL ON SCHEMA public TO {names['portal']}"
            )
            await give_password(connection, names["portal"], admin)
            url_by_role = {
                role: make_url(admin).set(username=name).render_as_string(False) for role, name in names.items()
            }
            build_platform(url_by_role["portal"], "platform")
            roles = names["owner"], names["app"], names["reader"]
            await apply_roles(connection, await compose_roles(connection, *roles))
            for name in roles:
                await give_password(connection, name, admin)
            upgrade(url_by_role["owner"])
            again = await compose_roles(connection, *roles)
            assert not any(statement.startswith("CREATE ROLE") for statement in again)
            await apply_roles(connection, again)
            yield Urls(admin, **url_by_role)
        finally:
            await connection.execute("SELECT delete_job(job_id) FROM agent_storage_jobs() WHERE kind = 'refresh'")
            for name in names.values():
                await connection.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")
            await connection.close()


async def give_password(connection: asyncpg.Connection, role: str, url: str) -> None:
    """Give a role the password of `url`; a server that trusts its clients needs none."""
    if password := make_url(url).password:
        change = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), str(password))
        await connection.execute(change.as_string())


@pytest.fixture
async def running(urls: Urls, tmp_path: Path) -> AsyncIterator[tuple[Application, httpx.AsyncClient, Settings]]:
    """The application as the application's role, charts as the reader."""
    KeyFile(tmp_path / "keys.json").create()
    settings = Settings(
        DATABASE_URL=urls.app, read_database_url=urls.reader, keys_file=tmp_path / "keys.json", pool_size=2
    )  # fmt: skip
    application = Application(settings)
    async with application.web.router.lifespan_context(application.web):
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield application, client, settings


async def test_upload_chart_alert_and_ticket_run_as_the_application(
    urls: Urls, running: tuple[Application, httpx.AsyncClient, Settings]
) -> None:
    application, client, settings = running
    services = application.web.state.services
    now = services.clock()
    claims = {"sub": EMPLOYEE, "employee_id": EMPLOYEE, "role": "technician"}
    employee = Employee(UUID(EMPLOYEE), services.tokens.issue_person(claims, now, timedelta(hours=1)))
    tenant = Tenant("Früh", UUID(BUSINESS), UUID(LOCATION), "")
    device = await register_device(client, employee, tenant, "pc", 300)
    years = (now.year - 1, now.year, now.year + 1)  # the desk's clock is thirty hours back
    with psycopg.connect(urls.portal, autocommit=True) as portal:
        for year in years:
            portal.execute(f"DROP SEQUENCE IF EXISTS service_request_number_seq_{year}".encode())
        portal.execute("CREATE SEQUENCE service_request_number_seq_1999")
    async with open_service_desk(settings.database_url, employee.employee_id, tenant.business_id) as desk:
        assert await find_misfits(desk.connection, "", now) == [
            f"The sequence service_request_number_seq_{now.year} is missing, and this role may not make it: no ticket "
            "opens. Its owner runs CREATE SEQUENCE and grants USAGE."
        ]
        await desk.rule()
        assert await desk.breach(device, desk.begin) == {"postponed": 1}
        assert (await desk.incidents())[0]["fault_reason"] == "number"
        with psycopg.connect(urls.portal, autocommit=True) as portal:  # the platform makes it with its next ticket
            portal.execute(f"CREATE SEQUENCE service_request_number_seq_{desk.begin.year}")
        assert await find_misfits(desk.connection, "", now) != []  # the ticket waits still
        assert await desk.turn(desk.begin + 2 * MINUTE) == {"opened": 1}
        assert await find_misfits(desk.connection, "", now) == []
        assert await desk.recovery(device, desk.begin + 10 * MINUTE) == {"closed": 1}
        history = "SELECT count(*) FROM service_request_history WHERE action_type IN ('created', 'status_change')"
    with psycopg.connect(urls.portal, autocommit=True) as portal:
        assert portal.execute(history.encode()).fetchone() == (2,)
    chart = await client.get(
        f"/api/agents/{device.agent_id}/metrics/history?interval=raw&start={desk.begin - 20 * MINUTE:%Y-%m-%dT%H:%MZ}",
        headers=employee.headers,
    )
    assert [point["cpu_percent"] for point in chart.json()["metrics"]] == [95, 95, 95, 10]


async def test_every_duty_runs_as_the_application(
    running: tuple[Application, httpx.AsyncClient, Settings], caplog: pytest.LogCaptureFixture
) -> None:
    application, _, settings = running
    services = application.web.state.services
    async with services.pool.acquire() as connection:
        await Worker(make_tasks(settings)).do_due(connection, services.clock(), scheduler=True)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def refusals(url: str, *statements: str) -> Iterator[str]:
    """Yield the statements that are not refused."""
    for statement in statements:
        with psycopg.connect(url) as connection:
            try:
                connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                continue
            yield statement


def test_no_role_may_more_than_it_needs(urls: Urls) -> None:
    app = refusals(
        urls.app, "DROP TABLE agent_metrics", "DELETE FROM service_requests", "UPDATE employees SET email = 'x'",
        "DELETE FROM users", "CREATE TABLE mine (id integer)", "UPDATE businesses SET business_name = 'x'",
        "UPDATE agent_audit SET action = 'x'", "DELETE FROM agent_audit", "TRUNCATE agent_audit",
        "DELETE FROM agent_audit_seals",
        "INSERT INTO agent_audit_seals (sealed_at, last_id, newest_at, row_count, hash) "
        "VALUES (now(), 1, now(), 1, sha256(''))",
        "ALTER TABLE agent_audit DISABLE TRIGGER ALL",
    )  # fmt: skip
    reader = refusals(
        urls.reader, "SELECT token_hash FROM agent_registration_tokens", "DELETE FROM agent_metrics",
        "INSERT INTO agent_devices (business_id, device_name) SELECT gen_random_uuid(), 'x'", "SELECT * FROM users",
        "SELECT agent_audit_forget('2020-01-01', 1)", "SELECT agent_audit_seal(1)",
    )  # fmt: skip
    owner = refusals(urls.owner, "DELETE FROM service_requests", "ALTER TABLE users ADD x integer", "CREATE ROLE x")
    assert [*app, *reader, *owner] == []


async def test_the_application_seals_and_forgets_the_audit_trail(urls: Urls) -> None:
    with psycopg.connect(urls.admin) as admin:  # what other tests wrote is younger
        admin.execute("ALTER TABLE agent_audit DISABLE TRIGGER agent_audit_append_only")
        admin.execute("ALTER TABLE agent_audit_seals DISABLE TRIGGER agent_audit_seals_append_only")
        admin.execute("TRUNCATE agent_audit, agent_audit_seals")
        admin.execute("ALTER TABLE agent_audit ENABLE TRIGGER agent_audit_append_only")
        admin.execute("ALTER TABLE agent_audit_seals ENABLE TRIGGER agent_audit_seals_append_only")
    connection = await asyncpg.connect(urls.app)
    try:
        await connection.execute(
            "INSERT INTO agent_audit (at, actor_kind, action) VALUES (now() - interval '3 years', 'system', 'old')"
        )
        while await seal_trail(connection):
            pass
        assert [fault async for fault in find_breaks(connection)] == []
        # A table of its own by that name is not what the function deletes from, with the rights of its owner.
        await connection.execute("CREATE TEMP TABLE agent_audit (id bigint)")
        assert await forget_trail(connection, utc_now(), timedelta(days=730)) >= 1
        await connection.execute("DROP TABLE pg_temp.agent_audit")
        assert [fault async for fault in find_breaks(connection)] == []
    finally:
        await connection.close()


def test_the_platforms_role_goes_on_as_before(urls: Urls) -> None:
    answers = run_statements(urls.portal)
    assert [answer[0] for answer in answers if not answer[0][0].isupper() or "Privilege" in answer[0]] == []
    assert ("DELETE 1", [("t@msp.example",)]) in answers


def test_a_role_without_the_rights_gets_a_sentence(urls: Urls) -> None:
    with pytest.raises(MigrationFailedError, match="rts-agents db roles"):
        downgrade(urls.app)


async def test_the_application_changes_storage_policies_and_the_reader_does_not(urls: Urls) -> None:
    find = (
        "SELECT job_id FROM timescaledb_information.jobs "
        "WHERE proc_name = 'policy_retention' AND hypertable_name = 'agent_metrics'"
    )
    app, reader = await asyncpg.connect(urls.app), await asyncpg.connect(urls.reader)
    try:
        job = await app.fetchval(find)
        await app.execute("SELECT agent_set_policy($1, false)", job)
        query = "SELECT scheduled FROM timescaledb_information.jobs WHERE job_id = $1"
        assert await app.fetchval(query, job) is False
        await app.execute("SELECT agent_set_policy($1, true)", job)
        await app.fetchval("SELECT agent_drop_old_chunks('agent_metrics', now() - interval '31 days')")
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await app.fetchval("SELECT agent_drop_old_chunks('agent_metrics', now() - interval '29 days')")
        await reader.execute("CREATE TEMPORARY TABLE agent_retention_changes (id integer)")  # which it may write to
        for call in (f"agent_set_policy({job}, false)", "agent_drop_old_chunks('agent_metrics', 'epoch')"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.fetchval(f"SELECT {call}")
        assert await app.fetchval(query, job) is True
    finally:
        await app.close()
        await reader.close()


async def test_the_application_lets_the_scheduler_run_a_job_that_it_delays(urls: Urls) -> None:
    app, admin = await asyncpg.connect(urls.app), await asyncpg.connect(urls.admin)
    try:
        (job,) = [job for job in await list_jobs(app) if (job.kind, job.relation) == ("refresh", "agent_series_1d")]
        ended = "SELECT last_run_status = 'Success' FROM timescaledb_information.job_stats WHERE job_id = $1"
        await until(app, ended, job.job_id)
        now = utc_now()
        await mark_failed(admin, job, now - 2 * job.every, now + timedelta(days=1))
        assert await run_delayed(app, now) == []  # only the owner's roles run it themselves
        await until(app, ended, job.job_id)
    finally:
        await app.close()
        await admin.close()


async def until(connection: asyncpg.Connection, query: str, *arguments: object) -> None:
    """Wait until a query returns true."""
    async with asyncio.timeout(180):
        while not await connection.fetchval(query, *arguments):  # noqa: ASYNC110  the server changes it
            await asyncio.sleep(0.1)
