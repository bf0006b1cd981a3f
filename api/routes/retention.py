"""Retention over HTTP: state, plans, changes, undo, legal holds. Employees read; changes need the right `dba`."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from api.auth import CurrentEmployee, Employee, MayKeepStorage
from api.errors import conflicts
from api.schemas.retention import (
    ChangeOrder,
    ChangeOrdered,
    HoldOrder,
    HoldPlaced,
    LegalHold,
    PlanOrder,
    RetentionChange,
    RetentionLevel,
    RetentionPlan,
    RetentionRecords,
    RetentionReport,
    TenantAges,
    TenantEffect,
    TenantLevel,
    TenantOrder,
    Undone,
    UndoOrder,
)
from api.services import Services, get_services
from db.hypertables.policies import DAY
from retention.ages import parse_age
from retention.changes import (
    Operator,
    PlanOutdatedError,
    UndoRefusedError,
    WrongDatabaseError,
    apply_plan,
    check_database,
    list_changes,
    undo_change,
)
from retention.holds import HoldRequest, list_holds, place_hold, release_hold
from retention.overview import LevelRetention, read_overview
from retention.plans import PlanRefusedError, make_plan
from retention.records import RecordAge
from retention.tenants import TenantPlan, change_tenant, plan_tenant

router = APIRouter(prefix="/api/admin/retention", tags=["retention"])
ChangeId = Annotated[int, Path(ge=1, le=2**62, description="change_id")]
HoldId = Annotated[int, Path(ge=1, le=2**62, description="hold_id")]


@router.get("")
async def read_retention(request: Request, employee: CurrentEmployee) -> RetentionReport:
    """Read the retention and growth of each level and kind of records, waiting changes, and legal holds."""
    del employee
    services = get_services(request)
    async with services.pool.acquire() as connection:
        overview = await read_overview(connection, services.clock(), services.settings.disk_bytes)
        holds = await list_holds(connection)
    return RetentionReport(
        version=overview.version, levels=[to_level(level) for level in overview.levels],
        records=[to_records(age) for age in overview.records],
        max_sample_age_days=overview.max_sample_age / DAY, database_bytes=overview.growth.bytes,
        full_in_days=None if overview.full_in is None else overview.full_in / DAY,
        waiting=to_change(overview.waiting[0]) if overview.waiting else None,
        holds=[to_hold(row) for row in holds], tenants=[to_tenant(row) for row in overview.tenants],
        drifts=[drift.sentence for drift in overview.drifts],
    )  # fmt: skip


@router.post("/plans")
async def plan_retention(request: Request, order: PlanOrder, employee: MayKeepStorage) -> RetentionPlan:
    """Return the data that other ages would drop, and its owners. Nothing is written."""
    del employee
    services = get_services(request)
    keep: dict[str, timedelta] = {name: parse_age(text) for name, text in order.keep.items()}
    async with services.pool.acquire() as connection:
        plan = await make_plan(connection, keep, services.clock(), parse_grace(services), large=order.large)
    return RetentionPlan(plan=plan.document(), refused=bool(plan.objections))


@router.post("/changes", status_code=201, responses=conflicts(PlanOutdatedError, PlanRefusedError, WrongDatabaseError))
async def change_retention(request: Request, order: ChangeOrder, employee: MayKeepStorage) -> ChangeOrdered:
    """Apply a plan: longer ages at once, shorter ones after the grace."""
    services = get_services(request)
    async with services.pool.acquire() as connection:
        change = await apply_plan(
            connection, order.plan, order.database, employee_operator(employee), order.reason,
            services.clock(), parse_grace(services),
        )  # fmt: skip
    await services.storage.read()
    return ChangeOrdered(change_id=change.id, due_at=change.due_at, in_force=change.applied)


@router.get("/changes")
async def read_changes(request: Request, employee: CurrentEmployee) -> list[RetentionChange]:
    """Read the last 100 changes, the newest first."""
    del employee
    async with get_services(request).pool.acquire() as connection:
        return [to_change(row) for row in await list_changes(connection)]


@router.post("/changes/{change_id}/undo", responses=conflicts(UndoRefusedError, WrongDatabaseError))
async def undo_retention(request: Request, change_id: ChangeId, order: UndoOrder, employee: MayKeepStorage) -> Undone:
    """Undo the newest change, as long as it dropped nothing."""
    services = get_services(request)
    async with services.pool.acquire() as connection:
        await check_database(connection, order.database)
        message = await undo_change(connection, change_id, employee_operator(employee), services.clock())
    await services.storage.read()
    return Undone(message=message)


@router.post("/holds", status_code=201)
async def hold_data(request: Request, order: HoldOrder, employee: MayKeepStorage) -> HoldPlaced:
    """Place a legal hold: retention of every level stops until it is released."""
    services = get_services(request)
    requested = HoldRequest(order.kind, order.subject_id, order.reason, order.ends_at)
    async with services.pool.acquire() as connection:
        return HoldPlaced(
            hold_id=await place_hold(connection, requested, employee_operator(employee), services.clock())
        )


@router.post("/holds/{hold_id}/release", status_code=204)
async def release(request: Request, hold_id: HoldId, employee: MayKeepStorage) -> None:
    """Release a legal hold; with the last one retention continues, an hour later."""
    services = get_services(request)
    async with services.pool.acquire() as connection:
        await release_hold(connection, hold_id, employee_operator(employee), services.clock())


@router.post("/tenants/plans")
async def plan_tenant_ages(request: Request, order: TenantAges, employee: MayKeepStorage) -> TenantEffect:
    """Return the effects of other ages for one business. Nothing is written."""
    del employee
    services = get_services(request)
    async with services.pool.acquire() as connection:
        plan = await plan_tenant(
            connection, order.business_id, tenant_ages(order), services.clock(), parse_grace(services)
        )
    return to_effect(plan)


@router.post("/tenants", responses=conflicts(PlanRefusedError, WrongDatabaseError))
async def change_tenant_ages(request: Request, order: TenantOrder, employee: MayKeepStorage) -> TenantEffect:
    """Keep levels of one business longer or shorter: charts follow at once, rows are deleted after the grace."""
    services = get_services(request)
    async with services.pool.acquire() as connection:
        await check_database(connection, order.database)
        plan = await change_tenant(
            connection, order.business_id, tenant_ages(order), employee_operator(employee), order.reason,
            services.clock(), parse_grace(services),
        )  # fmt: skip
    await services.storage.read()
    return to_effect(plan)


def tenant_ages(order: TenantAges) -> dict[str, timedelta | None]:
    """Return the ages of an order; raises InvalidAgeError."""
    return {name: None if text is None else parse_age(text) for name, text in order.keep.items()}


def to_effect(plan: TenantPlan) -> TenantEffect:
    """Return the effects of a change of a business as the model of the API."""
    return TenantEffect(
        business_id=plan.business_id, business_name=plan.name, devices=plan.devices, before_days=plan.before,
        after_days=plan.after, deleted_rows=plan.rows, effects=plan.effects, objections=plan.objections,
    )  # fmt: skip


def to_tenant(row: dict[str, Any]) -> TenantLevel:
    """Return a level of a business as the model of the API."""
    return TenantLevel(
        business_id=row["business_id"], business_name=row["name"], level=row["level"],
        kept_days=row["keep"] / DAY if row["keep"] else None,
        former_days=row["former_keep"] / DAY if row["former_keep"] else None, former_until=row["former_until"],
        changed_at=row["changed_at"], changed_by=row["changed_by"], reason=row["reason"],
        deleted_until=row["trimmed_until"], deleted_rows=row["trimmed_rows"],
    )  # fmt: skip


def parse_grace(services: Services) -> timedelta:
    """Return the grace period of a shorter retention (RTS_RETENTION_GRACE_HOURS)."""
    return timedelta(hours=services.settings.retention_grace_hours)


def employee_operator(employee: Employee) -> Operator:
    """Return the employee as the author of a change or a hold."""
    return Operator(f"employee {employee.id}", employee.actor)


def to_level(level: LevelRetention) -> RetentionLevel:
    """Return a level as the model of the API."""
    return RetentionLevel(
        name=level.status.level.name, kept_days=level.keep / DAY, bytes=level.status.bytes,
        growth_bytes_per_day=level.growth, oldest_at=level.status.oldest, next_drop_at=level.next_drop,
    )  # fmt: skip


def to_records(age: RecordAge) -> RetentionRecords:
    """Return a kind of records as the model of the API."""
    return RetentionRecords(
        name=age.kind.name, what=age.kind.what, kept_days=age.keep / DAY, least_days=age.kind.least / DAY,
        bytes=age.bytes, last_deleted_at=age.purged_at, deleted_rows=age.purged_rows,
    )  # fmt: skip


def to_change(row: dict[str, Any]) -> RetentionChange:
    """Return a change as the model of the API."""
    renamed = {"change_id": row["id"], "before_days": row["before"], "after_days": row["after"]}
    return RetentionChange.model_validate(row | renamed)


def to_hold(row: dict[str, Any]) -> LegalHold:
    """Return a hold as the model of the API."""
    return LegalHold.model_validate(row | {"hold_id": row["id"]})
