"""Lists registration tokens with their state and device, and revokes unspent ones."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from db.sql import load_beside
from devices.audit import Actor
from devices.errors import RegistrationTokenNotFoundError, RegistrationTokenSpentError

QUERIES = load_beside(__file__, "registration_tokens.sql")


@dataclass(frozen=True, slots=True)
class TokenFilter:
    """Which tokens a list holds; None filters nothing. `after` is (created_at, id) of the last one of a page."""

    state: str | None = None
    business_id: UUID | None = None
    after: tuple[datetime, UUID] | None = None


async def list_tokens(pool: asyncpg.Pool, filters: TokenFilter, now: datetime, limit: int) -> list[asyncpg.Record]:
    """Return at most `limit` tokens, newest first. Times are UTC."""
    created_at, token_id = filters.after or (None, None)
    return await pool.fetch(
        *QUERIES.bind(
            "list_tokens",
            token_id=None,
            now=now,
            state=filters.state,
            business_id=filters.business_id,
            after_time=created_at,
            after_id=token_id,
            limit=limit,
        )
    )


async def get_token(pool: asyncpg.Pool, token_id: UUID, now: datetime) -> asyncpg.Record:
    """Return one token; raises RegistrationTokenNotFoundError."""
    row = await pool.fetchrow(
        *QUERIES.bind(
            "list_tokens",
            token_id=token_id,
            now=now,
            state=None,
            business_id=None,
            after_time=None,
            after_id=None,
            limit=1,
        )
    )
    if row is None:
        raise RegistrationTokenNotFoundError
    return row


async def revoke_token(pool: asyncpg.Pool, token_id: UUID, employee: Actor, now: datetime) -> asyncpg.Record:
    """Revoke a token and return it; raises RegistrationTokenNotFoundError, RegistrationTokenSpentError."""
    revoked = await pool.fetchval(*QUERIES.bind("revoke_token", token_id=token_id, now=now, **employee.parameters()))
    token = await get_token(pool, token_id, now)
    if revoked is None:
        raise RegistrationTokenSpentError
    return token
