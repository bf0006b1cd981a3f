"""Rules that stand on instances of devices: each disk, interface or sensor goes through the machine for itself.

A condition on the device in such a rule (`all` / `any`) counts for each of its instances.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from alerts.query.apart import Apart
from alerts.query.facts import FALSE, UNKNOWN, ConditionResult, judge
from alerts.query.places import Place, by_place
from alerts.query.runner import SERIES
from alerts.rules.conditions import terms_of
from alerts.rules.loader import RuleRow, Rules
from alerts.silences.schedule import ActiveSilences
from alerts.state.apply import StateChange
from alerts.state.machine import INACTIVE, MOVED, OPEN, OUT_OF_REACH, AlertState, fail, leave, step
from db.isolation import Isolated
from db.pools import Connection

Terms = Mapping[int, ConditionResult]


@dataclass(frozen=True, slots=True)
class Instances:
    """Where rules stand on instances, and the places whose instance nobody sends any more."""

    states: dict[Place, AlertState]
    gone: set[Place]


def split_rules(rules: Rules) -> tuple[Rules, Rules]:
    """Return the rules that stand on devices, and those that stand on instances."""
    instances = {rule_id: row for rule_id, row in rules.rows.items() if row.rule.has_instances}
    devices = {rule_id: row for rule_id, row in rules.rows.items() if rule_id not in instances}
    return replace(rules, rows=devices), replace(rules, rows=instances)


async def read_instances(connection: Connection, rules: Rules) -> Instances:
    """Return where the rules stand on instances."""
    rows = await connection.fetch(*SERIES.bind("read_states", rules=list(rules.rows))) if rules.rows else []
    places = {(row["agent_alert_id"], row["agent_device_id"], row["instance"]): row for row in rows}
    return Instances(
        {place: AlertState(row["state"], row["since"], row["has_moved"]) for place, row in places.items()},
        {place for place, row in places.items() if row["is_gone"]},
    )


async def instance_steps(
    rules: Rules, apart: Apart, instances: Instances, mutes: ActiveSilences, kept: Isolated
) -> list[StateChange]:
    """Return what changes: one step of the machine for each instance of which something is known."""
    known, changes = by_place(apart.facts), []
    for place in known.keys() | instances.states.keys():
        own = known.get(place, {}).get(mutes.now)
        try:
            change = one_step(rules.rows[place[0]], place, own, instances, mutes, apart.reason(place[:2]))
        except Exception as error:  # noqa: BLE001  it is this instance's alone
            await kept.note(f"step:{place[0]}:{place[1]}", error)
            continue
        if change is not None and change.step.changed:
            changes.append(change)
    return changes


def one_step(
    row: RuleRow, place: Place, own: Terms | None, instances: Instances, mutes: ActiveSilences, reason: str | None
) -> StateChange | None:
    """Return what becomes of one rule on one instance; `reason`: why the rule can't be evaluated on the device.

    An instance that is gone has no data: its alert ends as no longer measured (`unmeasured.py`).
    """
    _, device_id, instance = place
    current, now = instances.states.get(place, INACTIVE), mutes.now
    if reason is not None:
        made = fail(current, now, reason) if current.state in OPEN else None
        return StateChange(row, device_id, made, UNKNOWN, instance) if made else None
    if current.has_moved or (own is None and place not in instances.gone):
        why = MOVED if current.has_moved else OUT_OF_REACH
        return StateChange(row, device_id, leave(current, now, why), UNKNOWN, instance)
    result = UNKNOWN if own is None else result_of(row, own, open_already=place in instances.states)
    muted = mutes.covers(device_id, row.active_hours)
    return StateChange(
        row, device_id, step(current, result, now, row.rule.keep_firing, muted=muted), result, instance
    )  # fmt: skip


def result_of(row: RuleRow, terms: Terms, *, open_already: bool) -> ConditionResult:
    """Return what is known of a whole rule on one instance; what has begun nowhere has no row."""
    absent = UNKNOWN if open_already else FALSE
    numbers = range(len(terms_of(row.rule.condition)))
    return judge(row.rule.condition, [terms.get(number, absent) for number in numbers])
