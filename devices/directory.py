"""Reads the platform's tables: people by id, businesses and their sites."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import asyncpg

from auth.tokens import Person
from core.errors import RtsError
from core.text import like_literal
from db.sql import after_keys, load_beside
from devices.audit import Actor

QUERIES = load_beside(__file__, "directory.sql")


class BusinessNotFoundError(RtsError):
    """There is no such business."""

    code: ClassVar[str] = "business_not_found"
    status: ClassVar[int] = 404


async def describe_person(pool: asyncpg.Pool, person: Person) -> tuple[str, str | None]:
    """Return the best name of a person, and the name of their business (None for employees)."""
    if person.employee_id is not None:
        row = await pool.fetchrow(*QUERIES.bind("describe_employee", employee_id=person.employee_id))
        return (row["name"] if row else person.subject), None
    row = await pool.fetchrow(*QUERIES.bind("describe_user", user_id=person.user_id, business_id=person.business_id))
    return (row["name"] if row and row["name"] else person.subject), row["business_name"] if row else None


async def list_businesses(
    pool: asyncpg.Pool, tenant: UUID | None, search: str | None, after: tuple[str, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Return a page of businesses in the order of their names; a customer sees only their own."""
    pattern = f"%{like_literal(search)}%" if search else None
    return await pool.fetch(
        *QUERIES.bind(
            "list_businesses",
            tenant=tenant,
            pattern=pattern,
            **after_keys(after, "name", "id"),
            limit=limit,
        )
    )


async def list_sites(pool: asyncpg.Pool, tenant: UUID | None, business_id: UUID) -> list[asyncpg.Record]:
    """Return the sites of a business, at most 1,000; raises BusinessNotFoundError, for another tenant's too."""
    rows = await pool.fetch(*QUERIES.bind("list_sites", tenant=tenant, business_id=business_id))
    if not rows:
        raise BusinessNotFoundError
    return [row for row in rows if row["id"] is not None]


async def list_time_zones(pool: asyncpg.Pool, tenant: UUID | None, business_id: UUID) -> list[asyncpg.Record]:
    """Return the zones of a business and its sites; raises BusinessNotFoundError, for another tenant's too."""
    await list_sites(pool, tenant, business_id)
    return await pool.fetch(*QUERIES.bind("list_time_zones", tenant=tenant, business_id=business_id))


async def set_time_zone(
    pool: asyncpg.Pool, business_id: UUID, site_id: UUID | None, time_zone: str | None, actor: Actor, now: datetime
) -> None:
    """Set the zone of a business or one of its sites, or take it away (None); raises BusinessNotFoundError."""
    if not await pool.fetchval(
        *QUERIES.bind(
            "set_time_zone",
            business_id=business_id,
            site_id=site_id,
            time_zone=time_zone,
            now=now,
            **actor.parameters(),
        )
    ):
        raise BusinessNotFoundError


async def list_logins(pool: asyncpg.Pool) -> list[asyncpg.Record]:
    """Return the people who may sign in to the demo: employees, and the first user of each business."""
    return await pool.fetch(QUERIES["list_logins"])
