"""Guard a database marked as production: commands that change it as a whole want its name.

The mark is in the database, because an environment variable is on one machine only; RTS_ENVIRONMENT adds to it.
"""

import asyncio
from dataclasses import dataclass
from typing import ClassVar

import asyncpg

from core.errors import RtsError
from db.pools import database_errors
from db.sql import load_beside

QUERIES = load_beside(__file__, "environment.sql")
PRODUCTION = "production"


class ProductionDatabaseError(RtsError):
    """This database is marked production: give its name to confirm."""

    code: ClassVar[str] = "production_database"
    status: ClassVar[int] = 409


class MarkNotAllowedError(RtsError):
    """This role may not mark the database: run `rts-agents db mark` with the DATABASE_URL of a superuser."""

    code: ClassVar[str] = "mark_not_allowed"
    status: ClassVar[int] = 403


@dataclass(frozen=True, slots=True)
class DatabaseTarget:
    """A database by name, and its mark; `mark` is None where there is none."""

    name: str
    mark: str | None


async def read_target(url: str) -> DatabaseTarget:
    """Return which database a URL leads to; raises DatabaseUnavailableError."""
    with database_errors():
        connection = await asyncpg.connect(url, timeout=10)
    try:
        row = await connection.fetchrow(QUERIES["read_mark"])
    finally:
        await connection.close()
    assert row is not None
    return DatabaseTarget(row["name"], row["mark"])


async def set_mark(url: str, mark: str | None) -> DatabaseTarget:
    """Set or remove the mark; raises DatabaseUnavailableError or MarkNotAllowedError.

    Only a superuser may set a parameter that belongs to no extension, unless it granted SET ON PARAMETER to the owner.
    """
    with database_errors():
        connection = await asyncpg.connect(url, timeout=10)
    try:
        select = QUERIES.bind("compose_mark", environment=mark) if mark else QUERIES.bind("compose_unmark")
        await connection.execute(await connection.fetchval(*select))
    except asyncpg.InsufficientPrivilegeError as error:
        raise MarkNotAllowedError(f"{error}: run this with the DATABASE_URL of a superuser.") from error
    finally:
        await connection.close()
    return await read_target(url)


def confirm_target(url: str, confirmation: str, environment: str = "") -> DatabaseTarget:
    """Return the target, or raise ProductionDatabaseError for one marked production unless `confirmation` is its name.

    A name that is given and isn't that of the target is always refused. `environment`: RTS_ENVIRONMENT.
    """
    target = asyncio.run(read_target(url))
    if confirmation and confirmation != target.name:
        raise ProductionDatabaseError(
            f"DATABASE_URL leads to the database {target.name}, not {confirmation}: nothing was done."
        )
    if PRODUCTION in (target.mark, environment) and not confirmation:
        raise ProductionDatabaseError(
            f"The database {target.name} is marked production: nothing was done. "
            f"If it is the one that you mean, add --database {target.name}."
        )
    return target
