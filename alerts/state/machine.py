"""The state machine of one rule in one place (a device, or an instance of it): state and result → next state, reason.

    inactive ──begun──▶ pending ──breached──▶ firing ──behind recovery──▶ recovering ──kept long enough──▶ inactive
                           │                    │ ▲                          │
                           └──over──▶ inactive  │ └──────holding again───────┘
                                                └──nothing known──▶ no_data ──known again──▶ firing / recovering

An open alert whose rule cannot be evaluated goes to `error` (`broken_rules.py`). When the rule can be evaluated again,
the alert continues as from `no_data`.

Nothing here reads a clock or a table, so live evaluation, backtests and rule tests all run this one function. "No data"
never means resolved: an alert whose device falls silent stays open as `no_data`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from alerts.query.results import UNKNOWN, ConditionResult, Place

State = Literal["inactive", "pending", "firing", "recovering", "no_data", "error"]
OPEN: tuple[State, ...] = ("firing", "recovering", "no_data", "error")  # there is an alert


@dataclass(frozen=True, slots=True)
class AlertState:
    """The state of a rule in one place; `since` is when it began. Inactive needs no row in the database."""

    state: State = "inactive"
    since: datetime | None = None
    has_moved: bool = False  # the device has moved to another business since
    is_gone: bool = False  # the device no longer sends this instance


INACTIVE = AlertState()
MOVED, OUT_OF_REACH = "moved to another business", "out of reach"


@dataclass(frozen=True, slots=True)
class Transition:
    """The state of a rule in one place after an evaluation at `at` (UTC), with the reason; it may be unchanged."""

    place: Place
    at: datetime
    before: AlertState
    after: AlertState
    why: str
    result: ConditionResult

    @property
    def rule_id(self) -> UUID:
        return self.place[0]

    @property
    def device_id(self) -> UUID:
        return self.place[1]

    @property
    def instance(self) -> str:
        """The instance of the device; empty for the device itself."""
        return self.place[2]

    @property
    def changed(self) -> bool:
        """Whether the state differs from the previous one."""
        return self.before.state != self.after.state

    @property
    def fires(self) -> bool:
        """Whether an alert begins."""
        return self.before.state not in OPEN and self.after.state in OPEN

    @property
    def resolves(self) -> bool:
        """Whether an alert ends."""
        return self.before.state in OPEN and self.after.state not in OPEN


def step(
    place: Place,
    current: AlertState,
    result: ConditionResult,
    at: datetime,
    keep_firing: timedelta,
    *,
    muted: bool = False,
) -> Transition:
    """Return the transition that follows from `result` at `at` (UTC).

    `keep_firing`: how long the condition must not hold before the alert ends. `muted`: in a maintenance window or
    outside the rule's hours, where nothing begins to fire; a firing alert continues.
    """
    decide = {
        "inactive": from_quiet, "pending": from_quiet, "firing": from_firing, "no_data": from_no_data,
        "recovering": from_recovering, "error": from_error,
    }[current.state]  # fmt: skip
    state, why = decide(current, result, at, keep_firing, muted)
    after = current if state == current.state else AlertState(state, at)
    return Transition(place, at, current, after, why, result)


def leave(place: Place, current: AlertState, at: datetime, why: str) -> Transition:
    """End the alert of a rule that no longer covers the place, or of a device that belongs to another business."""
    return Transition(place, at, current, AlertState("inactive", at), why, UNKNOWN)


def fail(place: Place, current: AlertState, at: datetime, reason: str) -> Transition:
    """Keep the alert of a rule that cannot be evaluated open, in the state `error` with the reason."""
    return Transition(place, at, current, AlertState("error", at), reason[:500], UNKNOWN)


Decision = tuple[State, str]


def from_quiet(current: AlertState, result: ConditionResult, at: datetime, keep: timedelta, muted: bool) -> Decision:
    """Decide for inactive and pending: fire when the whole condition holds, wait while it has begun."""
    del at, keep
    if result.breached:
        return ("pending", "muted") if muted else ("firing", "breached")
    if result.begun:
        return "pending", "begun"
    if result.begun is None and current.state == "pending":
        return "inactive", "no data"
    return "inactive", "over"


def from_firing(current: AlertState, result: ConditionResult, at: datetime, keep: timedelta, muted: bool) -> Decision:
    """Decide for firing: continue while it holds, begin to recover when it doesn't."""
    del current, at, keep, muted
    if result.holding is None:
        return "no_data", "no data"
    return ("firing", "holding") if result.holding else ("recovering", "behind the recovery threshold")


def from_no_data(current: AlertState, result: ConditionResult, at: datetime, keep: timedelta, muted: bool) -> Decision:
    """Decide for an alert whose device was silent, by the new result."""
    state, why = from_firing(current, result, at, keep, muted)
    return (state, why) if state == "no_data" else (state, "data again")


def from_error(current: AlertState, result: ConditionResult, at: datetime, keep: timedelta, muted: bool) -> Decision:
    """Decide for an alert whose rule could not be read, by the result of the repaired rule."""
    state, _ = from_firing(current, result, at, keep, muted)
    return state, "the rule can be evaluated again"


def from_recovering(
    current: AlertState, result: ConditionResult, at: datetime, keep: timedelta, muted: bool
) -> Decision:
    """Decide for recovering: fire again if the condition returns within `keep`, end the alert after it."""
    del muted
    if result.holding is None:
        return "no_data", "no data"
    if result.holding:
        return "firing", "holding again"
    assert current.since is not None
    return ("inactive", "recovered") if at - current.since >= keep else ("recovering", "recovering")
