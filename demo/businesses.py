"""Three demo businesses with sites, users and employees, written into the platform's tables once."""

from dataclasses import dataclass
from uuid import UUID, uuid5

import asyncpg

from db.sql import load_beside

QUERIES = load_beside(__file__)
NAMESPACE = UUID("3d0b0ac4-5f64-4a6e-9a55-6f5f0b6f6c01")  # ids are the same on every machine


@dataclass(frozen=True, slots=True)
class DemoBusiness:
    """A business of the demo with its sites and its users."""

    name: str
    sites: tuple[str, ...]
    users: tuple[str, ...]

    @property
    def id(self) -> UUID:
        return demo_id(self.name)

    @property
    def user_id(self) -> UUID:
        """The id of the first user, whose token goes into the credentials."""
        return demo_id(self.name, self.users[0])

    def site_ids(self) -> list[UUID]:
        return [demo_id(self.name, site) for site in self.sites]


BUSINESSES = (
    DemoBusiness(
        "Alder Dental Group",
        ("Main Street Clinic", "Harbor Clinic"),
        ("ana@alder.example", "ben@alder.example"),
    ),
    DemoBusiness("Birch Logistics", ("Warehouse North", "Depot South", "Head Office"), ("carla@birch.example",)),
    DemoBusiness("Cedar Legal", ("Chambers",), ("dario@cedar.example", "eva@cedar.example")),
)
EMPLOYEES = ("tess.technician@msp.example", "max.manager@msp.example")


def demo_id(*names: str) -> UUID:
    """Return the id that these names always have."""
    return uuid5(NAMESPACE, "/".join(names))


def employee_id() -> UUID:
    """Return the id of the employee whose token goes into the credentials."""
    return demo_id(EMPLOYEES[0])


async def create_businesses(dsn: str) -> None:
    """Write the businesses, sites, users and employees that are not there yet."""
    connection = await asyncpg.connect(dsn)
    async with connection.transaction():
        for business in BUSINESSES:
            await connection.execute(*QUERIES.bind("add_business", business_id=business.id, name=business.name))
            for site, site_id in zip(business.sites, business.site_ids(), strict=True):
                first = site == business.sites[0]
                await connection.execute(
                    *QUERIES.bind(
                        "add_site", site_id=site_id, business_id=business.id, name=site, is_headquarters=first
                    )
                )
            for user in business.users:
                first = user == business.users[0]
                await connection.execute(
                    *QUERIES.bind(
                        "add_user",
                        user_id=demo_id(business.name, user),
                        business_id=business.id,
                        email=user,
                        is_primary=first,
                    )
                )
        for email in EMPLOYEES:
            await connection.execute(*QUERIES.bind("add_employee", employee_id=demo_id(email), email=email))
    await connection.close()
