"""Ends alerts on metrics that a device no longer measures although it still uploads, after a time and with that reason.

Alerts of a silent device stay open as `no_data`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from alerts.query.results import Place
from alerts.state.machine import AlertState, Transition, leave
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "unmeasured.sql")

UNMEASURED = "no longer measured"
MAX_DEVICES = 1000  # of one evaluation; the next one takes others


async def end_unmeasured(
    connection: Connection,
    states: Mapping[Place, AlertState],
    transitions: Sequence[Transition],
    now: datetime,
    after: timedelta,
) -> list[Transition]:
    """Return the ends of alerts that have had no data for longer than `after` (zero: never) on devices that continue.

    Places that change in this pass anyway (`transitions`) are left out.
    """
    changed = {one.place for one in transitions}
    waiting = {
        place: state for place, state in states.items() if place not in changed and is_due(state, now, after)
    }  # fmt: skip
    measuring = await find_measuring(connection, {place[1] for place in waiting}, now)
    return [leave(place, state, now, UNMEASURED) for place, state in waiting.items() if place[1] in measuring]


async def find_measuring(connection: Connection, devices: set[UUID], now: datetime) -> set[UUID]:
    """Return those of `devices` that still send samples at `now` (UTC)."""
    if not devices:
        return set()
    rows = await connection.fetch(*QUERIES.bind("find_measuring", devices=sorted(devices)[:MAX_DEVICES], now=now))
    return {row["agent_device_id"] for row in rows}


def is_due(state: AlertState, now: datetime, after: timedelta) -> bool:
    """Return whether a rule has had no data for longer than `after`; zero is never."""
    return bool(after) and state.state == "no_data" and state.since is not None and now - state.since >= after
