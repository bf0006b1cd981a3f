"""The states and alerts of rules that an evaluation skips: those that cannot be read, and those that are not active.

A rule that cannot be read is not evaluated: its open alerts stay open in the state `error`, as alerts of a silent
device stay open in `no_data`, and pending states are dropped. Over HTTP a rule that is disabled or deleted ends its
alerts at once (`manage/rules.py`); one that the platform disabled in the table ends them here, at the next pass.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from alerts.notify.queue import queue_resolved
from db.isolation import due_apart
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "broken_rules.sql")


async def end_alerts_of_missing_rules(connection: Connection, faults: Mapping[UUID, str], now: datetime) -> None:
    """Settle the states and alerts of rules that are not evaluated at `now` (UTC); `faults`: rule → reason.

    A device whose rows cannot be changed is skipped and tried again.
    """
    rules, reasons = list(faults), list(faults.values())

    async def settle(only: Sequence[UUID] | None) -> int:
        if faults:
            await connection.execute(*QUERIES.bind("hold_faulty", rules=rules, reasons=reasons, now=now, only=only))
        ended = await connection.fetch(*QUERIES.bind("end_out_of_force", now=now, only=only))
        if ended:
            await queue_resolved(connection, [row["id"] for row in ended], now)
        return len(ended)

    await due_apart(connection, "rules out of force", now, settle, partial(QUERIES.bind, "devices_left", rules=rules))


async def forget_errors(connection: Connection, faults: Mapping[UUID, str]) -> None:
    """Clear the error of each active rule that can be read again, that is, all but those in `faults`."""
    await connection.execute(*QUERIES.bind("forget_errors", rules=list(faults)))
