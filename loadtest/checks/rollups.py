"""After a run: every level, of series too, refreshed and compared with the same aggregates of the raw samples."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from core.clock import utc_now
from db.hypertables.policies import DAY, LEVELS
from loadtest.checks.conservation import QUERIES, sample_range
from rollups.choose import bucket_start
from rollups.refresh import refresh_range

AHEAD = 2 * DAY  # in a database of the run's own: every bucket counts as closed, the newest too


@dataclass(frozen=True, slots=True)
class LevelCheck:
    """One level: buckets that the raw samples make, and how many of them differ."""

    level: str
    buckets: int
    differing: int


async def check_rollups(connection: asyncpg.Connection, ids: Sequence[UUID], *, own: bool) -> list[LevelCheck]:
    """Refresh what the devices' samples touch and compare.

    In a database that is not the run's `own`, only buckets that are closed by the clock are refreshed and compared.
    """
    now = utc_now() + (AHEAD if own else timedelta(0))
    span = await sample_range(connection, ids)
    if span:
        await refresh_range(connection, *span, now)
    levels = LEVELS[1:]
    ends = [bucket_start(now - (level.refresh_to or DAY), level.bucket or DAY) for level in levels]
    names, widths = [level.name for level in levels], [level.bucket for level in levels]
    checks = []
    for query, prefix in (("compare_rollups", ""), ("compare_series_rollups", "series_")):
        rows = await connection.fetch(*QUERIES.bind(query, devices=list(ids), levels=names, widths=widths, ends=ends))
        counts = {row["level"]: (row["buckets"], row["differing"]) for row in rows}
        checks += [LevelCheck(f"{prefix}{name}", *counts.get(name, (0, 0))) for name in names]
    return checks


def as_json(levels: Sequence[LevelCheck]) -> dict[str, Any]:
    """Return it for the result file."""
    return {"equal": not any(level.differing for level in levels), "levels": [asdict(level) for level in levels]}
