"""What follows from changes, in the transaction of the evaluation: states, alerts, tickets, notifications that are due.

Nothing is sent from here. A ticket or a notification is a row that its own worker works off, so that a failure there
never loses an alert.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from alerts.notify.queue import queue_firing, queue_resolved
from alerts.query.facts import ConditionResult
from alerts.rules.loader import RuleRow
from alerts.state.machine import StateStep
from alerts.state.messages import message_of
from alerts.tickets.incidents import FiredAlert, write_tickets
from alerts.tickets.texts import place_of
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "apply.sql")


@dataclass(frozen=True, slots=True)
class StateChange:
    """A rule that has changed its state on a device, or on an instance of it (a disk, an interface)."""

    row: RuleRow
    device_id: UUID
    step: StateStep
    result: ConditionResult
    instance: str = ""


async def write_changes(connection: Connection, changes: Sequence[StateChange], now: datetime) -> None:
    """Write everything that follows from the changes of one evaluation."""
    if not changes:
        return
    await write_transitions(connection, changes, now)
    await write_states(connection, changes, now)
    alerting = [change for change in changes if not change.row.is_shadow]
    # First what fires: its tickets are locked before the alerts that end, in the order in which the worker locks them.
    fired = await open_alerts(connection, [change for change in alerting if change.step.fires], now)
    await write_tickets(connection, fired, now)
    await resolve_alerts(connection, [change for change in alerting if change.step.resolves], now)


async def write_transitions(connection: Connection, changes: Sequence[StateChange], now: datetime) -> None:
    """Keep each change as a row."""
    await connection.execute(
        *QUERIES.bind(
            "write_transitions",
            **instances_of(changes),
            from_states=[change.step.before.state for change in changes],
            to_states=[change.step.after.state for change in changes],
            reasons=[change.step.why for change in changes],
            values=[change.result.value for change in changes],
            thresholds=[change.result.threshold for change in changes],
            shadow=[change.row.is_shadow for change in changes],
            now=now,
        )
    )


async def write_states(connection: Connection, changes: Sequence[StateChange], now: datetime) -> None:
    """Keep where the rules stand now; inactive is no row."""
    kept = [change for change in changes if change.step.after.state != "inactive"]
    dropped = [change for change in changes if change.step.after.state == "inactive"]
    await connection.execute(
        *QUERIES.bind(
            "write_states",
            **instances_of(kept),
            states=[change.step.after.state for change in kept],
            since=[change.step.after.since for change in kept],
            reasons=[change.step.why for change in kept],
            values=[change.result.value for change in kept],
            now=now,
        )
    )
    await connection.execute(*QUERIES.bind("drop_states", **instances_of(dropped)))


async def describe_devices(connection: Connection, device_ids: Sequence[UUID]) -> dict[UUID, asyncpg.Record]:
    """Return name, business and site of devices by id; devices that are deleted are left out."""
    rows = await connection.fetch(*QUERIES.bind("describe_devices", devices=list(device_ids))) if device_ids else []
    return {row["id"]: row for row in rows}


async def open_alerts(connection: Connection, fired: Sequence[StateChange], now: datetime) -> list[FiredAlert]:
    """Open an alert for each rule that begins to fire on a device; return those that weren't open already."""
    devices = await describe_devices(connection, [change.device_id for change in fired])
    known = [change for change in fired if change.device_id in devices]  # the others have just been deleted
    if not known:
        return []
    messages = [
        message_of(change.row, change.result, place_of(devices[change.device_id]["device_name"], change.instance))
        for change in known
    ]
    opened = await connection.fetch(
        *QUERIES.bind(
            "open_alerts",
            **instances_of(known),
            severities=[change.row.severity for change in known],
            messages=messages,
            values=[change.result.value for change in known],
            thresholds=[change.result.threshold for change in known],
            now=now,
        )
    )
    ids = {(row["agent_alert_id"], row["agent_device_id"], row["instance"]): row["id"] for row in opened}
    alerts = [
        FiredAlert(ids[key], change.row, devices[change.device_id], message, change.instance)
        for change, message in zip(known, messages, strict=True)
        if (key := (change.row.rule.id, change.device_id, change.instance)) in ids
    ]
    await queue_firing(connection, {alert.history_id: alert.row for alert in alerts}, now)
    return alerts


async def resolve_alerts(connection: Connection, well: Sequence[StateChange], now: datetime) -> None:
    """Close the alerts of rules on devices that are well again."""
    if well:
        reasons = [change.step.why for change in well]
        values = [change.result.value for change in well]
        rows = await connection.fetch(
            *QUERIES.bind("resolve_alerts", **instances_of(well), now=now, reasons=reasons, values=values)
        )
        await queue_resolved(connection, [row["id"] for row in rows], now)


def instances_of(changes: Sequence[StateChange]) -> dict[str, Any]:
    """Return rules, devices and instances in parallel, as the statements take them."""
    return {
        "rules": [change.row.rule.id for change in changes],
        "devices": [change.device_id for change in changes],
        "instances": [change.instance for change in changes],
    }
