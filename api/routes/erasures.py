"""Erasures over HTTP: count, request, follow, cancel, certificate. Employees read; the right `dba` requests."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from api.auth import CurrentEmployee, MayKeepStorage
from api.errors import conflicts
from api.schemas.erasures import (
    Erasure,
    ErasureCounts,
    ErasureOrder,
    ErasureRequested,
    ErasureSubject,
)
from api.services import get_services
from devices.erasure.requests import (
    ErasureBegunError,
    ErasureRequest,
    LegalHoldError,
    cancel_erasure,
    list_erasures,
    request_erasure,
)
from devices.erasure.scope import ErasedSubject, count_audit, count_subject
from retention.changes import WrongDatabaseError, check_database

router = APIRouter(prefix="/api/admin/erasures", tags=["erasures"])
ErasureId = Annotated[int, Path(ge=1, le=2**62, description="erasure_id")]


@router.post("/counts")
async def count_erasure(request: Request, subject: ErasureSubject, employee: MayKeepStorage) -> ErasureCounts:
    """Count what an erasure would delete, by table. Nothing is written."""
    del employee
    erased = ErasedSubject(subject.kind, subject.subject_id)
    async with get_services(request).pool.acquire() as connection:
        rows = await count_subject(connection, erased)
        return ErasureCounts(rows=rows, audit_rows=await count_audit(connection, erased))


@router.post("", status_code=201, responses=conflicts(LegalHoldError, WrongDatabaseError))
async def order_erasure(request: Request, order: ErasureOrder, employee: MayKeepStorage) -> ErasureRequested:
    """Refuse the devices at once; the worker deletes them at RTS_ERASURE_HOUR and proves it an hour later."""
    services = get_services(request)
    requested = ErasureRequest(order.reason, f"employee {employee.id}", services.clock(), employee.actor)
    async with services.pool.acquire() as connection:
        await check_database(connection, order.database)
        erasure = await request_erasure(connection, ErasedSubject(order.kind, order.subject_id), requested)
    return ErasureRequested(erasure_id=erasure)


@router.get("")
async def read_erasures(request: Request, employee: CurrentEmployee) -> list[Erasure]:
    """Read all erasures with their certificates, the newest first."""
    del employee
    async with get_services(request).pool.acquire() as connection:
        return [Erasure.model_validate(renamed(row)) for row in await list_erasures(connection)]


@router.post("/{erasure_id}/cancel", status_code=204, responses=conflicts(ErasureBegunError))
async def cancel(request: Request, erasure_id: ErasureId, employee: MayKeepStorage) -> None:
    """Cancel an erasure of which nothing is deleted yet; its devices stay deleted until they are restored."""
    services = get_services(request)
    async with services.pool.acquire() as connection:
        await cancel_erasure(connection, erasure_id, f"employee {employee.id}", services.clock(), employee.actor)


def renamed(row: dict[str, Any]) -> dict[str, Any]:
    """Return an erasure with the names of the API."""
    return row | {"erasure_id": row["id"], "kind": row["subject_kind"]}
