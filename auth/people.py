"""Checks in the platform's tables whether a person still has access; an answer is cached for some seconds.

A token has the platform's data from its time of issue. Only the tables show that an employee has left or that a user
has moved to another business. If a table lacks a column (`is_active`, `soft_delete`), that column restricts nothing.
"""

import time
from collections.abc import Callable
from typing import ClassVar
from uuid import UUID

import asyncpg

from auth.tokens import Person
from core.errors import RtsError, UnknownEmployeeError
from db.sql import load_beside

QUERIES = load_beside(__file__, "people.sql")
MAX_KEPT = 10_000


class AccessEndedError(RtsError):
    """This account is inactive, deleted or has moved to another business: sign in again."""

    code: ClassVar[str] = "access_ended"
    status: ClassVar[int] = 401


class People:
    """People who have access by the platform's tables, as cached by this process."""

    def __init__(self, pool: asyncpg.Pool, keep_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`keep_seconds`: how long a person who has left keeps access at most."""
        self._pool = pool
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._good_until: dict[tuple[UUID | None, UUID | None, str], float] = {}

    async def check(self, person: Person) -> None:
        """Raise AccessEndedError, or UnknownEmployeeError for an employee who is not in the table."""
        key = (person.employee_id, person.business_id, platform_user_id(person) or "")
        now = self._clock()
        if self._good_until.get(key, 0.0) > now:
            return
        await self._ask(person)
        if len(self._good_until) >= MAX_KEPT:
            self._good_until.clear()
        self._good_until[key] = now + self._keep_seconds

    async def _ask(self, person: Person) -> None:
        if person.employee_id is not None:
            is_active = await self._pool.fetchval(*QUERIES.bind("check_employee", employee_id=person.employee_id))
            if is_active is None:
                raise UnknownEmployeeError
        else:
            user = platform_user_id(person)
            is_active = await self._pool.fetchval(
                *QUERIES.bind("check_user", business_id=person.business_id, user_id=user and UUID(user))
            )
        if not is_active:
            raise AccessEndedError


def platform_user_id(person: Person) -> str | None:
    """Return the id of the platform's user: `user_id`, or `sub` where it is a UUID other than the business's."""
    if person.user_id is not None:
        return str(person.user_id)
    try:
        subject = UUID(person.subject)
    except ValueError:
        return None
    return None if subject == person.business_id else str(subject)
