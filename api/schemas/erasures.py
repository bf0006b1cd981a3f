"""Models of the routes of erasures. Times in UTC."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.retention import Reason

DEVICE = "22222222-2222-4222-8222-222222222222"


class ErasureSubject(BaseModel):
    """The subject of an erasure."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "device", "subject_id": DEVICE}]})

    kind: Literal["device", "business", "person"] = Field(description="a person: an employee or a user of the platform")
    subject_id: UUID


class ErasureOrder(ErasureSubject):
    """A request for an erasure, with its reason and the name of the database."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"kind": "device", "subject_id": DEVICE, "reason": "request 1234", "database": "rts"}]
        }
    )

    reason: Reason
    database: str = Field(description="name of the database, to confirm", examples=["rts"])


class ErasureCounts(BaseModel):
    """The rows that an erasure would delete now."""

    rows: dict[str, int] = Field(description="by table, at every level", examples=[{"agent_metrics": 8640}])
    audit_rows: int = Field(description="rows of the audit trail that name the subject; they stay")


class ErasureRequested(BaseModel):
    """The request: the tokens of its devices are refused from now on."""

    erasure_id: int


class Erasure(BaseModel):
    """The certificate of an erasure: its state, the deleted rows, and the proof. Keep it outside of the database."""

    erasure_id: int
    kind: Literal["device", "business", "person", "orphans"]
    subject_id: UUID | None
    state: str = Field(examples=["waiting", "erased", "proven", "cancelled"])
    devices: int
    reason: str
    requested_at: datetime
    requested_by: str
    erased_at: datetime | None
    proven_at: datetime | None = Field(description="when a recount an hour later found nothing")
    database: str
    deleted: dict[str, int] = Field(description="rows by table; empty while it waits")
    recount: dict[str, int] = Field(description="rows that were found afterwards, and deleted")
    sha256: str = Field(description="of all other fields, as `rts-agents erase show` prints them")
