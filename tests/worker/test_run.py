"""The worker's loop: each task at its time, one that fails doesn't stop the others."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg

from core.errors import RtsError
from core.settings import Settings
from db.pools import Connection
from worker.run import Worker, run_worker
from worker.tasks import PeriodicTask

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Done:
    """A task that notes when it was done."""

    def __init__(self, fails: bool = False) -> None:
        self.at: list[datetime] = []
        self._fails = fails

    async def __call__(self, connection: Connection, now: datetime) -> None:
        self.at.append(now)
        if self._fails:
            raise RtsError("not today")


async def test_a_task_is_done_when_its_interval_has_passed(connection: asyncpg.Connection) -> None:
    often, seldom = Done(), Done()
    worker = Worker([PeriodicTask("often", timedelta(0), often), PeriodicTask("seldom", 5 * MINUTE, seldom)])
    for minute in range(11):
        await worker.do_due(connection, NOW + minute * MINUTE, scheduler=False)
    assert len(often.at) == 11
    assert seldom.at == [NOW, NOW + 5 * MINUTE, NOW + 10 * MINUTE]


async def test_a_task_that_fails_doesnt_stop_the_others(connection: asyncpg.Connection) -> None:
    bad, good = Done(fails=True), Done()
    worker = Worker([PeriodicTask("bad", timedelta(0), bad), PeriodicTask("good", timedelta(0), good)])
    await worker.do_due(connection, NOW, scheduler=False)
    await worker.do_due(connection, NOW, scheduler=False)
    assert (len(bad.at), len(good.at)) == (2, 2)


async def test_the_worker_skips_tasks_that_the_scheduler_of_the_server_runs(connection: asyncpg.Connection) -> None:
    policies = Done()
    worker = Worker([PeriodicTask("policies", timedelta(0), policies, scheduler=False)])
    await worker.do_due(connection, NOW, scheduler=True)
    assert policies.at == []
    await worker.do_due(connection, NOW, scheduler=False)
    assert policies.at == [NOW]


async def test_the_worker_ends_when_it_is_told_to(settings: Settings) -> None:
    stop = asyncio.Event()
    working = asyncio.create_task(run_worker(settings, stop))
    await asyncio.sleep(1)
    assert not working.done()
    stop.set()
    await asyncio.wait_for(working, 30)


async def test_on_a_small_server_few_tasks_run_at_once_and_all_are_done(database: str) -> None:
    running, most, done = 0, 0, 0

    async def counted(connection: Connection, now: datetime) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running, done = running - 1, done + 1

    worker = Worker([PeriodicTask(f"task {number}", 60 * MINUTE, counted) for number in range(12)])
    worker.bound(30)
    async with asyncpg.create_pool(database, min_size=0, max_size=13) as pool, asyncio.timeout(60):
        worker.begin_due(pool, NOW, scheduler=False)
        while done < 12:  # noqa: ASYNC110  it is counted by the tasks
            await asyncio.sleep(0.05)
        await worker.end()
    assert most <= 3


async def test_a_stuck_task_delays_no_other_and_is_noted(database: str, connection: asyncpg.Connection) -> None:
    good = Done()

    async def stuck(connection: Connection, now: datetime) -> None:
        await asyncio.sleep(3600)

    worker = Worker([PeriodicTask("stuck", timedelta(0), stuck, seconds=0.3), PeriodicTask("good", timedelta(0), good)])
    query = "SELECT reason FROM agent_isolated_faults WHERE task = 'worker' AND item = 'stuck'"
    async with asyncpg.create_pool(database, min_size=0, max_size=3) as pool, asyncio.timeout(60):
        reason, number = None, 0
        while reason is None or len(good.at) < 3:
            worker.begin_due(pool, NOW + number * MINUTE, scheduler=False)
            await asyncio.sleep(0.05)
            reason, number = await connection.fetchval(query), number + 1
        await worker.end()
    assert reason == "not done in 0.3 s"
    assert len(good.at) >= 3
    await connection.execute("DELETE FROM agent_isolated_faults WHERE item = 'stuck'")
