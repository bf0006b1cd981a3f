"""The history of alerts over all devices, and one action on many alerts at once."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from alerts.manage.alert_history import BulkAction, HistoryFilter, find_alerts, handle_many
from api.auth import CurrentPerson, MayHandleAlerts
from api.fields.choices import parse_choices
from api.fields.cursors import Cursor, Limit, make_page, read_cursor
from api.fields.text import StorableText, Text2000
from api.fields.times import Time, parse_time
from api.routes.alerts import to_alert
from api.schemas.alert_rules import Severity
from api.schemas.alerts import Alert, AlertStatus
from api.services import get_services

router = APIRouter(prefix="/api/agents/alerts", tags=["alerts"])


class AlertHistory(BaseModel):
    """A page of alerts, newest first."""

    alerts: list[Alert]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")
    as_of: datetime = Field(description="the server's clock, UTC")


class BulkOrder(BaseModel):
    """One action on many alerts."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"action": "snooze", "ids": ["6f1c2d3e-0000-4000-8000-000000000001"], "minutes": 60}]
        },
    )

    action: Literal["acknowledge", "snooze", "resolve"]
    ids: list[UUID] = Field(min_length=1, max_length=500)
    minutes: float = Field(60, ge=0, le=10_080, allow_inf_nan=False, description="of a snooze; 0: no longer")
    note: Text2000 | None = Field(None, description="of an acknowledgement or a resolution")


class BulkOutcome(BaseModel):
    """The outcome for one alert."""

    id: UUID
    ok: bool
    code: str | None = Field(description="why it did not change", examples=["alert_ended"])
    alert: Alert | None


class BulkOutcomes(BaseModel):
    """The outcome for each alert, in the order of the ids."""

    outcomes: list[BulkOutcome]


@router.get("/history")
async def list_alert_history(
    request: Request,
    person: CurrentPerson,
    start: Annotated[Time | None, Query(description="only alerts that were open after this time")] = None,
    end: Annotated[Time | None, Query(description="only alerts that began before this time")] = None,
    status: Annotated[
        str | None, Query(description="comma-separated statuses", examples=["active,acknowledged"], max_length=100)
    ] = None,
    severity: Annotated[
        str | None, Query(description="comma-separated severities", examples=["critical,warning"], max_length=100)
    ] = None,
    rule_id: Annotated[UUID | None, Query(description="only of this rule")] = None,
    agent_id: Annotated[UUID | None, Query(description="only of this device")] = None,
    business_id: Annotated[UUID | None, Query(description="only this business's")] = None,
    search: Annotated[
        StorableText | None,
        Query(min_length=1, max_length=100, description="only those with this text in rule, device or message"),
    ] = None,
    snoozed: Annotated[bool | None, Query(description="only those that are quiet now (true), or not (false)")] = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> AlertHistory:
    """List alerts of the devices that the caller may see, ended ones too, newest first."""
    services = get_services(request)
    now = services.clock()
    after = read_cursor(cursor, parse_time, UUID)
    filters = HistoryFilter(
        start, end, parse_choices(status, AlertStatus), parse_choices(severity, Severity), rule_id, agent_id,
        business_id, search, snoozed, (after[0], after[1]) if after else None,
    )  # fmt: skip
    rows = await find_alerts(services.pool, person.tenant, filters, now, limit + 1)
    page, more = make_page(rows, limit, "triggered_at", "id")
    return AlertHistory(alerts=[to_alert(row, person) for row in page], next_cursor=more, as_of=now)


@router.post("/bulk")
async def handle_alerts(request: Request, employee: MayHandleAlerts, body: BulkOrder) -> BulkOutcomes:
    """Acknowledge, snooze or resolve up to 500 alerts; each one succeeds or fails by itself."""
    services = get_services(request)
    action = BulkAction(body.action, body.note, body.minutes)
    outcomes = await handle_many(services.pool, body.ids, action, employee.actor, services.clock())
    return BulkOutcomes(
        outcomes=[
            BulkOutcome(
                id=one.history_id, ok=one.error is None, code=one.error.code if one.error else None,
                alert=to_alert(one.alert) if one.alert else None,
            )
            for one in outcomes
        ]
    )  # fmt: skip
