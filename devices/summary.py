"""The fleet in numbers: devices by status, open alerts by severity, by business and by site."""

from datetime import datetime
from uuid import UUID

import asyncpg

from db.sql import load_beside

QUERIES = load_beside(__file__, "summary.sql")


async def summarize_businesses(
    pool: asyncpg.Pool, tenant: UUID | None, business_id: UUID | None, now: datetime
) -> list[asyncpg.Record]:
    """Return a row for each business with devices that the caller may see, the worst first."""
    return await pool.fetch(*QUERIES.bind("summarize_businesses", tenant=tenant, business_id=business_id, now=now))


async def summarize_sites(
    pool: asyncpg.Pool, tenant: UUID | None, business_id: UUID, now: datetime
) -> list[asyncpg.Record]:
    """Return a row for each site of a business, at most 1,000; devices without a site are a row of null."""
    return await pool.fetch(*QUERIES.bind("summarize_sites", tenant=tenant, business_id=business_id, now=now))


async def count_awaiting_approval(
    pool: asyncpg.Pool, tenant: UUID | None, business_id: UUID | None, now: datetime
) -> int:
    """Return how many commands await a second employee."""
    count: int = await pool.fetchval(
        *QUERIES.bind("count_awaiting_approval", tenant=tenant, business_id=business_id, now=now)
    )
    return count
