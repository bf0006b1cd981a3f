"""Counts of devices and alerts, for the overview."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from api.auth import CurrentPerson
from api.services import get_services
from devices.summary import count_awaiting_approval, summarize_businesses, summarize_sites

router = APIRouter(prefix="/api/agents", tags=["agents"])

MAX_BUSINESSES = 1000


class Statuses(BaseModel):
    """Devices by status."""

    online: int
    warning: int
    offline: int
    error: int
    disabled: int


class OpenAlerts(BaseModel):
    """Open alerts that aren't snoozed, by severity."""

    critical: int
    warning: int
    info: int


class BusinessSummary(BaseModel):
    """A business in numbers. Times in UTC."""

    id: UUID
    business_name: str
    devices: int
    statuses: Statuses
    open_alerts: OpenAlerts
    oldest_unacknowledged_at: datetime | None = Field(description="beginning of the oldest unacknowledged alert")


class SiteSummary(BaseModel):
    """A site in numbers; `id` null: devices without a site."""

    id: UUID | None
    location_name: str | None
    business_id: UUID
    devices: int
    statuses: Statuses
    open_alerts: OpenAlerts


class Summary(BaseModel):
    """The devices that the caller may see, in numbers. Times in UTC."""

    as_of: datetime = Field(description="the server's clock")
    devices: int
    statuses: Statuses
    silent_over_a_day: int = Field(description="active devices without contact for a day")
    awaiting_approval: int = Field(description="commands that await a second employee; for customers 0")
    open_alerts: OpenAlerts
    snoozed_alerts: int
    businesses: list[BusinessSummary] = Field(description="those with devices, the worst first; at most 1,000")
    sites: list[SiteSummary] = Field(description="of one business: the customer's own, or that of business_id")


@router.get("/summary")
async def read_summary(
    request: Request,
    person: CurrentPerson,
    business_id: Annotated[UUID | None, Query(description="only this business's")] = None,
) -> Summary:
    """Count devices by status and open alerts by severity, in all, by business and by site."""
    services = get_services(request)
    now, pool, tenant = services.clock(), services.pool, person.tenant
    rows = await summarize_businesses(pool, tenant, business_id, now)
    one = business_id or tenant
    sites = await summarize_sites(pool, tenant, one, now) if one else []
    awaiting = await count_awaiting_approval(pool, tenant, business_id, now) if tenant is None else 0
    return Summary(
        as_of=now, devices=total(rows, "devices"), statuses=add_up_statuses(rows),
        silent_over_a_day=total(rows, "silent"),
        awaiting_approval=awaiting, open_alerts=add_up_alerts(rows), snoozed_alerts=total(rows, "snoozed"),
        businesses=[
            BusinessSummary(**row, statuses=add_up_statuses([row]), open_alerts=add_up_alerts([row]))
            for row in rows[:MAX_BUSINESSES]
        ],
        sites=[
            SiteSummary(**row, business_id=one, statuses=add_up_statuses([row]), open_alerts=add_up_alerts([row]))
            for row in sites
        ],
    )  # fmt: skip


def add_up_statuses(rows: Iterable[asyncpg.Record]) -> Statuses:
    """Return the devices by status of several rows together."""
    return Statuses(
        online=total(rows, "online"), warning=total(rows, "warned"), offline=total(rows, "offline"),
        error=total(rows, "error"), disabled=total(rows, "disabled"),
    )  # fmt: skip


def add_up_alerts(rows: Iterable[asyncpg.Record]) -> OpenAlerts:
    """Return the open alerts by severity of several rows together."""
    return OpenAlerts(critical=total(rows, "critical"), warning=total(rows, "warning"), info=total(rows, "info"))


def total(rows: Iterable[asyncpg.Record], name: str) -> int:
    """Return the sum of a column."""
    return sum(row[name] for row in rows)
