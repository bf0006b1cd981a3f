"""The connection on which a command works."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg

from cli.settings import settings_with_database
from db.pools import SERVER_SETTINGS, Connection, database_errors
from db.schema_check import check_schema

T = TypeVar("T")


async def with_connection(work: Callable[[Connection], Awaitable[T]], url: str = "") -> T:
    """Return what `work` returns on a connection to `url`, or to DATABASE_URL.

    Raises DatabaseUnavailableError or SchemaNotMigratedError.
    """
    settings: dict[str, Any] = SERVER_SETTINGS
    address = url or settings_with_database().database_url
    with database_errors():
        connection = await asyncpg.connect(address, timeout=10, server_settings=settings)
    try:
        await check_schema(connection)
        return await work(connection)
    finally:
        await connection.close()
