"""The platform's look-ups: urgency, priority and status by their names, whichever column holds the name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from alerts.tickets.faults import NoTicketError
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "lookups.sql")

Kind = Literal["urgency", "priority", "status"]
URGENCY_PRIORITY = {"critical": ("Emergency", "Critical"), "warning": ("Prime", "High"), "info": ("Normal", "Medium")}
# The first one that exists is used: newer platforms begin a ticket as Submitted.
OPENED, COMPLETED = ("Pending", "Submitted"), ("Completed",)


@dataclass(frozen=True, slots=True)
class LookUp:
    """One row of a look-up table; `name` is None where its table has none of the columns that we can read."""

    kind: Kind
    id: UUID
    name: str | None
    is_active: bool


class LookUps:
    """The look-up rows as they are now."""

    def __init__(self, rows: Sequence[LookUp]) -> None:
        self.rows = rows

    def find(self, kind: Kind, names: Sequence[str]) -> UUID:
        """Return the active row of the first of `names` that exists; raises NoTicketError."""
        for name in names:
            for row in self._named(kind, name):
                if row.is_active:
                    return row.id
        raise NoTicketError("look_up", self._lack(kind, names))

    def levels(self, severity: str) -> tuple[UUID, UUID]:
        """Return urgency and priority for a severity; raises NoTicketError."""
        urgency, priority = URGENCY_PRIORITY[severity]
        return self.find("urgency", [urgency]), self.find("priority", [priority])

    def name_of(self, status_id: UUID | None) -> str | None:
        return next((row.name for row in self.rows if row.id == status_id), None)

    def _named(self, kind: Kind, name: str) -> list[LookUp]:
        return [row for row in self.rows if row.kind == kind and (row.name or "").lower() == name.lower()]

    def _lack(self, kind: Kind, names: Sequence[str]) -> str:
        required = " or ".join(repr(name) for name in names)
        if any(self._named(kind, name) for name in names):
            return f"The ticket system's {kind} {required} is not active."
        return f"The ticket system has no {kind} {required}."


async def read_look_ups(connection: Connection) -> LookUps:
    """Read the tables of urgencies, priorities and statuses."""
    return LookUps([LookUp(**dict(row)) for row in await connection.fetch(QUERIES["read_look_ups"])])
