"""Routes of alerts: customers read those of their devices, employees read all and handle them."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Path, Query, Request

from alerts.errors import AlertEndedError
from alerts.manage.alerts import (
    OpenFilter,
    acknowledge,
    read_device_alerts,
    read_open_alerts,
    resolve,
    snooze,
)
from alerts.rules.stored import subject_of
from api.auth import CurrentPerson, MayHandleAlerts
from api.errors import conflicts
from api.fields.choices import parse_choices
from api.fields.cursors import Cursor, Limit, make_page, parse_id, read_cursor
from api.fields.times import parse_time
from api.schemas.agents import AgentId, Business
from api.schemas.alert_rules import Severity
from api.schemas.alerts import Acknowledgement, Alert, AlertList, AlertStatus, Resolution, Snooze
from api.services import get_services
from auth.tokens import Person

router = APIRouter(prefix="/api/agents", tags=["alerts"])

HistoryId = Annotated[UUID, Path(description="id of the alert")]
HIDDEN = (
    "acknowledged_by",
    "acknowledged_by_name",
    "resolved_by",
    "resolved_by_name",
    "resolution_notes",
    "ticket_note",
    "acknowledgement_note",
)


@router.get("/alerts/open")
async def list_open_alerts(
    request: Request,
    person: CurrentPerson,
    severity: Annotated[
        str | None, Query(description="comma-separated severities", examples=["critical,warning"], max_length=100)
    ] = None,
    business_id: Annotated[UUID | None, Query(description="only this business's")] = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> AlertList:
    """List the open alerts of the devices that the caller may see: the worst first, then the newest."""
    after = read_cursor(cursor, parse_rank, parse_time, UUID)
    filters = OpenFilter(business_id, parse_choices(severity, Severity), after)
    rows = await read_open_alerts(get_services(request).pool, person.tenant, filters, limit + 1)
    page, more = make_page(rows, limit, "rank", "triggered_at", "id")
    return AlertList(alerts=[to_alert(row, person) for row in page], next_cursor=more)


@router.post("/alerts/history/{history_id}/acknowledge", responses=conflicts(AlertEndedError))
async def acknowledge_alert(
    request: Request, employee: MayHandleAlerts, history_id: HistoryId, body: Acknowledgement | None = None
) -> Alert:
    """Record that an employee handles an alert; a second call changes nothing."""
    services = get_services(request)
    return to_alert(
        await acknowledge(services.pool, history_id, body.note if body else None, employee.actor, services.clock())
    )


@router.post("/alerts/history/{history_id}/resolve", responses=conflicts(AlertEndedError))
async def resolve_alert(
    request: Request, employee: MayHandleAlerts, history_id: HistoryId, body: Resolution | None = None
) -> Alert:
    """End an alert by hand; its rule fires on that device again only after the device has recovered."""
    services = get_services(request)
    notes = body.notes if body else None
    return to_alert(await resolve(services.pool, history_id, notes, employee.actor, services.clock()))


@router.post("/alerts/history/{history_id}/snooze", responses=conflicts(AlertEndedError))
async def snooze_alert(request: Request, employee: MayHandleAlerts, history_id: HistoryId, body: Snooze) -> Alert:
    """Send no messages of an alert for some minutes; it stays open."""
    services = get_services(request)
    span = timedelta(minutes=body.minutes)
    return to_alert(await snooze(services.pool, history_id, span, employee.actor, services.clock()))


@router.get("/{agent_id}/alerts")
async def list_device_alerts(
    request: Request,
    person: CurrentPerson,
    agent_id: AgentId,
    status: Annotated[
        str | None, Query(description="comma-separated statuses", examples=["active,acknowledged"], max_length=100)
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> AlertList:
    """Read a device's alerts, newest first; a customer gets 404 for another business's device."""
    after = read_cursor(cursor, parse_time, UUID)
    statuses = parse_choices(status, AlertStatus)
    rows = await read_device_alerts(get_services(request).pool, person.tenant, agent_id, statuses, after, limit + 1)
    page, more = make_page(rows, limit, "triggered_at", "id")
    return AlertList(alerts=[to_alert(row, person) for row in page], next_cursor=more)


def parse_rank(text: str) -> int:
    """Return the rank of a severity in a cursor; raises ValueError."""
    return min(parse_id(text), 9)


def to_alert(row: asyncpg.Record, person: Person | None = None) -> Alert:
    """Return an alert's row as `person` may see it; None is an employee."""
    business = Business(id=row["business_id"], business_name=row["business_name"])
    subject = subject_of(row["conditions"])
    alert = Alert(**row, business=business, rule_kind=subject.kind, metrics=subject.metrics)
    if person is None or person.employee_id is not None:
        return alert
    return alert.model_copy(update=dict.fromkeys(HIDDEN))
