"""Decides whether a balancer should send requests here; queries the database at most every two seconds.

It uses separate connections, so that a busy API pool does not make the process unready for uploads.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

import asyncpg

from api.errors import NotReadyError, Reason
from api.server.body_budget import BodyBudget
from db.migrations.run import code_revisions, head
from db.pools import CONNECTION_ERRORS
from db.server_faults import MAX_CLOCK_OFFSET
from db.sql import load_beside
from health.process import ThisProcess
from health.ttl_cache import TtlCache
from ingest.counters import IngestCounters
from ingest.group_commit import GroupCommit

QUERIES = load_beside(__file__, "readiness.sql")
log = logging.getLogger(__name__)

KEEP_SECONDS = 2.0
TIMEOUT_SECONDS = 2.0
FULL_SHARE = 0.9  # of the buffer
STUCK_SECONDS = 30.0  # a flush takes milliseconds; each of its statements ends by its own time-out after 20
FAILED_SECONDS = 10.0  # after a failed flush; then an upload may try again

DRAINING = Reason("draining", "This process is draining and will stop.")
FULL = Reason("buffer_full", "Samples arrive faster than the database stores them: the queue is full.")
BODIES = Reason("bodies_full", "Request bodies in memory have reached RTS_MAX_DECODING_BYTES.")
STUCK = Reason("writer_stuck", f"A flush has taken over {STUCK_SECONDS:.0f} seconds.")
FAILED = Reason("writer_failed", "The last flush has failed.")
AWAY_NOW = Reason("database_unavailable", "The database does not answer.")
READ_ONLY = Reason("database_read_only", "The database is read-only; it may be a standby.")
LOCKED = Reason("database_locked", "Writes wait for a lock that another session holds: see docs/operations.md.")
CLOCK = Reason("clock_differs", "The clocks of this host and of the database differ by over a minute: set both by NTP.")
OTHER_SCHEMA = Reason("schema_not_migrated", "The schema is not the one of this version: run `rts-agents db upgrade`.")


def ignore_outcome(task: "asyncio.Future[Any]") -> None:
    """Read the outcome of an abandoned task, so that asyncio does not log it."""
    if not task.cancelled():
        task.exception()


class Readiness:
    """Checks whether this process is ready."""

    def __init__(
        self, pool: asyncpg.Pool, commits: GroupCommit, budget: BodyBudget, tally: IngestCounters, process: ThisProcess
    ) -> None:
        """`pool`: of connections that no request of the API borrows."""
        self._pool, self._commits, self._budget, self._tally, self._process = pool, commits, budget, tally, process
        self._older = code_revisions() - {head()}
        self._asking: set[asyncio.Future[Any]] = set()
        self.database = TtlCache(KEEP_SECONDS, self._ask)

    async def check(self) -> None:
        """Raise NotReadyError with every reason against sending requests here."""
        reasons = [reason for reason in (*self._own_reasons(), await self.database.get()) if reason]
        if reasons:
            raise NotReadyError(reasons)

    def _own_reasons(self) -> list[Reason]:
        now = time.monotonic()
        since = self._commits.writing_since
        facts = {
            DRAINING: self._process.draining,
            FULL: self._commits.buffered >= FULL_SHARE * self._commits.max_samples,
            BODIES: self._budget.is_spent,
            STUCK: since is not None and now - since > STUCK_SECONDS,
            FAILED: self._tally.failed_at > 0 and now - self._tally.failed_at < FAILED_SECONDS,
        }
        return [reason for reason, holds in facts.items() if holds]

    async def _ask(self) -> Reason | None:
        try:
            row = await self._within_timeout(self._pool.fetchrow(QUERIES["check_writable"]))
        except asyncpg.UndefinedTableError:
            return OTHER_SCHEMA
        except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
            log.warning("readiness: the database does not answer: %r", error)
            return AWAY_NOW
        assert row is not None
        return self._judge(row)

    async def _within_timeout(self, query: Coroutine[Any, Any, asyncpg.Record | None]) -> asyncpg.Record | None:
        """Return the row of a query, or raise TimeoutError without waiting for the cancellation.

        asyncpg sends the cancellation on its own connection and waits for seconds where nothing answers.
        """
        task = asyncio.ensure_future(query)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        done, _ = await asyncio.wait({task}, timeout=TIMEOUT_SECONDS)
        if not done:
            task.add_done_callback(ignore_outcome)
            task.cancel()
            raise TimeoutError
        return task.result()

    def _judge(self, row: asyncpg.Record) -> Reason | None:
        facts = {
            READ_ONLY: row["read_only"],
            LOCKED: row["locked"],
            CLOCK: abs(time.time() - row["clock"]) > MAX_CLOCK_OFFSET,
            # A revision newer than this code: an upgrade is under way, and this process serves until its restart.
            OTHER_SCHEMA: row["revision"] in self._older,
        }
        return next((reason for reason, holds in facts.items() if holds), None)
