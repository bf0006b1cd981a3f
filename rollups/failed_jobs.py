"""Jobs that TimescaleDB marked failed and delays: the worker runs them at their interval.

After a failure TimescaleDB delays a job by up to five intervals. Some pairs of TimescaleDB and PostgreSQL mark every
job failed although its work is committed (`db/server_faults.py`): a refresh of 5 minutes then runs every 27, one of 30
minutes every 85. A run by the worker is not marked. After a run that ended well the scheduler tries the next one
itself, so the worker stops doing this as soon as the scheduler's runs end well.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from db.hypertables.policies import HOUR
from db.isolation import Isolated
from db.pools import Connection
from db.sql import load_beside
from rollups.refresh import RELATIONS, Job, in_order, without_unsafe

QUERIES = load_beside(__file__, "failed_jobs.sql")
TASK = "failed jobs"  # of the worker, in agent_isolated_faults
HOLD = HOUR  # while the worker runs a job, the server does not begin it
RUN_SECONDS = 3000.0  # shorter than HOLD


@dataclass(frozen=True, slots=True)
class Delay:
    """When the server would run a job again (UTC), and whether our role may run it: it must be the owner's."""

    next_start: datetime
    may_run: bool


async def run_delayed(connection: Connection, now: datetime) -> list[Job]:
    """Run each job that the server marked failed and delays beyond its interval; return those that ended well.

    A job that fails here too is noted in `agent_isolated_faults` and left out for a while, as the server does.
    """
    isolated = await Isolated(connection, TASK, now).read()
    rows = await connection.fetch(*QUERIES.bind("list_delayed", relations=RELATIONS, now=now))
    delays = {row["job_id"]: Delay(row["next_start"], row["may_run"]) for row in rows}
    jobs = [Job(row["job_id"], row["kind"], row["relation"], row["every"]) for row in rows]
    done = []
    for job in in_order(await without_unsafe(connection, jobs, now)):
        run = partial(_run_alone, connection, job, delays[job.job_id], now)
        if await isolated.attempt_parts(f"{job.kind} of {job.relation}", run, RUN_SECONDS):
            done.append(job)
    return done


async def _run_alone(connection: Connection, job: Job, delay: Delay, now: datetime) -> bool:
    """Run a job unless another worker does, or did within its interval; return whether it ended well here."""
    if not await connection.fetchval(*QUERIES.bind("lock_job", job_id=job.job_id)):
        return False
    try:
        if not await connection.fetchval(*QUERIES.bind("begin_run", job_id=job.job_id, every=job.every, now=now)):
            return False
        return await _run(connection, job, delay)
    finally:
        if not connection.is_closed():
            await connection.fetchval(*QUERIES.bind("unlock_job", job_id=job.job_id))


async def _run(connection: Connection, job: Job, delay: Delay) -> bool:
    """Run a job while the scheduler is kept from it; False where the scheduler runs it. Raises what the job raises."""
    if not delay.may_run:
        if job.kind != "columnstore":  # the owner's function is for the others
            await connection.execute(*QUERIES.bind("ask_scheduler", job_id=job.job_id))
        return False
    await connection.execute(*QUERIES.bind("hold_off", job_id=job.job_id, hold=HOLD))
    try:
        if await connection.fetchval(*QUERIES.bind("is_running", job_id=job.job_id)):
            await connection.execute(*QUERIES.bind("delay", job_id=job.job_id, next_start=delay.next_start))
            return False
        await connection.execute(*QUERIES.bind("run_job", job_id=job.job_id))
    except BaseException:
        if not connection.is_closed():
            await connection.execute(*QUERIES.bind("delay", job_id=job.job_id, next_start=delay.next_start))
        raise
    await connection.execute(*QUERIES.bind("end_run", job_id=job.job_id, every=job.every))
    return True
