"""What the worker does, as a table: name, how often, what, and whether a server with a scheduler needs it at all."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.command_delivery import settle_due_commands
from db.pools import Connection
from db.settings import Settings
from db.sql import load_beside
from rollups.refresh import PolicyRunner
from rollups.status import read_status

QUERIES = load_beside(__file__)
log = logging.getLogger(__name__)

EACH_PASS = timedelta(0)


@dataclass(frozen=True, slots=True)
class Duty:
    """`do` takes a connection outside a transaction, and now (UTC)."""

    name: str
    every: timedelta
    do: Callable[[Connection, datetime], Awaitable[None]]
    without_scheduler: bool = False


def make_duties(settings: Settings) -> list[Duty]:
    """Return the duties in the order in which they are done."""
    return [
        Duty("storage policies", EACH_PASS, run_policies(PolicyRunner()), without_scheduler=True),
        Duty("vacuum", timedelta(minutes=30), clean_up, without_scheduler=True),
        Duty("due commands", EACH_PASS, settle_due_commands),
        Duty("freshness", timedelta(minutes=5), watch_freshness),
    ]


def run_policies(runner: PolicyRunner) -> Callable[[Connection, datetime], Awaitable[None]]:
    """Refresh, columnstore and retention: TimescaleDB's jobs, where no scheduler of its own runs them."""

    async def do(connection: Connection, now: datetime) -> None:
        for job in await runner.run_due(connection, now):
            log.info("ran %s of %s", job.procedure, job.relation)

    return do


async def clean_up(connection: Connection, now: datetime) -> None:
    """Do what autovacuum does elsewhere."""
    del now
    await connection.execute(QUERIES["clean_up"])


async def watch_freshness(connection: Connection, now: datetime) -> None:
    """Say in the log which level is stale."""
    for fault in [fault for level in await read_status(connection) for fault in level.faults(now)]:
        log.warning(fault)
