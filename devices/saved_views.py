"""Saved views: the query of a list page under a name, of one person or shared with the others of their kind."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from db.sql import load_beside
from devices.errors import TooManyViewsError

QUERIES = load_beside(__file__, "saved_views.sql")


@dataclass(frozen=True, slots=True)
class Owner:
    """The person whose views these are; `tenant` is the business of a user, None for employees."""

    tenant: UUID | None
    person_id: UUID


@dataclass(frozen=True, slots=True)
class NewView:
    """A view to save: `query` is that of the page's address."""

    page: str
    name: str
    query: str
    is_shared: bool


async def list_views(pool: asyncpg.Pool, owner: Owner, page: str) -> list[asyncpg.Record]:
    """Return a person's own views of a page and those that are shared with them, by name."""
    return await pool.fetch(*QUERIES.bind("list_views", tenant=owner.tenant, owner_id=owner.person_id, page=page))


async def save_view(pool: asyncpg.Pool, owner: Owner, view: NewView, now: datetime) -> asyncpg.Record:
    """Save a view, in place of one of that name; raises TooManyViewsError."""
    row = await pool.fetchrow(
        *QUERIES.bind(
            "save_view",
            tenant=owner.tenant,
            owner_id=owner.person_id,
            page=view.page,
            name=view.name,
            query=view.query,
            is_shared=view.is_shared,
            now=now,
        )
    )
    if row is None:
        raise TooManyViewsError
    return row


async def delete_view(pool: asyncpg.Pool, owner: Owner, view_id: UUID) -> None:
    """Delete one of a person's own views; changes nothing for another one."""
    await pool.execute(*QUERIES.bind("delete_view", view_id=view_id, owner_id=owner.person_id))
