"""The scenarios of tickets run on each kind of platform; each test has its own business and service desk."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from auth.tokens import Tokens
from tests.alerts.service_desk import ServiceDesk, open_service_desk
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant, make_tenant
from tests.platform.kinds import KINDS

OF_OUR_TABLES = {"test_invariants", "test_on_the_platform"}  # long, or with a database of its own


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of this folder on the three kinds of database."""
    module = metafunc.module.__name__.rpartition(".")[2]
    if "database" in metafunc.fixturenames and module not in OF_OUR_TABLES:
        metafunc.parametrize("database", KINDS, indirect=True, scope="session")


@pytest.fixture
async def tenant(pool: asyncpg.Pool, tokens: Tokens) -> Tenant:
    return await make_tenant(pool, tokens, f"Dora {uuid4().hex[:8]}")  # platforms may want names that are unique


@pytest.fixture
async def device(make_device: MakeDevice, tenant: Tenant) -> Device:
    return await make_device(tenant)


@pytest.fixture
async def desk(database: str, employee: Employee, tenant: Tenant) -> AsyncIterator[ServiceDesk]:
    async with open_service_desk(database, employee.employee_id, tenant.business_id) as desk:
        yield desk
