"""Changes of rules that meet another transaction head on: made after it, or told to come again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from tests.calls import error_of
from tests.databases import REAL_SERVER, as_admin
from tests.devices import Device
from tests.people import Tenant
from tests.rules import CPU, Rules, only_alert

pytestmark = pytest.mark.skipif(not REAL_SERVER, reason="on the embedded server, transactions take turns")


class Others:
    """A transaction that holds an alert and wants its rule, while a change of the rule wants the alert."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def meet(self, rule_id: str) -> None:
        """Wait until the change waits for the alert, then want the rule: the database ends the change."""
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        while not await self._connection.fetchval(waiting):  # noqa: ASYNC110  only the database knows
            await asyncio.sleep(0.01)
        await self._connection.fetch("SELECT FROM agent_alerts WHERE id = $1::text::uuid FOR UPDATE", rule_id)


async def wait_long_for_deadlocks(database: str, connection: asyncpg.Connection) -> None:
    """Let it be the other session that gives way; only a superuser may set this, or allow it to a role."""
    admin = await asyncpg.connect(as_admin(database))
    role = await connection.fetchval("SELECT quote_ident(current_user)")
    await admin.execute(f"GRANT SET ON PARAMETER deadlock_timeout TO {role}")
    await admin.close()
    await connection.execute("SET deadlock_timeout = '1min'")


@asynccontextmanager
async def deadlock(database: str, alert_id: str) -> AsyncIterator[Others]:
    connection = await asyncpg.connect(database)
    await wait_long_for_deadlocks(database, connection)
    async with connection.transaction():
        await connection.fetch("SELECT FROM agent_alert_history WHERE id = $1::text::uuid FOR UPDATE", alert_id)
        yield Others(connection)
    await connection.close()


@pytest.mark.parametrize("how", ["change", "disable", "delete"])
async def test_a_change_that_meets_the_ticket_worker_head_on_is_made_after_it(
    rules: Rules, device: Device, alice: Tenant, database: str, how: str
) -> None:
    rule = await rules.make(alice)
    await rules.fire(device)
    alert = await only_alert(device)
    async with deadlock(database, alert["id"]) as others:
        if how == "change":
            call = rules.call("PATCH", rule["id"], json={"conditions": CPU | {"threshold": 80}})
        else:
            call = rules.call("DELETE", rule["id"]) if how == "delete" else rules.call("POST", rule["id"], "disable")
        change = asyncio.create_task(call)
        await others.meet(rule["id"])
    assert (await change).status_code == (204 if how == "delete" else 200)
    assert (await only_alert(device))["status"] == "resolved"
    assert len(await rules.trail(rule)) == 2


async def test_a_change_that_always_meets_another_is_told_to_come_again(
    rules: Rules, device: Device, alice: Tenant, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.transactions.ATTEMPTS", 1)
    rule = await rules.make(alice)
    await rules.fire(device)
    async with deadlock(database, (await only_alert(device))["id"]) as others:
        change = asyncio.create_task(rules.call("DELETE", rule["id"]))
        await others.meet(rule["id"])
    assert error_of(await change) == (503, "database_busy")
    assert (await change).headers["Retry-After"]
    assert (await only_alert(device))["status"] == "active"
