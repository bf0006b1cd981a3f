"""A database whose retention may be changed, with samples of 60 days, and a DBA at the command line."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from typer.testing import CliRunner, Result

from api.app import Application
from api.services import Services
from auth.keys import KeyFile
from cli.main import app
from core.clock import utc_now
from core.settings import Settings, get_settings
from db.hypertables.policies import DAY
from devices.audit import Actor
from retention.changes import Operator
from rollups.refresh import refresh_range
from tests.databases import migrated_database
from tests.people import Employee, Tenant, make_employee, make_tenant

BASE = "/api/admin/retention"
OPERATOR = Operator("dba@test", Actor("system"))
TABLES = (
    "agent_metrics", "agent_series_samples", "agent_retention_changes", "agent_legal_holds", "agent_alerts",
    "agent_devices", "agent_storage_sizes", "agent_tenant_ages", "agent_tenant_trims",
)  # fmt: skip
Run = Callable[..., Awaitable[Result]]


@pytest.fixture(scope="package")
def own_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with migrated_database(tmp_path_factory.mktemp("retention")) as url:
        yield url


@pytest.fixture
async def connection(own_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the database as it was installed: values, policies and tables."""
    connection = await asyncpg.connect(own_url, timeout=10)
    await restore(connection)
    yield connection
    await connection.close()


async def restore(connection: asyncpg.Connection) -> None:
    await connection.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
    for rollup in ("5m", "1h", "1d"):
        await connection.execute(f"TRUNCATE agent_metrics_{rollup}")
        await connection.execute(f"TRUNCATE agent_series_{rollup}")
    await connection.execute(
        "UPDATE agent_storage_levels l SET keep = v.keep, refresh_from = v.back, version = NULL FROM (VALUES "
        "('raw', interval '30 days', NULL::interval), ('5m', interval '90 days', interval '28 days'), "
        "('1h', interval '730 days', interval '29 days'), ('1d', interval '3650 days', interval '31 days')"
        ") AS v (level, keep, back) WHERE v.level = l.level"
    )
    await connection.execute(
        "UPDATE agent_record_ages SET keep = '730 days', version = NULL, purged_at = NULL, purged_rows = 0"
    )
    await connection.execute(
        "SELECT alter_job(j.job_id, scheduled => true, config => CASE WHEN j.kind = 'retention' "
        "THEN jsonb_set(j.config, '{drop_after}', to_jsonb(l.keep::text)) "
        "ELSE jsonb_set(j.config, '{start_offset}', to_jsonb(l.refresh_from::text)) END) "
        "FROM agent_storage_jobs() j "
        "JOIN agent_storage_levels l ON l.level = COALESCE(substring(j.relation FROM '(5m|1h|1d)$'), 'raw') "
        "WHERE j.kind IN ('retention', 'refresh')"
    )


async def store_days(connection: asyncpg.Connection, device: UUID | None = None, first: int = 25) -> UUID:
    """Store a sample each hour from `first` days ago on, and roll them up; returns the device."""
    now, device = utc_now(), device or uuid4()
    await connection.execute(
        "INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent) "
        "SELECT $1, now() - n * INTERVAL '1 hour', now(), 50 FROM generate_series(1, $2 * 24) n",
        device, first,
    )  # fmt: skip
    await refresh_range(connection, now - min(first, 26) * DAY, now, now)
    return device


@pytest.fixture
def run(own_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run `rts-agents` on the database."""
    monkeypatch.setenv("DATABASE_URL", own_url)
    monkeypatch.setenv("COLUMNS", "200")
    get_settings.cache_clear()

    async def command(*arguments: str) -> Result:
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, arguments))

    yield command
    get_settings.cache_clear()


@dataclass
class Server:
    """A server on the database of these tests, and people."""

    application: Application
    client: httpx.AsyncClient
    services: Services
    dba: Employee
    technician: Employee
    tenant: Tenant

    async def post(
        self, path: str, body: object = None, who: Employee | Tenant | None = None, base: str = BASE
    ) -> httpx.Response:
        return await self.client.post(f"{base}{path}", json=body, headers=(who or self.dba).headers)

    async def plan(self, **keep: str) -> dict[str, object]:
        names = {"raw": "raw", "five": "5m"}
        body = {"keep": {names[name]: age for name, age in keep.items()}, "large": True}
        answer = await self.post("/plans", body)
        assert answer.status_code == 200, answer.text
        return cast("dict[str, object]", answer.json())


@pytest.fixture
async def server(own_url: str, connection: asyncpg.Connection, tmp_path: Path) -> AsyncIterator[Server]:
    KeyFile(tmp_path / "keys.json").create()
    application = Application(Settings(DATABASE_URL=own_url, keys_file=tmp_path / "keys.json", pool_size=2))
    async with application.web.router.lifespan_context(application.web):
        services = application.web.state.services
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            technician = await make_employee(services.pool, services.tokens)
            dba = await make_employee(services.pool, services.tokens)
            claims = {"sub": str(dba.employee_id), "employee_id": str(dba.employee_id), "role": "admin"}
            dba = Employee(dba.employee_id, services.tokens.issue_person(claims, utc_now(), timedelta(hours=1)))
            tenant = await make_tenant(services.pool, services.tokens, "Alice")
            yield Server(application, client, services, dba, technician, tenant)
