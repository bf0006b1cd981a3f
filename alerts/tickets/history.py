"""The platform's history of a ticket: a row for its opening and for each status that we set.

We assign nobody, so there are no rows of assignments. A history that refuses a row does not stop the ticket.
"""

import logging
from uuid import UUID

import asyncpg

from alerts.tickets.rows import insert_row
from db.pools import Connection

log = logging.getLogger(__name__)

TABLE = "service_request_history"
BY_MONITORING = "Agent monitoring"


async def note_opened(connection: Connection, request: UUID, user: UUID, status: str | None) -> None:
    await write(connection, request, user, "created", None, status, "Opened by the agent monitoring for an alert.")


async def note_status(connection: Connection, request: UUID, user: UUID, was: str | None, becomes: str | None) -> None:
    """Insert a change of status into the ticket's history; `was` is None for a new ticket."""
    await write(connection, request, user, "status_change", was, becomes, "Set by the agent monitoring.")


async def write(
    connection: Connection, request: UUID, user: UUID, action: str, old: str | None, new: str | None, note: str
) -> None:
    """Insert the row in the columns that the platform's table has; nothing where there is no table."""
    values = {
        "service_request_id": request, "action_type": action, "old_value": old, "new_value": new,
        "changed_by_user_id": user, "change_reason": BY_MONITORING, "notes": note,
    }  # fmt: skip
    try:
        await insert_row(connection, TABLE, values)
    except (asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError, asyncpg.RaiseError) as fault:
        log.warning("%s refused a row for ticket %s: %s", TABLE, request, fault)
