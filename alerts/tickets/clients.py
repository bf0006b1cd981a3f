"""The client and the site of a ticket: the service user of the business, and its location.

The platform allows five open requests per client. So tickets of alerts belong to their own user, created with a
business's first ticket, or to the user of RTS_TICKET_CLIENT: they do not use up the requests of people.
"""

from uuid import UUID

import asyncpg

from alerts.tickets.faults import NoTicketError
from alerts.tickets.rows import insert_row, primary_message
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "clients.sql")


def service_email(business_id: UUID) -> str:
    """Return the e-mail of a business's service user, in a domain that cannot exist: nobody can log in by it."""
    return f"agent-monitoring+{business_id}@rts-agents.invalid"


async def find_client(connection: Connection, business_id: UUID, named: str) -> UUID:
    """Return the user with the e-mail `named`, or the business's service user, which is created if missing.

    Raises NoTicketError.
    """
    email = named or service_email(business_id)
    client: UUID | None = await connection.fetchval(*QUERIES.bind("find_client", email=email))
    if client is None and named:
        raise NoTicketError("no_client", f"The ticket system has no user {named!r}, whom RTS_TICKET_CLIENT names.")
    return client or await make_client(connection, business_id, email)


async def make_client(connection: Connection, business_id: UUID, email: str) -> UUID:
    """Create the service user of a business, unless another worker just has. Raises NoTicketError."""
    values = {
        "email": email, "business_id": business_id, "role": "client", "first_name": "Agent", "last_name": "monitoring",
        "name": "Agent monitoring", "email_verified": False, "is_primary_contact": False, "is_business_owner": False,
        "password_hash": "!",  # matches no password
    }  # fmt: skip
    try:
        client_id = await insert_row(connection, "users", values)
    except asyncpg.UniqueViolationError:
        client_id = await connection.fetchval(*QUERIES.bind("find_client", email=email))
    except asyncpg.IntegrityConstraintViolationError as fault:
        message = f"The ticket system refused a user for the tickets of machines: {primary_message(fault)}."
        raise NoTicketError("no_client", f"{message} Name one in RTS_TICKET_CLIENT.") from fault
    if client_id is None:
        raise NoTicketError("no_client", f"The user {email} is being created by another session; it is tried again.")
    return client_id


async def find_location(connection: Connection, business_id: UUID, location_id: UUID | None) -> UUID:
    """Return the site, else the headquarters, else the oldest site; raises NoTicketError if the business has none."""
    location: UUID | None = await connection.fetchval(
        *QUERIES.bind("find_location", business_id=business_id, service_location_id=location_id)
    )
    if location is None:
        raise NoTicketError(
            "no_location", "No ticket yet: the business has no location; it is opened when there is one."
        )
    return location
