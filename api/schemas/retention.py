"""Models of the routes of retention. Times in UTC, sizes in bytes, ages in days."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.fields.text import StorableText
from api.fields.times import Time

Reason = Annotated[StorableText, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
KeptName = Annotated[StorableText, StringConstraints(max_length=40)]
DaysByName = dict[str, float]


class RetentionLevel(BaseModel):
    """A level of detail and its retention."""

    name: str = Field(examples=["raw", "5m"])
    kept_days: float
    bytes: int
    growth_bytes_per_day: float | None = Field(description="over the last two weeks; null: only one day was recorded")
    oldest_at: datetime | None = Field(description="where the oldest chunk begins")
    next_drop_at: datetime | None = Field(description="null: nothing is stored, or a legal hold is in force")


class RetentionRecords(BaseModel):
    """A kind of records that grow, and its retention."""

    name: str = Field(examples=["alerts", "command_outputs"])
    what: str = Field(description="the deleted rows", examples=["closed alerts, since they were resolved"])
    kept_days: float = Field(description="36500: for ever")
    least_days: float = Field(description="no plan keeps it shorter")
    bytes: int = Field(description="size of its table")
    last_deleted_at: datetime | None
    deleted_rows: int = Field(description="how many so far")


class RetentionChange(BaseModel):
    """A change of retention: its author, its values, and its state."""

    change_id: int
    state: Literal["waiting", "applied", "undone"]
    requested_at: datetime
    due_at: datetime = Field(description="when it is in force, if it is not undone before")
    applied_at: datetime | None
    undone_at: datetime | None
    requested_by: str
    undone_by: str | None
    reason: str
    before_days: DaysByName
    after_days: DaysByName
    planned_bytes: int = Field(description="bytes that the plan expected to free")
    error_message: str | None = Field(description="why it is not in force although it is due; it is tried again")


class LegalHold(BaseModel):
    """A legal hold: data of a device or a business that is not dropped."""

    hold_id: int
    kind: Literal["device", "business"]
    subject_id: UUID
    subject: str = Field(description="the name when the hold was placed")
    devices: int
    reason: str
    placed_at: datetime
    placed_by: str
    ends_at: datetime | None
    released_at: datetime | None
    released_by: str | None
    error_message: str | None = Field(description="why it is still in force after its end; it is tried again")


class TenantLevel(BaseModel):
    """A level of one business that differs from that of all."""

    business_id: UUID
    business_name: str
    level: Literal["raw", "5m", "1h", "1d"]
    kept_days: float | None = Field(description="null: as for all, again")
    former_days: float | None = Field(description="the former value: data within it is kept until former_until")
    former_until: datetime | None
    changed_at: datetime
    changed_by: str
    reason: str
    deleted_until: datetime | None = Field(description="rows of the business before this time are deleted")
    deleted_rows: int = Field(description="how many so far")


class TenantAges(BaseModel):
    """The wanted ages of levels for a business."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"business_id": "5d0c1f3e-0a4b-4b8e-9a52-0b0f7a6d1c11", "keep": {"raw": "90d", "1h": None}}]
        }
    )

    business_id: UUID
    keep: dict[KeptName, str | None] = Field(
        min_length=1, max_length=10, description="14d, 8w or 2y by level; null: as for all, again"
    )


class TenantOrder(TenantAges):
    """Ages to put in force, confirmed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "business_id": "5d0c1f3e-0a4b-4b8e-9a52-0b0f7a6d1c11",
                    "keep": {"raw": "90d"},
                    "database": "rts",
                    "reason": "contract 12",
                }
            ]
        }
    )

    database: str = Field(description="name of the database, to confirm", examples=["rts"])
    reason: Reason


class TenantEffect(BaseModel):
    """The effects of other ages for a business."""

    business_id: UUID
    business_name: str
    devices: int
    before_days: DaysByName
    after_days: DaysByName
    deleted_rows: dict[str, int] = Field(description="rows that would be deleted by the end of the grace, by relation")
    effects: list[str] = Field(description="in sentences")
    objections: list[str] = Field(description="why it would be refused, in sentences")


class RetentionReport(BaseModel):
    """The state of retention, as `rts-agents retention show` prints it."""

    version: int = Field(description="the change that set the values in force; 0: those of the installation")
    levels: list[RetentionLevel]
    records: list[RetentionRecords] = Field(description="everything else that grows, by kind")
    max_sample_age_days: float = Field(description="older samples are refused")
    database_bytes: int
    full_in_days: float | None = Field(description="at this rate; null: never, or RTS_DISK_BYTES is not set")
    waiting: RetentionChange | None
    holds: list[LegalHold] = Field(description="all of them, those in force first")
    tenants: list[TenantLevel] = Field(description="levels of single businesses that differ from those of all")
    drifts: list[str] = Field(description="policies that differ from the values in force, in sentences")


class PlanOrder(BaseModel):
    """The wanted ages."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"keep": {"raw": "45d", "command_outputs": "90d"}}]})

    keep: dict[KeptName, str] = Field(
        min_length=1,
        max_length=100,
        description="14d, 8w or 2y by name of a level (raw, 5m, 1h, 1d) or kind of records; others stay as they are",
    )
    large: bool = Field(False, description="allow to drop more than a quarter of a relation's bytes")


class RetentionPlan(BaseModel):
    """The effects of a change. Send it back unchanged to apply it."""

    plan: dict[str, Any] = Field(
        description="after and before by name in days, effects by relation, losses and objections in sentences, a hash"
    )
    refused: bool = Field(description="the plan has objections and cannot be applied")


class ChangeOrder(BaseModel):
    """A plan to apply."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"plan": {"hash": "…"}, "database": "rts", "reason": "ticket 4711"}]}
    )

    plan: dict[str, Any] = Field(description="from POST /api/admin/retention/plans, unchanged")
    database: str = Field(description="name of the database, to confirm", examples=["rts"])
    reason: Reason


class ChangeOrdered(BaseModel):
    """The outcome of the order."""

    change_id: int
    due_at: datetime
    in_force: bool = Field(description="false: it waits until due_at, and undoing it costs nothing")


class UndoOrder(BaseModel):
    """The confirmation of an undo: the name of the database."""

    database: str = Field(description="name of the database, to confirm", examples=["rts"])


class Undone(BaseModel):
    """The result of an undo."""

    message: str


class HoldOrder(BaseModel):
    """The subject of a legal hold."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"kind": "business", "subject_id": "5d0c1f3e-0a4b-4b8e-9a52-0b0f7a6d1c11", "reason": "litigation 17/26"}
            ]
        }
    )

    kind: Literal["device", "business"]
    subject_id: UUID = Field(description="agent_id or business_id")
    reason: Reason
    ends_at: Time | None = Field(None, description="released automatically at this time; null: only by a person")


class HoldPlaced(BaseModel):
    """The number of a legal hold that was placed."""

    hold_id: int
