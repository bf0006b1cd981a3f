"""Records refused calls and their callers in the audit trail, the same for routes, uploads and sockets."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from api.server.asgi import Scope, source_address
from auth.errors import InvalidTokenError
from auth.tokens import Person, Tokens
from core.errors import RtsError
from db.pools import CONNECTION_ERRORS
from devices.audit import Actor
from devices.refused_calls import Refusal, RefusedCalls

log = logging.getLogger(__name__)

NOTED = frozenset({401, 403})
WRITE_EVERY_SECONDS = 5.0
IDS = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}")
NAMES_NOBODY = frozenset({"unauthorized", "invalid_token"})  # codes of calls whose token cannot be trusted


class Refusals:
    """Records refused calls, with details of their requests."""

    def __init__(self, calls: RefusedCalls, tokens: Tokens) -> None:
        self.calls = calls
        self._tokens = tokens

    def note(self, scope: Scope, error: RtsError, token: str | None = None) -> None:
        """Note a call that was answered with 401 or 403; other errors are not recorded.

        `token` is the token of the call, if it is not in the header.
        """
        if error.status not in NOTED:
            return
        source = source_address(scope)
        actor, business_id = Actor("unknown", None, source), None
        if error.code not in NAMES_NOBODY:
            actor, business_id = self._caller(token or read_bearer(scope), source)
        self.calls.note(Refusal(actor, describe_call(scope), error.code, business_id))

    def _caller(self, token: str, source: str | None) -> tuple[Actor, str | None]:
        """Return the person or agent of the token, and the business of a user."""
        with suppress(InvalidTokenError):
            return Actor("agent", self._tokens.verify_agent(token).agent_id, source), None
        with suppress(InvalidTokenError):
            person = self._tokens.verify_person(token)
            return person_actor(person, source), str(person.business_id) if person.business_id else None
        return Actor("unknown", None, source), None


def person_actor(person: Person, source: str | None) -> Actor:
    """Return a person as an actor of the audit trail."""
    if person.employee_id is not None:
        return Actor("employee", person.employee_id, source)
    return Actor("user", person.user_id, source)


def read_bearer(scope: Scope) -> str:
    """Return the bearer token of a request, empty without one."""
    header: str = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    return header.partition(" ")[2].strip()


def describe_call(scope: Scope) -> str:
    """Return method and path with ids left out; the query may hold a token and is never written."""
    return f"{scope.get('method', 'WS')} {IDS.sub('{id}', scope['path'])}".replace("\0", "")


@asynccontextmanager
async def writing(calls: RefusedCalls, pool: asyncpg.Pool) -> AsyncIterator[None]:
    """Write refused calls every few seconds, and the remaining ones at the end."""
    task = asyncio.create_task(write_on(calls, pool), name="refused calls")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await write_once(calls, pool)


async def write_on(calls: RefusedCalls, pool: asyncpg.Pool) -> None:
    """Write until cancelled."""
    while True:
        await asyncio.sleep(WRITE_EVERY_SECONDS)
        await write_once(calls, pool)


async def write_once(calls: RefusedCalls, pool: asyncpg.Pool) -> None:
    """Write the collected refusals; never raises."""
    try:
        await calls.write(pool)
    except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
        log.warning("refused calls were not written into the audit trail: %r", error)
