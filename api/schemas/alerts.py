"""Models of the routes of alerts."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from alerts.rules.stored import Kind
from api.fields.text import Text2000
from api.schemas.agents import Business
from api.schemas.alert_rules import Severity

AlertStatus = Literal["active", "acknowledged", "resolved", "auto_resolved"]
AlertState = Literal["pending", "firing", "recovering", "no_data", "error"]


class Alert(BaseModel):
    """An alert of a device. Customers do not see the employees who handled it, nor their notes."""

    id: UUID
    rule_id: UUID
    agent_id: UUID
    device_name: str
    business: Business
    alert_name: str
    alert_type: str
    severity: Severity
    status: AlertStatus = Field(description="active and acknowledged are open; auto_resolved: the device recovered")
    state: AlertState | None = Field(
        description="the state of the rule; no_data: its metric has not arrived lately. Null when it ended"
    )
    triggered_at: datetime
    resolved_at: datetime | None
    resolved_value: float | None = Field(description="the value when the alert ended by itself")
    alert_message: str | None
    metric_value: float | None
    threshold_value: float | None
    service_request_created: UUID | None = Field(description="the ticket")
    acknowledged_at: datetime | None
    snoozed_until: datetime | None
    acknowledged_by: UUID | None = Field(description="null: not acknowledged, or by an employee who was deleted since")
    acknowledged_by_name: str | None = Field(description="kept when the employee is deleted")
    resolved_by: UUID | None
    resolved_by_name: str | None
    resolution_notes: str | None
    ticket_note: str | None = Field(description="why it has no ticket")
    ticket_number: str | None = Field(description="as the platform shows it", examples=["SR-2026-00123"])
    acknowledgement_note: str | None
    metric: str | None = Field(description="where the rule is one comparison of a metric")
    metrics: list[str] = Field(description="all metrics that the rule compares", examples=[["cpu_percent"]])
    rule_kind: Kind | None = Field(description="kind of the rule's condition; null: it cannot be read")
    found_late: bool = Field(description="late samples showed it after it had ended; it opened no ticket")
    instance: str = Field(description="the disk, interface or sensor; empty: the device itself")


class AlertList(BaseModel):
    """A page of alerts; an alert appears once."""

    alerts: list[Alert]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")


class Acknowledgement(BaseModel):
    """A note of the employee who handles an alert."""

    note: Text2000 | None = None


class Resolution(BaseModel):
    """A note on how an alert was resolved."""

    notes: Text2000 | None = None


class Snooze(BaseModel):
    """The time for which an alert sends no messages."""

    minutes: float = Field(ge=0, le=10_080, allow_inf_nan=False, description="0: no longer")
