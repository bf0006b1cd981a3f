"""Counts what a rule would have done on a device, or an instance: alerts, tickets, how long, and whether it flapped."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from alerts.state.machine import Transition

REOPENED_WITHIN = timedelta(hours=24)  # an alert so soon after the last one ended opens the same ticket again
FLAPPING_ABOVE = 4  # alerts on one day (UTC)
MAX_TRANSITIONS = 100  # kept of one device, for people to look at


@dataclass(slots=True)
class BacktestSummary:
    """One device, or one instance of it. `since`: start of an open alert; `ended`: end of the last one (UTC)."""

    device_id: UUID
    instance: str = ""
    alerts: int = 0
    tickets: int = 0
    first: datetime | None = None
    last: datetime | None = None
    since: datetime | None = None
    ended: datetime | None = None
    firing: timedelta = timedelta()
    days: Counter[date] = field(default_factory=Counter)
    transitions: list[Transition] = field(default_factory=list)

    def take(self, transition: Transition) -> None:
        """Count one change of state; calls must be in the order of time."""
        if len(self.transitions) < MAX_TRANSITIONS:
            self.transitions.append(transition)
        if transition.fires:
            self._begin(transition.at)
        if transition.resolves:
            self._end(transition.at)

    def until(self, end: datetime) -> None:
        """Count an open alert as lasting until the end of the test."""
        if self.since:
            self.firing += end - self.since

    @property
    def firing_minutes(self) -> float:
        return self.firing / timedelta(minutes=1)

    @property
    def is_flapping(self) -> bool:
        """Whether there were more than FLAPPING_ABOVE alerts on one day (UTC)."""
        return any(count > FLAPPING_ABOVE for count in self.days.values())

    def _begin(self, at: datetime) -> None:
        self.alerts += 1
        self.tickets += self.ended is None or at - self.ended > REOPENED_WITHIN
        self.days[at.date()] += 1
        self.first, self.last, self.since = self.first or at, at, at

    def _end(self, at: datetime) -> None:
        assert self.since
        self.firing += at - self.since
        self.since, self.ended = None, at
