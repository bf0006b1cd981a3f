"""The transitions of an evaluation: a step of the machine in each place with results or with a state."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from alerts.query.isolated import IsolatedResults
from alerts.query.results import FALSE, UNKNOWN, ConditionResult, Place, Terms, judge
from alerts.rules.conditions import ForecastCondition, NoDataCondition, OfflineCondition, ServiceCondition, terms_of
from alerts.rules.loader import RuleRow, Rules
from alerts.silences.schedule import ActiveSilences
from alerts.state.machine import INACTIVE, MOVED, OPEN, OUT_OF_REACH, AlertState, Transition, fail, leave, step
from db.isolation import Isolated

NO_LONGER_INSTALLED = "no longer installed"
NO_SERVICE = replace(FALSE, note=NO_LONGER_INSTALLED)
SEVERITIES = ("info", "warning", "critical")


async def find_transitions(
    rules: Rules,
    evaluated: IsolatedResults,
    states: Mapping[Place, AlertState],
    mutes: ActiveSilences,
    isolated: Isolated,
) -> list[Transition]:
    """Return the transitions at `mutes.now` (UTC); a place whose step fails is noted and keeps its state."""
    results = evaluated.results.by_place({rule_id: row.rule for rule_id, row in rules.rows.items()})
    current_results = {place: terms[mutes.now] for place, terms in results.items() if mutes.now in terms}
    transitions, offline = [], offline_devices(rules, current_results, states)
    for place in current_results.keys() | states.keys():
        row, current = rules.rows[place[0]], states.get(place, INACTIVE)
        try:
            reason = evaluated.reason(place[:2])
            is_held = depends_on_device(row) and offline.get(place[1], -1) >= SEVERITIES.index(row.severity)
            if reason is None:
                transition = transition_of(row, place, current_results.get(place), current, mutes, is_held=is_held)
            else:
                transition = fail(place, current, mutes.now, reason)
        except Exception as error:  # noqa: BLE001  it is this place's alone
            await isolated.note(f"step:{place[0]}:{place[1]}", error)
            continue
        if transition.changed and (reason is None or current.state in OPEN):
            transitions.append(transition)
    return transitions


def transition_of(
    row: RuleRow, place: Place, terms: Terms | None, current: AlertState, mutes: ActiveSilences, *, is_held: bool
) -> Transition:
    """Return the step of a rule in one place, by the results of its terms; nothing begins where `is_held`."""
    if current.has_moved:
        return leave(place, current, mutes.now, MOVED)
    result = result_of(row, terms, current)
    if result is None:
        return leave(place, current, mutes.now, OUT_OF_REACH)
    muted = is_held or mutes.covers(place[1], row.active_hours)
    return explain_absence(step(place, current, result, mutes.now, row.rule.keep_firing, muted=muted))


def result_of(row: RuleRow, terms: Terms | None, current: AlertState) -> ConditionResult | None:
    """Return the result of a whole rule in one place; None when the rule does not cover the place.

    A term that has not begun has no result, unless the rule is pending or open there: then only a missing service, a
    missing forecast and a missing instance have none. A missing instance has no data: its alert ends as no longer
    measured (`unmeasured.py`).
    """
    conditions = terms_of(row.rule.condition)
    if not terms and current.is_gone:
        return UNKNOWN
    if not terms and (row.rule.has_instances or not any(map(may_be_absent, conditions))):
        return None
    absent = [absent_result(one, current) for one in conditions]
    return judge(row.rule.condition, [(terms or {}).get(number, result) for number, result in enumerate(absent)])


def may_be_absent(condition: object) -> bool:
    """Return whether a condition has no result on a device that its rule covers, even while the rule is open there."""
    return isinstance(condition, ServiceCondition | ForecastCondition)


def absent_result(condition: object, current: AlertState) -> ConditionResult:
    """Return the result of a term without a row: false if the rule is inactive, no service, or else unknown."""
    if current is INACTIVE:
        return FALSE
    return NO_SERVICE if isinstance(condition, ServiceCondition) else UNKNOWN


def offline_devices(
    rules: Rules, results: Mapping[Place, Terms], states: Mapping[Place, AlertState]
) -> dict[UUID, int]:
    """Return the devices on which a rule on their whole silence fires, or begins to now, with its severity's rank."""
    ranks: dict[UUID, int] = {}
    for place in results.keys() | states.keys():
        row, terms = rules.rows[place[0]], results.get(place, {})
        if not row.is_shadow and all(isinstance(one, OfflineCondition) for one in terms_of(row.rule.condition)):
            begins = any(result.breached for result in terms.values())
            goes_on = states.get(place, INACTIVE).state in OPEN and any(result.holding for result in terms.values())
            if begins or goes_on:
                ranks[place[1]] = max(ranks.get(place[1], -1), SEVERITIES.index(row.severity))
    return ranks


def depends_on_device(row: RuleRow) -> bool:
    """Return whether a rule is redundant for an offline device: it uses missing data or services only."""
    return all(isinstance(one, NoDataCondition | ServiceCondition) for one in terms_of(row.rule.condition))


def explain_absence(transition: Transition) -> Transition:
    """Return a transition with a better reason where an alert ends because its service is no longer installed."""
    note = transition.result.note or ""
    return replace(transition, why=note) if transition.resolves and note.startswith(NO_LONGER_INSTALLED) else transition
