"""/api/agents/{id}/annotations: the events that the charts of a device show beside its samples."""

from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from alerts.rules.stored import Kind, subject_of
from alerts.silences.occurrences import TimeRange
from api.annotations import read_annotations
from api.auth import CurrentPerson
from api.fields.times import Time
from api.schemas.agents import AgentId, Status
from api.schemas.alert_rules import Severity
from api.services import get_services
from core.errors import RtsError

router = APIRouter(prefix="/api/agents", tags=["history"])

LONGEST = timedelta(days=3660)
GapReason = Literal[
    "offline", "maintenance", "deactivated", "decommissioned", "not_enrolled", "outside_retention", "may_come_late",
    "late_data", "monitoring_off",
]  # fmt: skip


class BadRangeError(RtsError):
    """`start` must be before `end`, by at most ten years."""

    code: ClassVar[str] = "bad_range"
    status: ClassVar[int] = 422


class StatusPart(BaseModel):
    """A status of the device, with its range of time and its reason."""

    status: Status
    start: datetime
    end: datetime
    reason: str | None


class GapPart(BaseModel):
    """A span in which samples may be missing. Draw it only where a chart is empty."""

    start: datetime
    end: datetime
    reason: GapReason
    detail: str | None = Field(
        description="the name of the window, or why the status changed", examples=["Patch night"]
    )
    message: str = Field(description="`reason` and `detail` in English", examples=["Maintenance: Patch night."])


class MaintenancePart(BaseModel):
    """One run of a maintenance window."""

    window_id: UUID
    window_name: str
    start: datetime
    end: datetime


class AlertPart(BaseModel):
    """An alert that was open in the range."""

    id: UUID
    rule_id: UUID
    alert_name: str
    severity: Severity
    status: str
    start: datetime
    end: datetime | None = Field(description="null: it is open")
    metric: str | None = Field(description="where the rule is one comparison of a metric")
    rule_kind: Kind | None = Field(description="kind of the rule's condition; null: it cannot be read")
    metrics: list[str] = Field(description="all metrics that the rule compares", examples=[["cpu_percent"]])
    threshold: float | None
    message: str | None


class CommandPart(BaseModel):
    """A command that was ordered in the range."""

    command_id: UUID
    command_type: str
    status: str
    created_at: datetime
    completed_at: datetime | None


class SoftwarePart(BaseModel):
    """The numbers of programs installed and removed at one time."""

    at: datetime
    installed: int
    removed: int
    upgraded: int


class RetentionPart(BaseModel):
    """The time from which on a level has data."""

    level: str = Field(examples=["5m"])
    kept_from: datetime


class DeviceAnnotations(BaseModel):
    """The history of a device in a range of time. Times in UTC."""

    start: datetime
    end: datetime
    as_of: datetime
    statuses: list[StatusPart]
    gaps: list[GapPart]
    maintenance: list[MaintenancePart]
    alerts: list[AlertPart]
    commands: list[CommandPart]
    software: list[SoftwarePart]
    retention: list[RetentionPart]
    enrolled_at: datetime | None


@router.get("/{agent_id}/annotations")
async def device_annotations(
    request: Request,
    person: CurrentPerson,
    agent_id: AgentId,
    start: Annotated[Time, Query(description="beginning of the range")],
    end: Annotated[Time, Query(description="end of the range")],
) -> DeviceAnnotations:
    """Read statuses, gaps with their reasons, maintenance, alerts, commands and software changes of a range."""
    if not timedelta(0) < end - start <= LONGEST:
        raise BadRangeError
    services = get_services(request)
    now, values = services.clock(), services.storage.now
    annotations = await read_annotations(services.pool, person.tenant, agent_id, TimeRange(start, end), now, values)
    return DeviceAnnotations(
        start=annotations.start, end=annotations.end, as_of=annotations.as_of,
        statuses=[StatusPart.model_validate(one, from_attributes=True) for one in annotations.statuses],
        gaps=[GapPart.model_validate(one, from_attributes=True) for one in annotations.gaps],
        maintenance=[MaintenancePart.model_validate(one, from_attributes=True) for one in annotations.maintenance],
        alerts=[alert_part(one) for one in annotations.alerts],
        commands=[CommandPart(**one) for one in annotations.commands],
        software=[SoftwarePart(**one) for one in annotations.software],
        retention=[RetentionPart(level=level, kept_from=at) for level, at in annotations.retention.items()],
        enrolled_at=annotations.enrolled_at,
    )  # fmt: skip


def alert_part(row: asyncpg.Record) -> AlertPart:
    """Return an alert's row with the metrics and the kind of its rule."""
    subject = subject_of(row["conditions"])
    return AlertPart(**row, rule_kind=subject.kind, metrics=subject.metrics)
