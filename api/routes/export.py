"""GET /api/agents/metrics/export: raw samples of a range as a file."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from api.auth import CurrentPerson
from api.fields.times import Time
from api.services import get_services
from devices.export_samples import Format, SampleRange, export_samples
from rollups.errors import InvalidRangeError

router = APIRouter(tags=["metrics"])

MAX_EXPORT = timedelta(days=93)
MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv", "jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"
}  # fmt: skip
CONTENT = {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES.values()}


@router.get("/api/agents/metrics/export", response_class=StreamingResponse, responses={200: {"content": CONTENT}})
async def export_range(
    request: Request,
    person: CurrentPerson,
    start: Annotated[Time | None, Query(description="the first time; default: a day before the end")] = None,
    end: Annotated[Time | None, Query(description="the time after the last one; default: now")] = None,
    form: Annotated[Format, Query(alias="format", description="of the file")] = "csv",
    agent_id: Annotated[UUID | None, Query(description="only this device")] = None,
    business_id: Annotated[UUID | None, Query(description="only this business's devices")] = None,
) -> StreamingResponse:
    """Export raw samples by device and time (UTC), as long as they are kept; at most 93 days at once.

    In CSV, names that begin as a formula get a leading apostrophe.
    """
    services = get_services(request)
    until = end or services.clock()
    since = start or until - timedelta(days=1)
    if not timedelta(0) < until - since <= MAX_EXPORT:
        raise InvalidRangeError(f"An export needs start < end, at most {MAX_EXPORT.days} days apart.")
    chosen = SampleRange(since, until, person.tenant or business_id, agent_id, business_id)
    parts = export_samples(services.pool, chosen, form)
    first = await anext(parts, b"")  # an error before the first part becomes an error answer, not a short file
    headers = {"Content-Disposition": f'attachment; filename="samples.{form}"', "Cache-Control": "no-store"}
    return StreamingResponse(joined(first, parts), media_type=MEDIA_TYPES[form], headers=headers)


async def joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the first part and the rest."""
    yield first
    async for part in rest:
        yield part
