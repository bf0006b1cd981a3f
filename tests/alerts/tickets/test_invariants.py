"""Whatever happens in whatever order, and wherever the worker is cut off: one open alert, one ticket, none lost."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.state.evaluate import evaluate
from alerts.tickets.worker import Outcome, work_tickets
from auth.tokens import Tokens
from db.pools import CONNECTION_ERRORS, SERVER_SETTINGS, Connection
from tests.alerts.scenarios import MINUTE
from tests.alerts.service_desk import ServiceDesk, open_service_desk
from tests.people import Employee, make_tenant

OPEN_ALERTS = """
SELECT max(times) FROM (SELECT count(*) AS times FROM agent_alert_history
                        WHERE agent_device_id = ANY ($1::uuid[]) AND status IN ('active', 'acknowledged')
                        GROUP BY agent_alert_id, agent_device_id) t
"""
# Tickets that no incident knows, or two: a crash must leave none.
STRAY_TICKETS = """
SELECT count(*) FROM service_requests r
WHERE r.business_id = $1 AND (SELECT count(*) FROM agent_alert_tickets t WHERE t.service_request_id = r.id) <> 1
"""
OPEN_TICKETS = """
SELECT max(times) FROM (
    SELECT count(*) AS times
    FROM agent_alert_tickets t
    JOIN service_requests r ON r.id = t.service_request_id
    JOIN service_request_statuses s ON s.id = r.status_id
    WHERE t.business_id = $1 AND NOT s.is_final_status AND NOT t.was_touched
    GROUP BY t.incident_key) t
"""
WITHOUT_TICKET = """
SELECT count(*) FROM agent_alert_history h LEFT JOIN agent_alert_tickets t ON t.id = h.agent_alert_ticket_id
WHERE h.agent_device_id = ANY ($1::uuid[]) AND h.status IN ('active', 'acknowledged')
  AND (t.wanted IS DISTINCT FROM 'open' OR t.state <> 'open' OR t.due_at IS NOT NULL
       OR h.service_request_created IS DISTINCT FROM t.service_request_id)
"""
RESOLVE = """
UPDATE agent_alert_history SET status = 'resolved', resolved_at = $2
WHERE agent_device_id = ANY ($1::uuid[]) AND status = 'active'
"""
DELETE = "DELETE FROM service_requests WHERE business_id = $1"
TOUCH = "UPDATE service_requests SET updated_at = $2 WHERE business_id = $1"


@asynccontextmanager
async def cut_after(database: str, statements: int) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection that breaks when so many statements are answered: the next one is on its way by then."""
    connection = await asyncpg.connect(database, server_settings=SERVER_SETTINGS)
    numbers = count(1)

    def count_and_cut(query: object) -> None:
        if next(numbers) == statements:
            connection.terminate()

    connection.add_query_logger(count_and_cut)
    with suppress(*CONNECTION_ERRORS):
        yield connection
    if not connection.is_closed():
        await connection.close()


happenings = st.lists(
    st.tuples(
        st.sampled_from(
            ["breach"] * 3 + ["recovery"] * 2 + ["high", "low", "evaluate"] + ["work"] * 3
            + ["evaluate, cut"] * 3 + ["work, cut"] * 3 + ["resolve", "delete", "touch", "Completed", "a day later"]
        ),
        st.integers(1, 40),
    ),
    min_size=15,
    max_size=30,
)  # fmt: skip


WORK: dict[str, Callable[[Connection, datetime], Awaitable[object]]] = {"evaluate": evaluate, "work": work_tickets}


class World:
    """A business with two devices and a rule, to which things happen."""

    def __init__(self, desk: ServiceDesk, database: str, devices: list[UUID]) -> None:
        self.desk, self.devices = desk, devices
        self.now = desk.begin
        self._database = database

    async def happen(self, what: str, number: int) -> None:
        """Something happens, on one of the devices or cut off after so many statements."""
        self.now += MINUTE
        match what:
            case "high" | "low":
                self.now += 5 * MINUTE
                cpu = 95 if what == "high" else 10
                await self.desk.measure([self.devices[number % 2]], self.now, cpu)
            case "breach" | "recovery":
                await self.happen("high" if what == "breach" else "low", number)
                for _ in range(2):
                    await self.happen("evaluate", 0)
                    if number % 3:
                        await self.happen("work", 0)
                    self.now += 5 * MINUTE
            case "evaluate" | "work":
                await WORK[what](self.desk.connection, self.now)
            case "evaluate, cut" | "work, cut":
                async with cut_after(self._database, number) as connection:
                    await WORK[what.removesuffix(", cut")](connection, self.now)
            case "a day later":
                self.now += timedelta(hours=25)
            case _:
                await self.person_does(what)

    async def person_does(self, what: str) -> None:
        business = self.desk.business_id
        match what:
            case "resolve":
                await self.desk.connection.execute(RESOLVE, self.devices, self.now)
            case "delete":
                await self.desk.connection.execute(DELETE, business)
            case "touch":
                await self.desk.connection.execute(TOUCH, business, self.now)
            case status:
                if await self.desk.tickets():
                    await self.desk.person_sets(status)

    async def check(self) -> None:
        ask = self.desk.connection.fetchval
        assert (await ask(OPEN_ALERTS, self.devices) or 0) <= 1
        assert await ask(STRAY_TICKETS, self.desk.business_id) == 0
        assert (await ask(OPEN_TICKETS, self.desk.business_id) or 0) <= 1


@given(happenings=happenings)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
async def test_at_most_one_open_alert_and_one_open_ticket(
    pool: asyncpg.Pool, tokens: Tokens, employee: Employee, database: str, happenings: list[tuple[str, int]]
) -> None:
    tenant = await make_tenant(pool, tokens, "Property")
    async with open_service_desk(database, employee.employee_id, tenant.business_id) as desk:
        desk.begin -= timedelta(days=60)
        world = World(desk, database, await desk.devices(2))
        await desk.rule()
        for what, number in happenings:
            await world.happen(what, number)
            await world.check()
        await world.happen("evaluate", 0)
        world.now += timedelta(hours=1)  # beyond the longest delay
        await world.happen("work", 0)
        await world.check()
        assert await desk.connection.fetchval(WITHOUT_TICKET, world.devices) == 0


async def test_cut_off_after_any_statement_it_goes_on_where_it_was(
    pool: asyncpg.Pool, tokens: Tokens, employee: Employee, database: str
) -> None:
    tenant = await make_tenant(pool, tokens, "Cut")
    async with open_service_desk(database, employee.employee_id, tenant.business_id) as desk:
        world = World(desk, database, await desk.devices(2))
        await desk.rule()
        for statements in range(1, 50):
            await world.happen("high", 0)
            await world.happen("evaluate, cut", statements)
            await world.happen("work, cut", statements)
            await world.check()
        assert await desk.statuses() == ["Pending"]
        assert await desk.connection.fetchval(WITHOUT_TICKET, world.devices) == 0


async def test_workers_beside_an_evaluation_neither_double_nor_deadlock(
    pool: asyncpg.Pool, tokens: Tokens, employee: Employee, database: str
) -> None:
    tenant = await make_tenant(pool, tokens, "Crowd")
    async with open_service_desk(database, employee.employee_id, tenant.business_id) as desk:
        world = World(desk, database, await desk.devices(40))
        for severity in ("warning", "critical"):
            await desk.rule(severity=severity)
        working, done = True, Counter[Outcome]()

        async def work() -> None:
            async with cut_after(database, 1_000_000) as connection:
                while working:
                    done.update(await work_tickets(connection, world.now))
                    await asyncio.sleep(0.01)

        workers = [asyncio.create_task(work()) for _ in range(3)]
        for turn in range(12):
            world.now += 6 * MINUTE
            busy = world.devices[turn : turn + 8 + turn % 3 * 10]
            await desk.measure(busy, world.now, 95)
            await desk.measure([device for device in world.devices if device not in busy], world.now, 10)
            await evaluate(desk.connection, world.now)
            await world.check()
        working = False
        await asyncio.gather(*workers)
        assert done["postponed"] == 0
        assert min(done["opened"], done["closed"]) > 0
        await work_tickets(desk.connection, world.now + timedelta(hours=1))
        assert await desk.connection.fetchval(WITHOUT_TICKET, world.devices) == 0
