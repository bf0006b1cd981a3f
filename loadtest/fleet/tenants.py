"""The fleet of a run: written by SQL, because a run needs thousands of devices at once; with real, signed tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from auth.tokens import Tokens, token_hash
from db.sql import load_beside
from loadtest.fleet.slots import interval_of
from loadtest.plan import POISONED, LoadSettings, Member, Viewer
from rollups.refresh import refresh_range

QUERIES = load_beside(__file__, "tenants.sql")
HISTORY = timedelta(days=7)
CHARTED_TENANTS = 5  # a device with history for each of the first of them
LIFETIME = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LoadFleet:
    """Who takes part in a run."""

    members: list[Member]
    viewers: list[Viewer]
    attackers: list[Member]
    employee: str  # a token
    businesses: list[str]


async def add_fleet(connection: asyncpg.Connection, settings: LoadSettings, tokens: Tokens, now: datetime) -> LoadFleet:
    """Write businesses, people, devices and a week of history of some, and return who they are."""
    run = uuid4().hex[:6]
    businesses = [uuid4() for _ in range(settings.tenants)]
    names = [f"load test {run} / {number}" for number in range(settings.tenants)]
    await connection.execute(*QUERIES.bind("add_businesses", businesses=businesses, names=names))
    members = [make_member(number, settings, tokens, now) for number in range(settings.agents)]
    intervals = [round(max(1, interval_of(member.number, settings.intervals))) for member in members]
    await add_devices(connection, members, businesses, intervals, now)
    charted = [
        make_extra(f"charted-{tenant}", tenant, tokens, now) for tenant in range(min(CHARTED_TENANTS, settings.tenants))
    ]
    await add_devices(connection, charted, businesses, [300] * len(charted), now)
    await add_history(connection, charted, now)
    attackers = [
        make_extra(f"attacker-{number}", POISONED, tokens, now)
        for number in range(settings.attackers if settings.scenario == "poison-tenant" else 0)
    ]
    await add_devices(connection, attackers, businesses, [300] * len(attackers), now)
    employee = await add_employee(connection)
    viewers = await add_viewers(connection, settings, tokens, businesses, members, charted, employee, now)
    manager = issue_employee(tokens, employee, "manager", "manager", now)
    return LoadFleet(members, viewers, attackers, manager, list(map(str, businesses)))


def make_member(number: int, settings: LoadSettings, tokens: Tokens, now: datetime) -> Member:
    """Return a simulated agent with a new id and token; its tenant is `number` modulo their count."""
    agent_id = uuid4()
    return Member(
        number, f"load-{number:05d}", str(agent_id), tokens.issue_agent(agent_id, now), number % settings.tenants
    )


def make_extra(name: str, tenant: int, tokens: Tokens, now: datetime) -> Member:
    """Return a device that no simulated agent plays: it only has a past, or attacks."""
    agent_id = uuid4()
    return Member(-1, name, str(agent_id), tokens.issue_agent(agent_id, now), tenant)


async def add_devices(
    connection: asyncpg.Connection,
    members: Sequence[Member],
    businesses: Sequence[UUID],
    intervals: Sequence[int],
    now: datetime,
) -> None:
    await connection.execute(
        *QUERIES.bind(
            "add_devices",
            devices=[UUID(member.agent_id) for member in members],
            businesses=[businesses[member.tenant] for member in members],
            token_hashes=[token_hash(member.token) for member in members],
            names=[member.name for member in members],
            intervals=intervals,
            now=now,
        ),
    )


async def add_history(connection: asyncpg.Connection, charted: Sequence[Member], now: datetime) -> None:
    """Give devices a week of samples, rolled up."""
    start = now - HISTORY
    ids = [UUID(member.agent_id) for member in charted]
    await connection.execute(*QUERIES.bind("add_history", devices=ids, start=start, end=now - timedelta(minutes=20)))
    await refresh_range(connection, start, now, now)


async def add_employee(connection: asyncpg.Connection) -> UUID:
    """Write an employee and return their id."""
    employee = uuid4()
    await connection.execute(*QUERIES.bind("add_employee", employee_id=employee, email=f"{employee}@msp.example"))
    return employee


def issue_employee(tokens: Tokens, employee: UUID, subject: str, role: str, now: datetime) -> str:
    """Return a token of an employee."""
    return tokens.issue_person({"sub": subject, "employee_id": str(employee), "role": role}, now, LIFETIME)


async def add_viewers(
    connection: asyncpg.Connection,
    settings: LoadSettings,
    tokens: Tokens,
    businesses: Sequence[UUID],
    members: Sequence[Member],
    charted: Sequence[Member],
    employee: UUID,
    now: datetime,
) -> list[Viewer]:
    """Write people; every second one is an employee, the others are users of the charted businesses in turn."""
    users = [uuid4() for _ in businesses]
    addresses = [f"{user}@load.example" for user in users]
    await connection.execute(*QUERIES.bind("add_users", users=users, businesses=businesses, addresses=addresses))
    viewers = []
    for number in range(settings.dashboards):
        # Each has its own subject: limits count by person.
        subject = f"viewer-{number}"
        if number % 2:
            token = issue_employee(tokens, employee, subject, "technician", now)
            ids = [member.agent_id for member in members], [member.agent_id for member in charted]
        else:
            tenant = number // 2 % len(charted)
            claims = {"sub": subject, "user_id": str(users[tenant]), "business_id": str(businesses[tenant])}
            token = tokens.issue_person(claims, now, LIFETIME)
            ids = ids_of(members, tenant), ids_of(charted, tenant)
        viewers.append(Viewer(token, *ids))
    return viewers


def ids_of(members: Sequence[Member], tenant: int) -> list[str]:
    """Return the agent ids of a tenant's devices."""
    return [member.agent_id for member in members if member.tenant == tenant]
