"""Keeps TimescaleDB's storage policies right: pauses those that would destroy data, and sets the values in force.

A refresh never looks back further than its source has chunks; as the source grows, its window is widened again.
"""

import logging
from datetime import datetime, timedelta
from functools import partial

from db.hypertables.policies import HOUR, Level
from db.hypertables.values import longest_windows
from db.isolation import Isolated
from db.pools import Connection
from rollups.drift import QUERIES, Drift, Policy, StorageState, find_unsafe, holds_behind, read_storage, words

TASK = "policy drift"  # of the worker, in agent_isolated_faults
log = logging.getLogger(__name__)

# Retention that is set again runs this much later: a refresh that began with the old window is over by then.
FIRST_RUN_AFTER = HOUR


async def pause_unsafe(connection: Connection, now: datetime) -> list[Drift]:
    """Take each policy whose next run would destroy data out of the schedule; return the reasons.

    One that cannot be paused is noted and tried again at the next call; it stops no other.
    """
    storage = await read_storage(connection)
    isolated = await Isolated(connection, TASK, now).read()
    isolated.postponed.clear()  # a policy that destroys data is never postponed
    paused = []
    for job, drift in await find_unsafe(connection, storage, now):
        pause = partial(connection.execute, *QUERIES.bind("set_schedule", job_id=job.job_id, scheduled=False))
        if job.scheduled and await isolated.attempt(f"job:{job.job_id}", pause) is not None:
            log.error("%s: the %s policy is paused", drift.sentence, drift.policy)
            paused.append(drift)
    return paused


async def watch_drift(connection: Connection, now: datetime) -> None:
    """Pause unsafe policies, as a periodic task of the worker."""
    await pause_unsafe(connection, now)


async def repair(connection: Connection, now: datetime) -> list[str]:
    """Put the values in force into the policies; every refresh looks back only as far as its source has chunks.

    Returns the changes as sentences. Dropped chunks stay dropped. Run it in a transaction.
    """
    storage = await read_storage(connection)
    windows = await safe_windows(connection, storage, now)
    done = []
    for level in storage.values.levels:
        done += await _repair_retention(connection, level, storage, now)
        refresh = storage.policies.get((level.relation, "refresh"))
        if refresh:
            done += await _set_window(connection, refresh, windows[level.name])
    for name, window in windows.items():
        await connection.execute(*QUERIES.bind("set_look_back", level=name, window=window))
    return done


async def set_drop_ages(connection: Connection, now: datetime) -> list[str]:
    """Set the ages of chunks in the retention policies only; returns the changes as sentences."""
    storage = await read_storage(connection)
    return [
        line for level in storage.values.levels for line in await _repair_retention(connection, level, storage, now)
    ]


async def widen(connection: Connection, now: datetime) -> None:
    """Let refreshes look back further where their source has grown since; one that was changed by SQL stays."""
    storage = await read_storage(connection)
    windows = await safe_windows(connection, storage, now)
    for level in storage.values.levels:
        refresh, back = storage.policies.get((level.relation, "refresh")), level.refresh_from
        if refresh and back and refresh.scheduled and refresh.start_offset == back < windows[level.name]:
            async with connection.transaction():
                (line,) = await _set_window(connection, refresh, windows[level.name])
                await connection.execute(*QUERIES.bind("set_look_back", level=level.name, window=windows[level.name]))
            log.info(line)


async def safe_windows(connection: Connection, storage: StorageState, now: datetime) -> dict[str, timedelta]:
    """Return by level how far its refresh may look back: no further than its source has chunks."""
    keep = {level.name: level.keep for level in storage.values.metrics}
    reach = longest_windows(keep)
    for below, level in storage.values.steps:
        if await holds_behind(connection, below, level, storage, now - reach[level.name], now):
            held = now - storage.oldest.get(below.relation, now)
            reach[level.name] = min(reach[level.name], (held // HOUR) * HOUR)
    return longest_windows(keep, reach)


async def _set_window(connection: Connection, refresh: Policy, window: timedelta) -> list[str]:
    if refresh.scheduled and refresh.start_offset == window:
        return []
    await connection.execute(*QUERIES.bind("set_refresh", job_id=refresh.job_id, window=window))
    return [f"{refresh.relation}: refresh runs and looks back {words(window)}"]


async def _repair_retention(connection: Connection, level: Level, storage: StorageState, now: datetime) -> list[str]:
    job, runs = storage.policies.get((level.relation, "retention")), not storage.held
    keep = storage.values.drop_after(level)
    if job is None:
        await connection.execute(*QUERIES.bind("add_retention", relation=level.relation, keep=keep))
        job = (await read_storage(connection)).policies[level.relation, "retention"]
    elif job.scheduled == runs and job.drop_after == keep:
        return []
    await connection.execute(
        *QUERIES.bind("set_retention", job_id=job.job_id, keep=keep, scheduled=runs, next_start=now + FIRST_RUN_AFTER)
    )
    rests = "" if runs else "; it is paused, because a legal hold is in force"
    return [f"{level.relation}: retention is {words(keep)} again{rests}"]
