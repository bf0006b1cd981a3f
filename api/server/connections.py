"""Compares the database connections that a server needs with those that the database allows."""

import logging
from typing import ClassVar

from core.errors import RtsError
from core.settings import Settings
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "connections.sql")
log = logging.getLogger(__name__)

WRITERS, LIVE, HEALTH = 2, 1, 2
BESIDE_POOL = WRITERS + LIVE + HEALTH
OTHER_CONNECTIONS = 4  # the worker, a migration, an operator's psql


class TooManyConnectionsError(RtsError):
    """The database accepts fewer connections than RTS_WORKERS and RTS_POOL_SIZE require."""

    code: ClassVar[str] = "too_many_connections_wanted"


def connections_per_process(settings: Settings) -> int:
    """Return the maximum number of connections of one process."""
    return settings.pool_size + BESIDE_POOL


async def check_connections(connection: Connection, settings: Settings) -> None:
    """Raise TooManyConnectionsError if the processes of this server alone exceed the limit of the database.

    Warns when there is no room for a restart, during which one more process runs, and for others.
    """
    most = await connection.fetchval(QUERIES["describe_connections"])
    each = connections_per_process(settings)
    connections = settings.workers * each
    sentence = (
        f"RTS_WORKERS={settings.workers} processes with RTS_POOL_SIZE={settings.pool_size} open {connections} "
        f"connections ({each} each), the database accepts {most}"
    )
    if connections > most:
        raise TooManyConnectionsError(f"{sentence}: lower one of them, or raise max_connections.")
    if connections + each + OTHER_CONNECTIONS > most:
        log.warning("%s: a restart needs %d more, and the worker some", sentence, each)
