"""Faults as sentences with the next step, for `rts-agents db status` and the worker's log.

The alert rules of docs/operations.md have the same bounds, for Prometheus.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from db.server_faults import server_faults
from health.fleet import FleetFacts, FleetHealth

PASS_EVERY = timedelta(seconds=30)  # as in worker/tasks.py
PASS_LATE = timedelta(minutes=5)
DUE_LATE = timedelta(minutes=10)  # a running worker does due work within seconds
CONNECTIONS_SHARE = 0.9
FREEZE_AGE = 1_000_000_000  # autovacuum begins at 200 million


def find_faults(fleet: FleetHealth) -> list[str]:
    """Return a sentence for each fault of the fleet; empty if it is healthy."""
    levels = [fault for level in (*fleet.levels, *fleet.series_levels) for fault in level.faults(fleet.at)]
    since = fleet.levels[0].since
    drifts = [f"{drift.sentence}: see `rts-agents retention show`" for drift in fleet.drifts]
    return [
        *(server_faults(fleet.server) if fleet.server else ()),
        *drifts,
        *levels,
        *_of_passes(fleet.facts, since, fleet.at),
        *_overdue(fleet.facts, fleet.at),
        *_server(fleet.facts),
    ]


def _of_passes(facts: FleetFacts, since: datetime | None, now: datetime) -> Iterator[str]:
    last = facts.alert_pass
    last_pass = last.at or since  # without any pass: the time since there are rules to evaluate
    if last_pass and now - last_pass > PASS_LATE:
        when = f"last {timedelta(seconds=round((now - last_pass).total_seconds()))} ago" if last.at else "never"
        yield f"alert rules were evaluated {when}: start `rts-agents worker`, or look into its log"
    if last.seconds and last.seconds > PASS_EVERY.total_seconds():
        yield (
            f"one evaluation of all alert rules takes {last.seconds:.0f} s, over its interval: see docs/operations.md"
        )


def _overdue(facts: FleetFacts, now: datetime) -> Iterator[str]:
    due_since = {
        "commands": facts.commands_due_since, "tickets": facts.tickets.due_since,
    }  # fmt: skip  # not notifications: quiet hours hold them
    for task, since in due_since.items():
        if since and now - since > DUE_LATE:
            yield f"{task} are due since {since:%Y-%m-%d %H:%M} UTC: start `rts-agents worker`, or look into its log"


def _server(facts: FleetFacts) -> Iterator[str]:
    database = facts.database
    if database.connections > CONNECTIONS_SHARE * database.connections_max:
        yield (
            f"{database.connections} of {database.connections_max} connections are in use: lower RTS_POOL_SIZE or "
            "RTS_WORKERS, or raise max_connections"
        )
    if database.freeze_age > FREEZE_AGE:
        yield f"the oldest row is {database.freeze_age:,} transactions old: autovacuum cannot freeze it"
