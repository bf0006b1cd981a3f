"""The scope of a rule or a maintenance window: a business, optionally one of its sites or devices."""

from dataclasses import dataclass
from uuid import UUID

from core.errors import AgentNotFoundError, UnknownBusinessError, UnknownLocationError
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "scope.sql")


@dataclass(frozen=True, slots=True)
class ScopeOfRule:
    """A scope as an employee gives it; None means no restriction."""

    business_id: UUID | None
    service_location_id: UUID | None
    agent_device_id: UUID | None


async def business_of(connection: Connection, place: ScopeOfRule) -> UUID | None:
    """Return the business of a scope: the one it names, else that of its device or site.

    Raises UnknownBusinessError, UnknownLocationError or AgentNotFoundError for an id that does not exist or belongs
    to another business.
    """
    row = await connection.fetchrow(
        *QUERIES.bind(
            "check_place",
            business_id=place.business_id,
            service_location_id=place.service_location_id,
            device_id=place.agent_device_id,
        )
    )
    assert row is not None
    if not row["business_known"]:
        raise UnknownBusinessError
    if not row["location_fits"]:
        raise UnknownLocationError
    if not row["device_fits"]:
        raise AgentNotFoundError
    business_id: UUID | None = row["business_id"]
    return business_id
