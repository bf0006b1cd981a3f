"""A device's tokens: an employee requests a rotation or revokes them, the agent fetches the new one.

A new token does not revoke the old one at once, because the answer may be lost. The old one stays valid until the new
one is used, and RTS_TOKEN_OVERLAP_SECONDS longer for uploads in flight. The queries that check a call implement this.
"""

from datetime import datetime
from uuid import UUID

import asyncpg

from auth.tokens import Tokens, token_hash
from core.errors import AgentNotFoundError, RevokedTokenError
from db.sql import load_beside
from devices.audit import Actor
from devices.errors import NoAgentTokenError, SupersededTokenError

QUERIES = load_beside(__file__, "credentials.sql")


async def request_rotation(pool: asyncpg.Pool, device_id: UUID, employee: Actor, now: datetime) -> None:
    """Request a rotation in the answer to the next heartbeat; raises AgentNotFoundError or NoAgentTokenError."""
    row = await pool.fetchrow(*QUERIES.bind("request_rotation", device_id=device_id, now=now, **employee.parameters()))
    if row is None:
        raise AgentNotFoundError
    if not row["has_token"]:
        raise NoAgentTokenError


async def rotate_token(
    pool: asyncpg.Pool, tokens: Tokens, device_id: UUID, called_with: str, agent: Actor, now: datetime
) -> str:
    """Return a new token for the agent that called with the token of hash `called_with`.

    Raises RevokedTokenError, or SupersededTokenError when a newer token was used already.
    """
    issued = tokens.issue_agent(device_id, now)
    row = await pool.fetchrow(
        *QUERIES.bind(
            "rotate_token",
            device_id=device_id,
            now=now,
            **agent.parameters(),
            called_with=called_with,
            new_hash=token_hash(issued),
        )
    )
    if row is None:
        raise RevokedTokenError
    if row["superseded"]:
        raise SupersededTokenError
    return issued


async def revoke_token(pool: asyncpg.Pool, device_id: UUID, employee: Actor, now: datetime) -> None:
    """Revoke all of a device's tokens; raises AgentNotFoundError."""
    if (
        await pool.fetchrow(*QUERIES.bind("revoke_token", device_id=device_id, now=now, **employee.parameters()))
        is None
    ):
        raise AgentNotFoundError
