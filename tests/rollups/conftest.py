"""A database whose policies may be changed."""

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
