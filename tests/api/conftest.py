"""Fixtures of several tests of the API."""

from collections.abc import AsyncIterator

import httpx
import pytest

from api.app import Application
from tests.api.eol_rules import Rules
from tests.api.raw_connections import RawConnection
from tests.people import Employee
from tests.serving import serving


@pytest.fixture
def eol_rules(client: httpx.AsyncClient, employee: Employee) -> Rules:
    return Rules(client, employee)


@pytest.fixture(scope="module")
async def port(application: Application) -> AsyncIterator[int]:
    """The port of the application on sockets."""
    async with serving(application) as chosen:
        yield chosen


@pytest.fixture
async def raw(port: int) -> AsyncIterator[RawConnection]:
    """A connection to the application."""
    opened = await RawConnection.open(port)
    yield opened
    opened.writer.close()
