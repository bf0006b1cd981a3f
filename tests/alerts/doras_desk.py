"""The fixtures of tests about one ticket: a business of its own, its one device and its service desk."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from auth.tokens import Tokens
from tests.alerts.desk import Desk, open_desk
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant, make_tenant


@pytest.fixture
async def tenant(pool: asyncpg.Pool, tokens: Tokens) -> Tenant:
    return await make_tenant(pool, tokens, f"Dora {uuid4().hex[:8]}")  # platforms may want names that are unique


@pytest.fixture
async def device(make_device: MakeDevice, tenant: Tenant) -> Device:
    return await make_device(tenant)


@pytest.fixture
async def desk(database: str, employee: Employee, tenant: Tenant) -> AsyncIterator[Desk]:
    async with open_desk(database, employee.employee_id, tenant.business_id) as desk:
        yield desk
