"""What every test may ask for: a migrated database, the application over it, people and devices."""

import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

from api.app import Application
from api.services import Services
from auth.keys import KeyFile
from auth.tokens import Tokens
from core.access import DEFAULT_COMMANDS
from core.garbage import loading
from core.settings import Settings
from db.pools import SERVER_SETTINGS
from tests.callers import CallerFactory, forget_rules
from tests.databases import begin_run, end_run, migrated_database
from tests.devices import Device, register_device
from tests.people import Employee, Tenant, make_employee, make_tenant
from tests.platform.kinds import Kind
from tests.routes import Document
from tests.rules import Rules
from tests.units import is_unit, may_have_units
from tests.whole.processes import METRICS_TOKEN

# A busy machine must not fail a test by its speed.
hypothesis.settings.register_profile(
    "here", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
# `make test-unit` runs often and with other examples each time; `make test` tries them all.
hypothesis.settings.register_profile("units", hypothesis.settings.get_profile("here"), max_examples=25)


def pytest_configure(config: pytest.Config) -> None:
    """Choose the number of examples of properties, and name the run; who began it drops its databases at the end."""
    hypothesis.settings.load_profile("units" if only_units(config) else "here")
    if begin_run():
        config.add_cleanup(end_run)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files without such tests out of `make test-unit`, unread."""
    is_test = collection_path.is_dir() or collection_path.name.startswith("test_")
    return True if only_units(config) and is_test and not may_have_units(collection_path) else None


def only_units(config: pytest.Config) -> bool:
    marks: str = config.option.markexpr
    return marks == "unit"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without the garbage collector, which finds nothing there, and spare it all that was collected."""
    with loading():
        yield


# Their tests run on each kind of platform, and to go from one kind to the next starts a server: one process does it.
ON_EACH_KIND = re.compile(r"tests/alerts/tickets/(?!test_invariants|test_on_the_platform)")


class ByFile(LoadFileScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Gives each file to one process, and the files of tickets to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        return ON_EACH_KIND.pattern if ON_EACH_KIND.match(nodeid) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile | None:
    """Share the tests of `--dist loadfile`."""
    return ByFile(config, log) if config.option.dist == "loadfile" else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse every process in `make test-unit`, so that a test whose mark is wrong fails."""
    if only_units(session.config):
        sys.addaudithook(refuse_processes)


def refuse_processes(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise RuntimeError for a process that begins: an audit hook of Python."""
    if event == "subprocess.Popen":
        raise RuntimeError(f"a test that is marked as unit starts a process: {arguments[1]}")


# Files whose tests take longest, most of it waiting: each begins early, so that no process is left with one at the end.
LONG = (
    "pages/test_for_all.py", "whole/test_demo.py", "whole/test_schemathesis.py", "loadtest/test_runs.py",
    "loadtest/test_bench.py", "protocols/test_debian_prometheus.py", "whole/test_new_gauge.py", "pages/test_stories.py",
    "whole/test_workers.py", "db/test_backup.py", "alerts/replay/test_past.py", "rollups/test_drift.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first, and mark the tests that need neither a database nor another process, for `test-unit`."""
    here = Path(__file__).parent
    places = {here / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))
    for item in items:
        if is_unit(item):
            assert may_have_units(item.path), f"tests/units.py would leave {item.nodeid} out of `make test-unit`"
            item.add_marker(pytest.mark.unit)


@pytest.fixture(scope="session")
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a migrated database, one for the whole run; tests keep apart by their own tenants and devices.

    Tests that are parametrized with kinds of platforms have one of each kind.
    """
    kind: Kind = getattr(request, "param", "ours")
    with migrated_database(tmp_path_factory.mktemp("database"), kind, scheduler=True, for_many=True) as url:
        yield url


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    KeyFile(path).create()
    return path


@pytest.fixture(scope="session")
def settings(database: str, key_file: Path) -> Settings:
    return Settings(DATABASE_URL=database, keys_file=key_file, pool_size=4, agent_calls_per_minute=1_000_000,
                    metrics_token=METRICS_TOKEN, approval_window_minutes=0,
                    command_types=f"{DEFAULT_COMMANDS}; *=free")  # fmt: skip


@pytest.fixture(scope="session")
async def application(settings: Settings) -> AsyncIterator[Application]:
    """The application, started."""
    application = Application(settings)
    async with application.web.router.lifespan_context(application.web):
        yield application


@pytest.fixture(scope="session")
def services(application: Application) -> Services:
    composed: Services = application.web.state.services
    return composed


@pytest.fixture(scope="session")
def pool(services: Services) -> asyncpg.Pool:
    return services.pool


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the shared database, as the worker has it."""
    opened = await asyncpg.connect(database, server_settings=SERVER_SETTINGS)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def tokens(services: Services) -> Tokens:
    return services.tokens


@pytest.fixture(scope="session")
async def client(application: Application) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP calls straight into the application."""
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.fixture(scope="session")
async def employee(pool: asyncpg.Pool, tokens: Tokens) -> Employee:
    return await make_employee(pool, tokens)


@pytest.fixture(scope="session")
async def alice(pool: asyncpg.Pool, tokens: Tokens) -> Tenant:
    return await make_tenant(pool, tokens, "Alice")


@pytest.fixture(scope="session")
async def bob(pool: asyncpg.Pool, tokens: Tokens) -> Tenant:
    return await make_tenant(pool, tokens, "Bob")


@pytest.fixture(scope="session")
async def charlie(pool: asyncpg.Pool, tokens: Tokens) -> Tenant:
    """The tenant who has no device and must see nothing of the others'."""
    return await make_tenant(pool, tokens, "Charlie")


@pytest.fixture
async def dora(pool: asyncpg.Pool, tokens: Tokens) -> Tenant:
    """A tenant for one test, which may count its devices and alerts."""
    return await make_tenant(pool, tokens, "Dora")


@pytest.fixture(scope="session")
def document(application: Application) -> Document:
    """The OpenAPI document."""
    return application.web.openapi()


@pytest.fixture(scope="module")
async def factory(
    client: httpx.AsyncClient, pool: asyncpg.Pool, tokens: Tokens, key_file: Path
) -> AsyncIterator[CallerFactory]:
    """Makes devices that have everything, and everyone who may ask for them."""
    employee = await make_employee(pool, tokens)
    yield CallerFactory(client, pool, tokens, key_file, employee)
    await forget_rules(pool, employee)


MakeDevice = Callable[..., Awaitable[Device]]


@pytest.fixture
def make_device(client: httpx.AsyncClient, employee: Employee, alice: Tenant) -> MakeDevice:
    """Register a new device of a tenant (Alice unless told otherwise), the way an agent does."""

    async def make(tenant: Tenant = alice, name: str = "server-1", interval: int = 300) -> Device:
        return await register_device(client, employee, tenant, name, interval)

    return make


@pytest.fixture
async def device(make_device: MakeDevice) -> Device:
    """A new device of Alice's."""
    return await make_device()


@pytest.fixture
async def rules(client: httpx.AsyncClient, pool: asyncpg.Pool, employee: Employee) -> Rules:
    """Rules of this test; those of others are out of force."""
    await pool.execute("UPDATE agent_alerts SET is_active = false")
    return Rules(client, pool, employee)
