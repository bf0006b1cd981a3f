"""Growth of the storage: its size by day, recorded by the worker, and the time until the disk is full."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "growth.sql")
DATABASE = "database"  # the whole database among the relations
DAYS_BACK = 14


@dataclass(frozen=True, slots=True)
class Growth:
    """Bytes now, and bytes a day by relation over the last two weeks; a relation of one day only is missing."""

    bytes: int
    per_day: dict[str, float]

    def full_in(self, disk_bytes: int) -> timedelta | None:
        """Return the time until a disk of this size is full; None for never, or if its size is unknown (0)."""
        rate = self.per_day.get(DATABASE, 0.0)
        if not disk_bytes or rate <= 0:
            return None
        return timedelta(days=min(36_500, max(0.0, disk_bytes - self.bytes) / rate))


async def note_sizes(connection: Connection, now: datetime) -> None:
    """Note today's size (UTC) of each relation and of the database; the last one of a day stays."""
    await connection.execute(*QUERIES.bind("note_sizes", today=now.date()))


async def read_growth(connection: Connection, now: datetime) -> Growth:
    """Return the present sizes and the growth in bytes a day over the last two weeks."""
    rows = await connection.fetch(*QUERIES.bind("read_growth", first_day=now.date() - timedelta(days=DAYS_BACK)))
    total: int = await connection.fetchval(QUERIES["read_size"])
    return Growth(total, {row["relation"]: row["per_day"] for row in rows})


async def read_days(connection: Connection, now: datetime) -> list[tuple[str, int]]:
    """Return the size of the database by day, the last year, oldest first."""
    rows = await connection.fetch(*QUERIES.bind("read_days", first_day=now.date() - timedelta(days=365)))
    return [(row["day"].isoformat(), row["bytes"]) for row in rows]
