"""What stands of rules that an evaluation leaves out: those that can't be understood, and those out of force.

A rule that cannot be read is not evaluated: its open alerts stay open in the state `error`, as those of a silent
device stay open without data, and what had only begun is dropped. Over HTTP a rule that is switched off or deleted ends
its alerts at once (`rule_book.py`); one that the platform switched off in the table ends them here, at the next pass.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from alerts.notify.queue import queue_resolved
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "broken_rules.sql")


async def end_alerts_of_missing_rules(connection: Connection, faults: Mapping[UUID, str], now: datetime) -> None:
    """Settle the states and alerts of rules that aren't evaluated at `now` (UTC); `faults`: rule → why it can't be."""
    await connection.execute(*QUERIES.bind("forget_errors", rules=list(faults)))
    if faults:
        await connection.execute(
            *QUERIES.bind("hold_faulty", rules=list(faults), reasons=list(faults.values()), now=now)
        )
    ended = await connection.fetch(*QUERIES.bind("end_out_of_force", now=now))
    if ended:
        await queue_resolved(connection, [row["id"] for row in ended], now)
