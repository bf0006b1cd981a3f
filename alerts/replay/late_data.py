"""Evaluation of late data: a laptop returns, and its samples show breaches of the time in which it was offline.

Each breach is recorded at its own time, as an alert that has ended: "found late". It notifies nobody and opens no
ticket. Breaches that still go on are left to live evaluation. A device is evaluated after each of its late uploads:

1. Read the range of the late samples, and the rules whose windows are at most two hours long.
2. Run the state machine over that range (`replayer.py`), over raw samples, with current rules and maintenance windows.
3. Write the breaches that overlap no alert of that time. A second run over the same samples therefore writes nothing.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import asyncpg
import msgspec

from alerts.query.compiler import RAW_UP_TO
from alerts.query.results import ConditionResult
from alerts.replay.replayer import Replay
from alerts.rules.loader import RuleRow, read_rules
from alerts.rules.terms import Rule, Scope
from alerts.silences.past import read_past_silences
from alerts.state.apply import alert_message, describe_devices
from alerts.state.machine import Transition
from alerts.tickets.texts import describe_place
from db.hypertables.policies import LATE_AFTER, RAW
from db.isolation import Isolated
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "late_data.sql")

AT_ONCE = 20  # devices in one pass; one that was away for three weeks takes half a second
MAX_INSTANTS, INSTANTS_AT_ONCE = 5000, 500
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class LateBreach:
    """A breach of the past on one device, or on an instance of it; `result` is the result when it began."""

    row: RuleRow
    instance: str
    began: datetime
    ended: datetime
    result: ConditionResult


async def find_late(connection: Connection, now: datetime) -> int:
    """Evaluate devices with late samples at `now` (UTC), outside a transaction; return the number of breaches."""
    isolated = await Isolated(connection, "late samples", now).read()
    devices = await connection.fetch(
        *QUERIES.bind("late_devices", limit=AT_ONCE, postponed=isolated.postponed_ids("device"))
    )
    rules = await read_rules(connection) if devices else None
    alert_count = 0
    for device in devices:
        look = partial(evaluate_late_device, connection, device["id"], list(rules.rows.values() if rules else ()), now)
        alert_count += await isolated.attempt(f"device:{device['id']}", look) or 0
    return alert_count


async def evaluate_late_device(connection: Connection, device_id: UUID, rows: Sequence[RuleRow], now: datetime) -> int:
    """Record the breaches in the late samples of a device, unless another worker does; return their number."""
    late = await connection.fetchrow(*QUERIES.bind("claim_late", device_id=device_id, max_lag=LATE_AFTER))
    reaching = [row for row in rows if late and judges_by_samples(row) and reaches(row.rule.reach, late)]
    if late is None or late["first"] is None or not reaching:
        return 0
    late_breaches = [one for group in by_hours(reaching) for one in await replayed(connection, group, late, now)]
    return await record(connection, late, late_breaches, now)


def judges_by_samples(row: RuleRow) -> bool:
    """Return whether a rule can be evaluated again: it is no shadow rule, and its windows are at most two hours."""
    of_samples = ((term.feature is not None or term.kind == "series", term.window) for term in row.rule.terms)
    return not row.is_shadow and all(by_samples and window <= RAW_UP_TO for by_samples, window in of_samples)


def reaches(reach: Scope, device: asyncpg.Record) -> bool:
    """Return whether a device is in the scope of a rule."""
    required = (reach.business_id, reach.service_location_id, reach.device_id, reach.device_type)
    has = (device["business_id"], device["service_location_id"], device["id"], device["device_type"])
    return all(one is None or one == other for one, other in zip(required, has, strict=True))


def by_hours(rows: Sequence[RuleRow]) -> list[list[RuleRow]]:
    """Return the rules grouped by their active hours."""
    groups: dict[bytes, list[RuleRow]] = defaultdict(list)
    for row in rows:
        groups[msgspec.json.encode(row.active_hours)].append(row)
    return list(groups.values())


async def replayed(
    connection: Connection, rows: Sequence[RuleRow], late: asyncpg.Record, now: datetime
) -> Iterator[LateBreach]:
    """Evaluate rules with the same active hours over the range of a device's late samples; yield the breaches."""
    rules = [Rule(row.rule.id, Scope(device_id=late["id"]), row.rule.condition, row.rule.keep_firing) for row in rows]
    instants = instants_of(rules, late, now)
    muted = await read_past_silences(connection, instants[0], now, late["business_id"], rows[0].active_hours)
    replay = Replay(rules, late["business_id"], RAW, muted)
    transitions: dict[tuple[UUID, str], list[Transition]] = defaultdict(list)
    for start in range(0, len(instants), INSTANTS_AT_ONCE):
        for one in await replay.go_on(connection, instants[start : start + INSTANTS_AT_ONCE]):
            transitions[one.rule_id, one.instance].append(one)
    by_id = {row.rule.id: row for row in rows}
    return (one for (rule_id, _), course in transitions.items() for one in breaches(by_id[rule_id], course))


def instants_of(rules: Sequence[Rule], late: asyncpg.Record, now: datetime) -> list[datetime]:
    """Return the instants to evaluate: from before the late samples until alerts on them have ended, at most `now`."""
    window = max(term.window for rule in rules for term in rule.terms)
    begin = late["first"] - window
    end = min(now, late["last"] + window + max(rule.keep_firing for rule in rules) + 3 * late["every"])
    step = max(MINUTE, late["every"], (end - begin) / MAX_INSTANTS)
    return [begin + number * step for number in range(int((end - begin) / step) + 1)]


def breaches(row: RuleRow, transitions: Sequence[Transition]) -> Iterator[LateBreach]:
    """Yield the finished alerts that a rule would have had in one place.

    An alert that is open at the last sample ends there.
    """
    begun: Transition | None = None
    for one in transitions:
        if one.fires:
            begun = one
        if one.resolves and begun:
            yield LateBreach(row, begun.instance, begun.at, one.at, begun.result)
            begun = None
    if begun and transitions[-1].after.state == "no_data":
        yield LateBreach(row, begun.instance, begun.at, transitions[-1].at, begun.result)


async def record(
    connection: Connection, late: asyncpg.Record, late_breaches: Sequence[LateBreach], now: datetime
) -> int:
    """Write the breaches that overlap no alert; return their number."""
    device = (await describe_devices(connection, [late["id"]]))[late["id"]]
    name = device["device_name"]
    messages = [alert_message(one.row, one.result, describe_place(name, one.instance)) for one in late_breaches]
    rows = await connection.fetch(
        *QUERIES.bind(
            "record_found",
            device_id=late["id"],
            rules=[one.row.rule.id for one in late_breaches],
            instances=[one.instance for one in late_breaches],
            begins=[one.began for one in late_breaches],
            ends=[one.ended for one in late_breaches],
            severities=[one.row.severity for one in late_breaches],
            messages=messages,
            values=[one.result.value for one in late_breaches],
            thresholds=[one.result.threshold for one in late_breaches],
            now=now,
        ),
    )
    return len(rows)
