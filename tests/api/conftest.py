"""Fixtures of several tests of the API."""

import httpx
import pytest

from tests.api.eol_rules import Rules
from tests.people import Employee


@pytest.fixture
def eol_rules(client: httpx.AsyncClient, employee: Employee) -> Rules:
    return Rules(client, employee)
