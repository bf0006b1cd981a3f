"""Sends due notifications: one message to each recipient, with retries until it is accepted or given up.

Messages are independent: each has its own time limit, its outcome is stored at once, and its failure affects no other.
Nothing is sent while a transaction is open.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from alerts.notify.channels import SEND_SECONDS, Channel, SendError
from alerts.notify.messages import compose_message
from alerts.notify.queue import QuietHours
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "queue.sql")
log = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)  # by a worker that is sending
FIRST_RETRY, LAST_RETRY, GIVE_UP_AFTER = timedelta(minutes=1), timedelta(hours=1), 20
CLAIMED_AT_ONCE = 500
AT_ONCE, AT_ONCE_OF_ONE = 60, 6  # messages on the way: of all, and of one business
# A message that has not begun by then is left to a later pass, so that no two workers send it.
BEGIN_WITHIN_SECONDS = LEASE.total_seconds() - 6 * SEND_SECONDS


class HostTurns:
    """Limits the messages in flight, so that slow recipients of one business do not delay another's."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(AT_ONCE)
        self._of: dict[Any, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE_OF_ONE))
        self._until = asyncio.get_running_loop().time() + BEGIN_WITHIN_SECONDS

    async def take(self, senders: Mapping[str, Channel], rows: Sequence[asyncpg.Record]) -> SendError | None:
        """Send one message when it is its turn; return why it failed, None if it was accepted."""
        async with self._of[rows[0]["business_id"]], self._all:
            if asyncio.get_running_loop().time() > self._until:
                return SendError("too many messages were due; this one is tried again")
            return await attempt(senders, rows)


async def send_due(
    connection: Connection, senders: Mapping[str, Channel], now: datetime, quiet: QuietHours | None = None
) -> int:
    """Send due notifications, one message for each recipient and owner; return how many messages were accepted."""
    is_quiet = quiet is not None and quiet.holds(now)
    rows = await connection.fetch(
        *QUERIES.bind("claim_notifications", now=now, held_until=now + LEASE, limit=CLAIMED_AT_ONCE, is_quiet=is_quiet)
    )
    groups: dict[tuple[Any, ...], list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        groups[row["channel"], row["recipient"], row["owner_id"]].append(row)
    turns, writing = HostTurns(), asyncio.Lock()

    async def deliver(group: Sequence[asyncpg.Record]) -> bool:
        fault = await turns.take(senders, group)
        async with writing:  # one connection for all
            await note(connection, group, fault, now)
        return fault is None

    return sum(await asyncio.gather(*map(deliver, groups.values())))


async def attempt(senders: Mapping[str, Channel], rows: Sequence[asyncpg.Record]) -> SendError | None:
    """Send one message; return why it failed, None if it was accepted. Never raises."""
    try:
        async with asyncio.timeout(2 * SEND_SECONDS):  # a sender has its own limit, whose error is more exact
            await senders[rows[0]["channel"]].send(rows[0]["recipient"], compose_message(rows))
    except SendError as error:
        return error
    except TimeoutError:
        return SendError("it took too long")
    except Exception as error:
        log.exception("a notification cannot be sent")
        return SendError(f"cannot be sent: {error!r}"[:1000])
    return None


async def note(connection: Connection, rows: Sequence[asyncpg.Record], fault: SendError | None, now: datetime) -> None:
    """Store the outcome of one message; each of its alerts has its own number of attempts and its own next time."""
    if fault is None:
        await connection.execute(*QUERIES.bind("note_sent", notifications=[row["id"] for row in rows], now=now))
        return
    retry_times = [None if fault.permanent else next_time(row["attempts"], now) for row in rows]
    given_up = sum(at is None for at in retry_times)
    log.warning("%d notifications failed, %d of them given up: %s", len(rows), given_up, fault)
    await connection.execute(
        *QUERIES.bind("note_failed", notifications=[row["id"] for row in rows], retry_at=retry_times, error=str(fault))
    )


def next_time(attempts: int, now: datetime) -> datetime | None:
    """Return when a notification is tried again after so many attempts; None: never."""
    return None if attempts >= GIVE_UP_AFTER else now + min(LAST_RETRY, FIRST_RETRY * 2 ** (attempts - 1))
