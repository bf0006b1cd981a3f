"""The life of series, once an hour: what is gone, what is forgotten, how many a business has."""

from datetime import datetime

from db.hypertables.values import read_values
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "series.sql")


async def keep_series(connection: Connection, now: datetime) -> None:
    """Mark series that are no longer sent as gone, delete those without data, count the others."""
    await connection.execute(*QUERIES.bind("note_seen", now=now))
    await connection.execute(*QUERIES.bind("mark_gone", now=now))
    keep = max(level.keep for level in (await read_values(connection)).series)
    await connection.execute(*QUERIES.bind("forget_gone", now=now, keep=keep))
    await connection.execute(QUERIES["count_live"])
    await connection.execute(*QUERIES.bind("allow_again", now=now))
