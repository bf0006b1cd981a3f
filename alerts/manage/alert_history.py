"""The history of alerts over all devices, and one action on many alerts at once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from alerts.manage.alerts import acknowledge, resolve, show, snooze
from core.errors import RtsError
from core.text import like_literal
from db.sql import after_keys, load_beside
from devices.audit import Actor

QUERIES = load_beside(__file__, "alert_history.sql")


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which alerts a list holds; None filters nothing.

    `start` and `end` (UTC) keep alerts that were open in the range; `search` is looked for in rule, device and message;
    `after` is (triggered_at, id) of the last alert before this page.
    """

    start: datetime | None = None
    end: datetime | None = None
    statuses: Sequence[str] | None = None
    severities: Sequence[str] | None = None
    rule_id: UUID | None = None
    device_id: UUID | None = None
    business_id: UUID | None = None
    search: str | None = None
    snoozed: bool | None = None
    after: tuple[datetime, UUID] | None = None


@dataclass(frozen=True, slots=True)
class AlertOutcome:
    """The outcome of a bulk action for one alert: the alert as it is now, or why it did not change."""

    history_id: UUID
    alert: asyncpg.Record | None = None
    error: RtsError | None = None


async def find_alerts(
    pool: asyncpg.Pool, tenant: UUID | None, filters: HistoryFilter, now: datetime, limit: int
) -> list[asyncpg.Record]:
    """Return at most `limit` alerts, newest first."""
    pattern = filters.search and f"%{like_literal(filters.search)}%"
    rows = await pool.fetch(
        *QUERIES.bind(
            "find_alerts",
            tenant=tenant,
            start=filters.start,
            end=filters.end,
            statuses=filters.statuses,
            severities=filters.severities,
            rule_id=filters.rule_id,
            device_id=filters.device_id,
            business_id=filters.business_id,
            pattern=pattern,
            snoozed=filters.snoozed,
            now=now,
            **after_keys(filters.after, "time", "id"),
            limit=limit,
        ),
    )
    return await show(pool, rows, tenant)


@dataclass(frozen=True, slots=True)
class BulkAction:
    """What to do with each alert: acknowledge or resolve with a note, or snooze for some minutes."""

    name: str
    note: str | None = None
    minutes: float = 0

    def run(self, pool: asyncpg.Pool, history_id: UUID, employee: Actor, now: datetime) -> Awaitable[asyncpg.Record]:
        """Run the action on one alert; raises the errors of the single actions (`alerts.handle`)."""
        actions: dict[str, Callable[[], Awaitable[Any]]] = {
            "acknowledge": lambda: acknowledge(pool, history_id, self.note, employee, now),
            "resolve": lambda: resolve(pool, history_id, self.note, employee, now),
            "snooze": lambda: snooze(pool, history_id, timedelta(minutes=self.minutes), employee, now),
        }
        return actions[self.name]()


async def handle_many(
    pool: asyncpg.Pool, ids: Sequence[UUID], action: BulkAction, employee: Actor, now: datetime
) -> list[AlertOutcome]:
    """Run one action on many alerts; an alert that has ended or does not exist does not stop the others."""
    outcomes = []
    for history_id in dict.fromkeys(ids):
        try:
            outcomes.append(AlertOutcome(history_id, await action.run(pool, history_id, employee, now)))
        except RtsError as error:
            outcomes.append(AlertOutcome(history_id, error=error))
    return outcomes
