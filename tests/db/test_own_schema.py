"""A platform that has agent_* tables of its own: ours go into another schema and work from there."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from api.app import Application
from auth.keys import KeyFile
from auth.tokens import Tokens
from core.database_urls import with_schema
from core.settings import Settings
from db.migrations.foreign import ForeignTablesError, own_relations
from db.migrations.run import downgrade, head, upgrade
from tests.alerts.scenarios import MINUTE
from tests.alerts.service_desk import open_service_desk
from tests.databases import fresh_database
from tests.db.scheduler import stop_scheduler
from tests.db.test_migrations import ask
from tests.devices import register_device
from tests.people import make_employee, make_tenant
from tests.platform.dumps import catalog, pg_dump, relations
from tests.platform.kinds import build_platform, run_files
from tests.platform.statements import run_statements
from worker.run import Worker
from worker.tasks import make_tasks


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the platform's database, as the platform uses it."""
    with fresh_database(tmp_path_factory.mktemp("platform")) as url:
        stop_scheduler(url)
        build_platform(url, "platform")
        run_files(url, "own_agent_tables.sql")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO agent_devices (business_id, agent_token, device_name, device_type, os_type, "
                "agent_version) SELECT id, 'secret', 'old-pc', 'desktop', 'windows', '1.0' FROM businesses"
            )
        yield url


@pytest.fixture
def settings(platform: str, tmp_path: Path) -> Settings:
    KeyFile(tmp_path / "keys.json").create()
    return Settings(DATABASE_URL=platform, RTS_SCHEMA="monitoring", keys_file=tmp_path / "keys.json", pool_size=2)


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    application = Application(settings)
    async with application.web.router.lifespan_context(application.web):
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            client.application = application  # type: ignore[attr-defined]
            yield client


def test_an_upgrade_refuses_with_a_list_and_the_ways_out_and_changes_nothing(platform: str) -> None:
    before = catalog(platform)
    with pytest.raises(ForeignTablesError) as refused:
        upgrade(platform)
    for name in ("agent_devices", "agent_metrics", "agent_alert_history", "RTS_SCHEMA", "import-platform"):
        assert name in refused.value.message
    assert "agent_scripts" not in refused.value.message  # not a name of ours
    assert catalog(platform) == before


def test_the_names_of_ours_are_all_that_an_upgrade_makes(platform: str) -> None:
    url = with_schema(platform, "monitoring")
    upgrade(url)
    created = ask(
        url,
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('monitoring') "
        "AND relkind IN ('r', 'v', 'p') AND relname LIKE 'agent%'",
    )
    assert {name for (name,) in created} == own_relations()


async def test_upload_chart_alert_and_ticket_work_from_a_schema_of_our_own(
    platform: str, client: httpx.AsyncClient, settings: Settings
) -> None:
    services = client.application.web.state.services  # type: ignore[attr-defined]
    tokens: Tokens = services.tokens
    employee = await make_employee(services.pool, tokens)
    tenant = await make_tenant(services.pool, tokens, "Tenant of the schema")
    device = await register_device(client, employee, tenant, "pc", 300)
    async with open_service_desk(settings.database_url, employee.employee_id, tenant.business_id) as desk:
        await desk.rule()
        assert await desk.breach(device, desk.begin) == {"opened": 1}
        [ticket] = await desk.tickets()
        assert await desk.recovery(device, desk.begin + 10 * MINUTE) == {"closed": 1}
        since = f"{desk.begin - 20 * MINUTE:%Y-%m-%dT%H:%MZ}"
        path = f"/api/agents/{device.agent_id}/metrics/history?interval=raw&start={since}"
        chart = await client.get(path, headers=tenant.headers)
        assert [point["cpu_percent"] for point in chart.json()["metrics"]] == [95, 95, 95, 10]
    assert ticket["request_number"].startswith("SR-")
    with psycopg.connect(platform) as theirs:
        assert theirs.execute("SELECT device_name FROM agent_devices").fetchall() == [("old-pc",)]
        assert theirs.execute("SELECT count(*) FROM monitoring.agent_metrics").fetchone() == (4,)


async def test_every_duty_of_the_worker_runs_there(
    client: httpx.AsyncClient, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    services = client.application.web.state.services  # type: ignore[attr-defined]
    async with services.pool.acquire() as connection:
        await Worker(make_tasks(settings)).do_due(connection, services.clock(), scheduler=False)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_the_platforms_part_is_the_same_before_and_after(platform: str) -> None:
    url = with_schema(platform, "monitoring")
    downgrade(url)
    with psycopg.connect(platform, autocommit=True) as connection:
        connection.execute("DELETE FROM service_requests WHERE request_number NOT LIKE 'SR-2025-%'")
    tables = relations(platform)
    schema, dump, statements = catalog(platform), pg_dump(platform, tables), run_statements(platform)
    upgrade(url)
    assert ask(platform, "SELECT version_num FROM monitoring.rts_agents_alembic_version") == [(head(),)]
    assert (catalog(platform), pg_dump(platform, tables)) == (schema, dump)
    assert run_statements(platform) == statements
    downgrade(url)
    assert (catalog(platform), pg_dump(platform, tables)) == (schema, dump)
    left = ask(url, "SELECT relname FROM pg_class WHERE relnamespace = 'monitoring'::regnamespace AND relkind = 'r'")
    assert left == [("rts_agents_alembic_version",)]
