"""Writes the effects of transitions in the transaction of the evaluation: states, alerts, tickets, notifications.

Nothing is sent from here. A ticket or a notification is a row that another periodic task processes, so that a failure
there never loses an alert.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from alerts.notify.queue import queue_firing, queue_resolved
from alerts.query.results import ConditionResult
from alerts.rules.loader import RuleRow
from alerts.state.machine import Transition
from alerts.tickets.incidents import FiredAlert, write_tickets
from alerts.tickets.texts import describe_place
from core.text import clean_name
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "apply.sql")
MAX_MESSAGE = 1000  # characters


async def apply_transitions(
    connection: Connection, rows: Mapping[UUID, RuleRow], transitions: Sequence[Transition]
) -> None:
    """Write all effects of the transitions of one evaluation; `rows`: the rules by id."""
    if not transitions:
        return
    now = transitions[0].at
    await write_transitions(connection, rows, transitions, now)
    await write_states(connection, transitions, now)
    alerting = [one for one in transitions if not rows[one.rule_id].is_shadow]
    # Firing alerts first: this locks tickets before the alerts that end, in the worker's lock order.
    fired = await open_alerts(connection, rows, [one for one in alerting if one.fires], now)
    await write_tickets(connection, fired, now)
    await resolve_alerts(connection, [one for one in alerting if one.resolves], now)


async def write_transitions(
    connection: Connection, rows: Mapping[UUID, RuleRow], transitions: Sequence[Transition], now: datetime
) -> None:
    """Insert each transition into the history of its rule."""
    await connection.execute(
        *QUERIES.bind(
            "write_transitions",
            **places_of(transitions),
            from_states=[one.before.state for one in transitions],
            to_states=[one.after.state for one in transitions],
            reasons=[one.why for one in transitions],
            values=[one.result.value for one in transitions],
            thresholds=[one.result.threshold for one in transitions],
            shadow=[rows[one.rule_id].is_shadow for one in transitions],
            now=now,
        )
    )


async def write_states(connection: Connection, transitions: Sequence[Transition], now: datetime) -> None:
    """Store the states after the transitions; an inactive state has no row."""
    active = [one for one in transitions if one.after.state != "inactive"]
    dropped = [one for one in transitions if one.after.state == "inactive"]
    await connection.execute(
        *QUERIES.bind(
            "write_states",
            **places_of(active),
            states=[one.after.state for one in active],
            since=[one.after.since for one in active],
            reasons=[one.why for one in active],
            values=[one.result.value for one in active],
            now=now,
        )
    )
    await connection.execute(*QUERIES.bind("drop_states", **places_of(dropped)))


async def describe_devices(connection: Connection, device_ids: Sequence[UUID]) -> dict[UUID, asyncpg.Record]:
    """Return name, business and site of devices by id; deleted devices are missing."""
    rows = await connection.fetch(*QUERIES.bind("describe_devices", devices=list(device_ids))) if device_ids else []
    return {row["id"]: row for row in rows}


async def open_alerts(
    connection: Connection, rows: Mapping[UUID, RuleRow], fired: Sequence[Transition], now: datetime
) -> list[FiredAlert]:
    """Open an alert for each rule that begins to fire in a place; return the new ones."""
    devices = await describe_devices(connection, [one.device_id for one in fired])
    described = [one for one in fired if one.device_id in devices]  # the others have just been deleted
    if not described:
        return []
    messages = [
        alert_message(
            rows[one.rule_id], one.result, describe_place(devices[one.device_id]["device_name"], one.instance)
        )
        for one in described
    ]
    opened = await connection.fetch(
        *QUERIES.bind(
            "open_alerts",
            **places_of(described),
            severities=[rows[one.rule_id].severity for one in described],
            messages=messages,
            values=[one.result.value for one in described],
            thresholds=[one.result.threshold for one in described],
            now=now,
        )
    )
    ids = {(row["agent_alert_id"], row["agent_device_id"], row["instance"]): row["id"] for row in opened}
    alerts = [
        FiredAlert(ids[one.place], rows[one.rule_id], devices[one.device_id], message, one.instance)
        for one, message in zip(described, messages, strict=True)
        if one.place in ids
    ]
    await queue_firing(connection, {alert.history_id: alert.row for alert in alerts}, now)
    return alerts


def alert_message(row: RuleRow, result: ConditionResult, device_name: str) -> str:
    """Return the message of an alert in a line: `High CPU on web-1: 95 (cpu_percent: all > 90 percent for 10 min)`."""
    value_text = "" if result.value is None else f" {result.value:.4g}"
    note = f"; {result.note}" if result.note else ""
    text = f"{row.alert_name} on {device_name}:{value_text} ({row.rule.condition.in_words()}{note})"
    return clean_name(text)[:MAX_MESSAGE]


async def resolve_alerts(connection: Connection, well: Sequence[Transition], now: datetime) -> None:
    """Close the alerts of rules in places that have recovered."""
    if well:
        reasons, values = [one.why for one in well], [one.result.value for one in well]
        rows = await connection.fetch(
            *QUERIES.bind("resolve_alerts", **places_of(well), now=now, reasons=reasons, values=values)
        )
        await queue_resolved(connection, [row["id"] for row in rows], now)


def places_of(transitions: Sequence[Transition]) -> dict[str, Any]:
    """Return rules, devices and instances in parallel, as the statements take them."""
    return {
        "rules": [one.rule_id for one in transitions],
        "devices": [one.device_id for one in transitions],
        "instances": [one.instance for one in transitions],
    }
