"""Compare the database's storage policies with our values, and find refreshes that would destroy rollups.

Policies can be changed by SQL. A refresh that begins before the oldest chunk of its source replaces good rollups with
nothing, so such a refresh is paused until `rts-agents retention repair` has shortened its window.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import asyncpg

from db.hypertables.policies import HOUR, LEVELS, SERIES_LEVELS, SLACK, Level
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "drift.sql")
STORED = (*LEVELS, *SERIES_LEVELS)
STEPS = (*pairwise(LEVELS), *pairwise(SERIES_LEVELS))  # (source, rollup)
KINDS = {
    "policy_retention": "retention", "policy_compression": "columnstore",
    "policy_refresh_continuous_aggregate": "refresh",
}  # fmt: skip
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy's job as the database has it."""

    relation: str
    job_id: int
    procedure: str
    scheduled: bool
    drop_after: timedelta | None
    compress_after: timedelta | None
    start_offset: timedelta | None
    end_offset: timedelta | None
    every: timedelta


@dataclass(frozen=True, slots=True)
class Storage:
    """The policies by (relation, kind), and where the oldest chunk of each relation begins (UTC)."""

    policies: dict[tuple[str, str], Policy]
    oldest: dict[str, datetime]


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference, as a sentence; `unsafe` when the next refresh of `relation` would destroy rollups."""

    relation: str
    policy: str  # retention, columnstore or refresh
    sentence: str
    unsafe: bool = False


async def read_storage(connection: Connection) -> Storage:
    """Return the policies and oldest chunks of every level."""
    names = [level.relation for level in STORED]
    found = [Policy(**dict(row)) for row in await connection.fetch(QUERIES["list_policies"], names)]
    policies = {(one.relation, KINDS[one.procedure]): one for one in found if one.procedure in KINDS}
    rows = await connection.fetch(QUERIES["list_oldest_chunks"], names)
    return Storage(policies, {row["relation"]: row["oldest"] for row in rows})


async def find_drift(connection: Connection, now: datetime) -> list[Drift]:
    """Return every difference between the database's policies and our values, unsafe refreshes first."""
    storage = await read_storage(connection)
    unsafe = [drift for step in STEPS if (drift := await _find_unsafe(connection, *step, storage, now))]
    return [*unsafe, *(drift for level in STORED for drift in _differences(level, storage))]


async def pause_unsafe(connection: Connection, now: datetime) -> list[Drift]:
    """Take each unsafe refresh out of the schedule and return what made it unsafe."""
    storage = await read_storage(connection)
    paused = []
    for below, level in STEPS:
        job = storage.policies.get((level.relation, "refresh"))
        drift = await _find_unsafe(connection, below, level, storage, now) if job and job.scheduled else None
        if job and drift:
            await connection.execute(QUERIES["pause_job"], job.job_id)
            log.error("%s: refresh is paused", drift.sentence)
            paused.append(drift)
    return paused


async def repair(connection: Connection, now: datetime) -> list[str]:
    """Put back retention, and schedule every refresh as far back as its source reaches; returns what was changed.

    Chunks that are gone stay gone. Run it in a transaction.
    """
    done = [sentence for level in STORED for sentence in await _repair_retention(connection, level)]
    storage = await read_storage(connection)
    for below, level in STEPS:
        job = storage.policies.get((level.relation, "refresh"))
        assert level.refresh_from
        if job is None:
            continue
        window = await _safe_window(connection, below, level, storage, now)
        if not job.scheduled or job.start_offset != window:
            await connection.execute(QUERIES["set_refresh"], job.job_id, window)
            done.append(f"{level.relation}: refresh runs and looks back {_words(window)}")
    return done


async def _repair_retention(connection: Connection, level: Level) -> list[str]:
    job = (await read_storage(connection)).policies.get((level.relation, "retention"))
    if job and job.scheduled and job.drop_after == level.keep:
        return []
    if job:
        await connection.execute(QUERIES["set_retention"], job.job_id, level.keep)
    else:
        await connection.execute(QUERIES["add_retention"], level.relation, level.keep)
    return [f"{level.relation}: retention is {_words(level.keep)} again"]


async def _safe_window(
    connection: Connection, below: Level, level: Level, storage: Storage, now: datetime
) -> timedelta:
    assert level.refresh_from
    assert level.bucket
    if await _holds_behind(connection, below, level, storage, now - level.refresh_from, now):
        held = now - storage.oldest.get(below.relation, now)
        shortest = (level.refresh_to or timedelta()) + 2 * level.bucket
        return max(shortest, (held // HOUR) * HOUR)
    return level.refresh_from


async def _find_unsafe(
    connection: Connection, below: Level, level: Level, storage: Storage, now: datetime
) -> Drift | None:
    refresh = storage.policies.get((level.relation, "refresh"))
    if refresh is None:
        return None
    retention = storage.policies.get((below.relation, "retention"))
    keep = retention.drop_after if retention else None
    back = refresh.start_offset
    lost = "the refresh would replace good rollups with nothing"
    if keep and (back is None or back > keep - below.chunk - SLACK):
        looks = f"looks back {_words(back)}" if back else "looks back without end"
        drops = f"{below.relation} drops chunks after {_words(keep)}"
        return Drift(level.relation, "refresh", f"{level.relation}: refresh {looks}, but {drops}: {lost}", unsafe=True)
    start = now - back if back else datetime.fromtimestamp(0, UTC)
    if await _holds_behind(connection, below, level, storage, start, now):
        since = storage.oldest.get(below.relation)
        held = f"{below.relation} has no chunk" + (f" before {since:%Y-%m-%d}" if since else "")
        begins = f"refresh begins on {start:%Y-%m-%d}, but {held}"
        return Drift(level.relation, "refresh", f"{level.relation}: {begins}: {lost}", unsafe=True)
    return None


async def _holds_behind(
    connection: Connection, below: Level, level: Level, storage: Storage, start: datetime, now: datetime
) -> bool:
    """Whether the rollup has rows from `start` on that its source has no chunks for any more."""
    oldest = storage.oldest.get(below.relation, now)
    return start < oldest and bool(await connection.fetchval(QUERIES[f"holds_{level.relation}"], start, oldest))


def _differences(level: Level, storage: Storage) -> Iterator[Drift]:
    for kind, wanted in _wanted(level).items():
        job = storage.policies.get((level.relation, kind))
        if job is None:
            yield Drift(level.relation, kind, f"{level.relation}: the {kind} policy is missing")
            continue
        if not job.scheduled:
            yield Drift(level.relation, kind, f"{level.relation}: the {kind} policy is switched off")
        for name, value in wanted.items():
            found = getattr(job, name)
            if found != value:
                values = f"{_words(found) if found is not None else 'unset'} in the database, {_words(value)} here"
                yield Drift(level.relation, kind, f"{level.relation}: {name} of the {kind} policy is {values}")


def _wanted(level: Level) -> dict[str, dict[str, timedelta]]:
    """Return our values by kind of policy and field of Policy."""
    wanted = {"retention": {"drop_after": level.keep}, "columnstore": {"compress_after": level.columnstore_after}}
    if level.refresh_from and level.refresh_to and level.refresh_every:
        wanted["refresh"] = {
            "start_offset": level.refresh_from, "end_offset": level.refresh_to, "every": level.refresh_every,
        }  # fmt: skip
    return wanted


def _words(span: timedelta) -> str:
    hours = span / HOUR
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} hours" if hours >= 1 else f"{hours * 60:g} minutes"


async def watch_drift(connection: Connection, now: datetime) -> None:
    """Pause unsafe refreshes; a role that may not alter the jobs leaves it at an error in the log."""
    try:
        await pause_unsafe(connection, now)
    except asyncpg.InsufficientPrivilegeError as error:
        log.error("an unsafe refresh can't be paused, run the worker as the owner of the tables: %s", error)
