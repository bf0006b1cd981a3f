"""Alerts on what a device does not measure any more, although it goes on: they end with that reason after a time.

A device that is silent is another matter: its alerts stay open as `no_data`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from alerts.state.machine import AlertState
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "unmeasured.sql")

UNMEASURED = "no longer measured"
MAX_DEVICES = 1000  # of one evaluation; the next one takes others


async def find_measuring(
    connection: Connection, states: Mapping[tuple[UUID, UUID], AlertState], now: datetime, after: timedelta
) -> set[UUID]:
    """Return the devices that have gone on measuring, among those with a rule in `no_data` for longer than `after`."""
    waiting = {pair[1] for pair, state in states.items() if is_due(state, now, after)}
    if not waiting:
        return set()
    rows = await connection.fetch(QUERIES["find_measuring"], sorted(waiting)[:MAX_DEVICES], now)
    return {row["agent_device_id"] for row in rows}


def is_due(state: AlertState, now: datetime, after: timedelta) -> bool:
    """Tell whether a rule has had no data for longer than `after`; zero is never."""
    return bool(after) and state.state == "no_data" and state.since is not None and now - state.since >= after
