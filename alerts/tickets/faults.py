"""The reasons why a ticket is postponed: a text that a person can act on, and the code that `/metrics` counts by."""

from typing import ClassVar, Literal

import asyncpg

from alerts.tickets.rows import primary_message
from core.errors import RtsError

Reason = Literal["no_location", "no_client", "look_up", "number", "rights", "busy", "refused"]


class NoTicketError(RtsError):
    """The platform lacks what a ticket needs."""

    code: ClassVar[str] = "no_ticket"

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


def explain(fault: Exception) -> tuple[Reason, str]:
    """Return the code and the text shown at the alert, without PostgreSQL's DETAIL, which may contain row values."""
    if isinstance(fault, NoTicketError):
        return fault.reason, fault.message
    message = primary_message(fault)
    if isinstance(fault, asyncpg.InsufficientPrivilegeError):
        return "rights", f"The database role lacks a right: {message}. See `rts-agents db roles`; it is tried again."
    if isinstance(fault, asyncpg.LockNotAvailableError | asyncpg.DeadlockDetectedError):
        return "busy", "The ticket system holds the row that the ticket needs; it is tried again."
    return "refused", f"The ticket system refused the ticket: {message}; it is tried again."
