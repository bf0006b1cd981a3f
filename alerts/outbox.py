"""What follows from changes, in the transaction of the evaluation: states, alerts, tickets, notifications that are due.

Nothing is sent from here. A ticket or a notification is a row that its own worker works off, so that a failure there
never loses an alert.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from alerts.facts import Fact
from alerts.gather import QUERIES
from alerts.machine import Step
from alerts.messages import message_of
from alerts.notifications import want_firing, want_resolved
from alerts.rules import RuleRow
from db.pools import Connection


@dataclass(frozen=True, slots=True)
class Change:
    """A rule that has changed its state on a device."""

    row: RuleRow
    device_id: UUID
    step: Step
    fact: Fact


async def write_changes(connection: Connection, changes: Sequence[Change], now: datetime) -> None:
    """Write everything that follows from the changes of one evaluation."""
    if not changes:
        return
    await write_transitions(connection, changes, now)
    await write_states(connection, changes, now)
    told = [change for change in changes if not change.row.is_shadow]
    await open_alerts(connection, [change for change in told if change.step.fires], now)
    await resolve_alerts(connection, [change for change in told if change.step.resolves], now)


async def write_transitions(connection: Connection, changes: Sequence[Change], now: datetime) -> None:
    """Keep each change as a row."""
    await connection.execute(
        QUERIES["write_transitions"],
        *pairs_of(changes), [change.step.before.state for change in changes],
        [change.step.after.state for change in changes], [change.step.why for change in changes],
        [change.fact.value for change in changes], [change.fact.threshold for change in changes],
        [change.row.is_shadow for change in changes], now,
    )  # fmt: skip


async def write_states(connection: Connection, changes: Sequence[Change], now: datetime) -> None:
    """Keep where the rules stand now; inactive is no row."""
    kept = [change for change in changes if change.step.after.state != "inactive"]
    dropped = [change for change in changes if change.step.after.state == "inactive"]
    await connection.execute(
        QUERIES["write_states"],
        *pairs_of(kept), [change.step.after.state for change in kept], [change.step.after.since for change in kept],
        [change.step.why for change in kept], [change.fact.value for change in kept], now,
    )  # fmt: skip
    await connection.execute(QUERIES["drop_states"], *pairs_of(dropped))


async def open_alerts(connection: Connection, fired: Sequence[Change], now: datetime) -> None:
    """Open an alert for each rule that begins to fire on a device."""
    if not fired:
        return
    rows = await connection.fetch(QUERIES["describe_devices"], [change.device_id for change in fired])
    names = {row["id"]: row["device_name"] for row in rows}
    opened = await connection.fetch(
        QUERIES["open_alerts"],
        *pairs_of(fired), [change.row.severity for change in fired],
        [message_of(change.row, change.fact, names.get(change.device_id, "?")) for change in fired],
        [change.fact.value for change in fired], [change.fact.threshold for change in fired], now,
    )  # fmt: skip
    rules = {change.row.rule.id: change.row for change in fired}
    await want_firing(connection, {row["id"]: rules[row["agent_alert_id"]] for row in opened}, now)


async def resolve_alerts(connection: Connection, well: Sequence[Change], now: datetime) -> None:
    """Close the alerts of rules on devices that are well again."""
    if well:
        reasons = [change.step.why for change in well]
        rows = await connection.fetch(QUERIES["resolve_alerts"], *pairs_of(well), now, reasons)
        await want_resolved(connection, [row["id"] for row in rows], now)


def pairs_of(changes: Sequence[Change]) -> tuple[list[UUID], list[UUID]]:
    """Return rules and devices in parallel, as the statements take them."""
    return [change.row.rule.id for change in changes], [change.device_id for change in changes]
