"""GET /api/admin/audit: the whole audit trail, rows without a device too, for employees with the right `audit`."""

from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from api.auth import MayAudit
from api.fields.text import storable
from api.fields.times import Time
from api.routes.lifecycle import AuditEntry
from api.services import get_services
from devices.audit import TrailFilter, read_trail
from devices.export_trail import Format, export_trail

router = APIRouter(prefix="/api/admin", tags=["audit"])

Action = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(storable)]


class FullAuditEntry(AuditEntry):
    """Who did what, when, from where and to which device."""

    agent_id: UUID | None = Field(
        description="null for rows without a device, such as those of rules and registration tokens"
    )


class FullAuditTrail(BaseModel):
    """A page of the whole trail, newest first."""

    entries: list[FullAuditEntry]
    next_before: int | None = Field(description="pass as `before` for the next page; null on the last")


@router.get("/audit")
async def read_whole_trail(
    request: Request,
    employee: MayAudit,
    actor_id: Annotated[UUID | None, Query(description="employee, user or agent who acted")] = None,
    action: Annotated[Action | None, Query(description="one action, as `device_deactivated`")] = None,
    agent_id: Annotated[UUID | None, Query(description="rows of one device and its commands")] = None,
    business_id: Annotated[UUID | None, Query(description="rows of a business or its devices")] = None,
    start: Annotated[Time | None, Query(description="the earliest time")] = None,
    end: Annotated[Time | None, Query(description="rows before this time")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="entries on a page")] = 100,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="next_before of the previous page")] = None,
) -> FullAuditTrail:
    """Read the audit trail, newest first: changes of devices, commands, rules and tokens, with actor and address."""
    only = TrailFilter(actor_id, action, agent_id, business_id, start, end)
    await get_services(request).reads.note(employee.actor, "audit_read", filter=only.named())
    rows = await read_trail(get_services(request).pool, only, before, limit + 1)
    entries = [FullAuditEntry(**row | {"details": msgspec.json.decode(row["details"])}) for row in rows[:limit]]
    return FullAuditTrail(entries=entries, next_before=entries[-1].id if len(rows) > limit else None)


MEDIA_TYPES: dict[Format, str] = {"jsonl": "application/x-ndjson", "csv": "text/csv"}


@router.get(
    "/audit/export",
    response_class=StreamingResponse,
    responses={200: {"content": {media: {"schema": {"type": "string"}} for media in MEDIA_TYPES.values()}}},
)
async def export_whole_trail(
    request: Request,
    employee: MayAudit,
    form: Annotated[Format, Query(alias="format", description="JSON lines, or CSV with a head line")] = "jsonl",
    actor_id: Annotated[UUID | None, Query(description="employee, user or agent who acted")] = None,
    action: Annotated[Action | None, Query(description="one action, as `device_deactivated`")] = None,
    agent_id: Annotated[UUID | None, Query(description="rows of one device and its commands")] = None,
    business_id: Annotated[UUID | None, Query(description="rows of a business or its devices")] = None,
    start: Annotated[Time | None, Query(description="the earliest time")] = None,
    end: Annotated[Time | None, Query(description="rows before this time")] = None,
) -> StreamingResponse:
    """Export the trail as a file, newest first. In CSV, cells that begin as a formula get a leading apostrophe."""
    only = TrailFilter(actor_id, action, agent_id, business_id, start, end)
    await get_services(request).reads.note(employee.actor, "audit_exported", format=form, filter=only.named())
    headers = {"Content-Disposition": f'attachment; filename="audit.{form}"', "Cache-Control": "no-store"}
    lines = export_trail(get_services(request).pool, only, form)
    return StreamingResponse(lines, media_type=MEDIA_TYPES[form], headers=headers)
