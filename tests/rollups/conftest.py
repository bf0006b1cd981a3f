"""Databases whose policies may be changed: one for each test, or one for all tests whose changes are rolled back."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from tests.databases import migrated_database


@pytest.fixture
def own_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with migrated_database(tmp_path_factory.mktemp("policies")) as url:
        yield url


@pytest.fixture
async def connection(own_database: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(own_database, timeout=10)
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def unchanged_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with migrated_database(tmp_path_factory.mktemp("unchanged")) as url:
        yield url


@pytest.fixture
async def rolled_back(unchanged_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection whose transaction is rolled back after the test; it cannot refresh rollups."""
    opened = await asyncpg.connect(unchanged_database, timeout=10)
    transaction = opened.transaction()
    await transaction.start()
    yield opened
    await transaction.rollback()
    await opened.close()
