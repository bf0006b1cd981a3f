"""Retention over HTTP: how it stands, plans, changes, undo, legal holds. Employees read; the right `dba` changes."""

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
from api.services import Services, services_of
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
    """Read how long each level and kind of records is kept, how it grows, what waits and what is held."""
    del employee
    services = services_of(request)
    async with services.pool.acquire() as connection:
        overview = await read_overview(connection, services.clock(), services.settings.disk_bytes)
        holds = await list_holds(connection)
    return RetentionReport(
        version=overview.version, levels=[level_of(level) for level in overview.levels],
        records=[records_of(age) for age in overview.records],
        max_sample_age_days=overview.max_sample_age / DAY, database_bytes=overview.growth.bytes,
        full_in_days=None if overview.full_in is None else overview.full_in / DAY,
        waiting=change_of(overview.waiting[0]) if overview.waiting else None,
        holds=[hold_of(row) for row in holds], tenants=[tenant_of(row) for row in overview.tenants],
        drifts=[drift.sentence for drift in overview.drifts],
    )  # fmt: skip


@router.post("/plans")
async def plan_retention(request: Request, order: PlanOrder, employee: MayKeepStorage) -> RetentionPlan:
    """Tell what other ages would drop, and who would lose data. Nothing is written."""
    del employee
    services = services_of(request)
    keep: dict[str, timedelta] = {name: parse_age(text) for name, text in order.keep.items()}
    async with services.pool.acquire() as connection:
        plan = await make_plan(connection, keep, services.clock(), grace_of(services), large=order.large)
    return RetentionPlan(plan=plan.document(), refused=bool(plan.objections))


@router.post("/changes", status_code=201, responses=conflicts(PlanOutdatedError, PlanRefusedError, WrongDatabaseError))
async def change_retention(request: Request, order: ChangeOrder, employee: MayKeepStorage) -> ChangeOrdered:
    """Apply a plan: longer ages at once, shorter ones after the grace."""
    services = services_of(request)
    async with services.pool.acquire() as connection:
        change = await apply_plan(
            connection, order.plan, order.database, operator_of(employee), order.reason, services.clock(),
            grace_of(services),
        )  # fmt: skip
    await services.storage.read()
    return ChangeOrdered(change_id=change.id, due_at=change.due_at, in_force=change.applied)


@router.get("/changes")
async def read_changes(request: Request, employee: CurrentEmployee) -> list[RetentionChange]:
    """Read the last 100 changes, the newest first."""
    del employee
    async with services_of(request).pool.acquire() as connection:
        return [change_of(row) for row in await list_changes(connection)]


@router.post("/changes/{change_id}/undo", responses=conflicts(UndoRefusedError, WrongDatabaseError))
async def undo_retention(request: Request, change_id: ChangeId, order: UndoOrder, employee: MayKeepStorage) -> Undone:
    """Undo the newest change, as long as it dropped nothing."""
    services = services_of(request)
    async with services.pool.acquire() as connection:
        await check_database(connection, order.database)
        message = await undo_change(connection, change_id, operator_of(employee), services.clock())
    await services.storage.read()
    return Undone(message=message)


@router.post("/holds", status_code=201)
async def hold_data(request: Request, order: HoldOrder, employee: MayKeepStorage) -> HoldPlaced:
    """Place a legal hold: retention of every level stops until it is released."""
    services = services_of(request)
    requested = HoldRequest(order.kind, order.subject_id, order.reason, order.ends_at)
    async with services.pool.acquire() as connection:
        return HoldPlaced(hold_id=await place_hold(connection, requested, operator_of(employee), services.clock()))


@router.post("/holds/{hold_id}/release", status_code=204)
async def release(request: Request, hold_id: HoldId, employee: MayKeepStorage) -> None:
    """Release a legal hold; with the last one retention goes on, an hour later."""
    services = services_of(request)
    async with services.pool.acquire() as connection:
        await release_hold(connection, hold_id, operator_of(employee), services.clock())


@router.post("/tenants/plans")
async def plan_tenant_ages(request: Request, order: TenantAges, employee: MayKeepStorage) -> TenantEffect:
    """Tell what other ages of one business would do. Nothing is written."""
    del employee
    services = services_of(request)
    async with services.pool.acquire() as connection:
        plan = await plan_tenant(
            connection, order.business_id, tenant_ages(order), services.clock(), grace_of(services)
        )
    return effect_of(plan)


@router.post("/tenants", responses=conflicts(PlanRefusedError, WrongDatabaseError))
async def change_tenant_ages(request: Request, order: TenantOrder, employee: MayKeepStorage) -> TenantEffect:
    """Keep levels of one business longer or shorter: charts follow at once, rows are deleted after the grace."""
    services = services_of(request)
    async with services.pool.acquire() as connection:
        await check_database(connection, order.database)
        plan = await change_tenant(
            connection, order.business_id, tenant_ages(order), operator_of(employee), order.reason, services.clock(),
            grace_of(services),
        )  # fmt: skip
    await services.storage.read()
    return effect_of(plan)


def tenant_ages(order: TenantAges) -> dict[str, timedelta | None]:
    """Return the ages of an order; raises InvalidAgeError."""
    return {name: None if text is None else parse_age(text) for name, text in order.keep.items()}


def effect_of(plan: TenantPlan) -> TenantEffect:
    """Return what a change of a business does as the API shows it."""
    return TenantEffect(
        business_id=plan.business_id, business_name=plan.name, devices=plan.devices, before_days=plan.before,
        after_days=plan.after, deleted_rows=plan.rows, effects=plan.effects, objections=plan.objections,
    )  # fmt: skip


def tenant_of(row: dict[str, Any]) -> TenantLevel:
    """Return a level of a business as the API shows it."""
    return TenantLevel(
        business_id=row["business_id"], business_name=row["name"], level=row["level"],
        kept_days=row["keep"] / DAY if row["keep"] else None,
        former_days=row["former_keep"] / DAY if row["former_keep"] else None, former_until=row["former_until"],
        changed_at=row["changed_at"], changed_by=row["changed_by"], reason=row["reason"],
        deleted_until=row["trimmed_until"], deleted_rows=row["trimmed_rows"],
    )  # fmt: skip


def grace_of(services: Services) -> timedelta:
    """Return how long a shorter retention waits."""
    return timedelta(hours=services.settings.retention_grace_hours)


def operator_of(employee: Employee) -> Operator:
    """Return the employee as changes and holds name them."""
    return Operator(f"employee {employee.id}", employee.actor)


def level_of(level: LevelRetention) -> RetentionLevel:
    """Return a level as the API shows it."""
    return RetentionLevel(
        name=level.status.level.name, kept_days=level.keep / DAY, bytes=level.status.bytes,
        growth_bytes_per_day=level.growth, oldest_at=level.status.oldest, next_drop_at=level.next_drop,
    )  # fmt: skip


def records_of(age: RecordAge) -> RetentionRecords:
    """Return a kind of records as the API shows it."""
    return RetentionRecords(
        name=age.kind.name, what=age.kind.what, kept_days=age.keep / DAY, least_days=age.kind.least / DAY,
        bytes=age.bytes, last_deleted_at=age.purged_at, deleted_rows=age.purged_rows,
    )  # fmt: skip


def change_of(row: dict[str, Any]) -> RetentionChange:
    """Return a change as the API shows it."""
    renamed = {"change_id": row["id"], "before_days": row["before"], "after_days": row["after"]}
    return RetentionChange.model_validate(row | renamed)


def hold_of(row: dict[str, Any]) -> LegalHold:
    """Return a hold as the API shows it."""
    return LegalHold.model_validate(row | {"hold_id": row["id"]})
