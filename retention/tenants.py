"""Retention of one business: levels kept longer or shorter than for all. In force at once; rows go after the grace."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from db.hypertables.policies import DAY
from db.hypertables.values import StorageValues, read_values
from db.pools import Connection
from db.sql import load_beside
from devices.directory import BusinessNotFoundError
from retention.ages import LEVEL_NAMES, days_by_level
from retention.changes import QUERIES as CHANGES
from retention.changes import Operator
from retention.needs import find_unmet, read_needs
from retention.plans import PlanRefusedError, UnknownNameError
from retention.trims import count_trims, trim_times
from rollups.repair import set_drop_ages

QUERIES = load_beside(__file__, "tenants.sql")


@dataclass(frozen=True, slots=True)
class TenantPlan:
    """The effects of other ages for a business. Ages in days by level, times in UTC.

    `rows` are those that would be deleted by the end of the grace, by relation. `objections` refuse it.
    """

    business_id: UUID
    name: str
    devices: int
    before: dict[str, float]
    after: dict[str, float]
    rows: dict[str, int]
    effects: list[str]
    objections: list[str]


async def plan_tenant(
    connection: Connection, business_id: UUID, keep: Mapping[str, timedelta | None], now: datetime, grace: timedelta
) -> TenantPlan:
    """Return the effects of these ages of levels (None: as for all).

    Raises BusinessNotFoundError or UnknownNameError.
    """
    business = await connection.fetchrow(*QUERIES.bind("read_tenant", business_id=business_id))
    if business is None:
        raise BusinessNotFoundError
    if unknown := [name for name in keep if name not in LEVEL_NAMES]:
        raise UnknownNameError(f"A business has ages of the levels {', '.join(LEVEL_NAMES)}, not of {unknown[0]}.")
    values = await read_values(connection)
    changed = with_tenant(values, business_id, keep)
    before, after = days_by_level(values.of(business_id)), days_by_level(changed.of(business_id))
    counted = await count_trims(connection, changed, business_id, now + grace)
    return TenantPlan(
        business_id, business["name"], business["devices"], before, after, dict(+counted),
        list(_effects(values, changed, business_id, now + grace)), await _objections(connection, changed, business_id),
    )  # fmt: skip


def with_tenant(values: StorageValues, business_id: UUID, keep: Mapping[str, timedelta | None]) -> StorageValues:
    """Return `values` after a change of a business's ages, at the end of its grace period."""
    ages = {**values.tenants.get(business_id, {}), **keep}
    tenant_ages = {name: age for name, age in ages.items() if age is not None}
    return replace(
        values,
        tenants={**values.tenants, business_id: tenant_ages},
        undeleted={**values.undeleted, business_id: tenant_ages},
    )


def _effects(before: StorageValues, after: StorageValues, business_id: UUID, at: datetime) -> list[str]:
    """Return the effects of a change as sentences."""
    times = trim_times(after, business_id, at)
    lines = []
    for old, new in zip(before.of(business_id).metrics, after.of(business_id).metrics, strict=True):
        name, keep = new.name, new.keep / DAY
        if new.keep < old.keep:
            deleted = f", rows before {times[name]:%Y-%m-%d} are deleted from {at:%Y-%m-%d} on" if name in times else ""
            lines.append(f"{name} is kept for {keep:g} days instead of {old.keep / DAY:g}: charts end there{deleted}")
        elif new.keep > old.keep:
            lines.append(f"{name} is kept for {keep:g} days instead of {old.keep / DAY:g}; deleted rows stay lost")
    for level in before.metrics:
        drops, dropped = after.drop_after(level) / DAY, before.drop_after(level) / DAY
        if drops != dropped:
            lines.append(f"chunks of {level.name} are dropped after {drops:g} days instead of {dropped:g}")
    return lines


async def _objections(connection: Connection, values: StorageValues, business_id: UUID) -> list[str]:
    tenant_values = values.of(business_id)
    shorter = {level.name for level in tenant_values.metrics if level.keep < values.level(level.name).keep}
    needs = [need for need in await read_needs(connection) if need.level in shorter]
    return list(find_unmet(tenant_values, needs))


async def change_tenant(
    connection: Connection, business_id: UUID, keep: Mapping[str, timedelta | None], operator: Operator, reason: str,
    now: datetime, grace: timedelta,
) -> TenantPlan:  # fmt: skip
    """Set ages of a business, with their trail; charts end there at once, rows are deleted after the grace.

    Raises as `plan_tenant`, and PlanRefusedError.
    """
    async with connection.transaction():
        await connection.execute(CHANGES["limit_waits"])
        await connection.execute(CHANGES["lock_values"])
        plan = await plan_tenant(connection, business_id, keep, now, grace)
        if plan.objections:
            raise PlanRefusedError("This change is not safe: " + "; ".join(plan.objections), details=plan.objections)
        for name, age in keep.items():
            await connection.execute(
                *QUERIES.bind(
                    "set_tenant_age", business_id=business_id, level=name, keep=age,
                    before=timedelta(days=plan.before[name]), now=now, until=now + grace, operator=operator.name,
                    reason=reason,
                )
            )  # fmt: skip
        await connection.execute(
            *QUERIES.bind(
                "add_trail", now=now, business_id=business_id, before=json.dumps(plan.before),
                after=json.dumps(plan.after), operator=operator.name, reason=reason, **operator.actor.parameters(),
            )
        )  # fmt: skip
        await set_drop_ages(connection, now)
    return plan


async def settle_tenants(connection: Connection, now: datetime) -> None:
    """End the grace period of changes: rows beyond the new ages may be deleted, and chunks get their new age."""
    async with connection.transaction():
        await connection.execute(CHANGES["limit_waits"])
        if await connection.fetchval(*QUERIES.bind("settle_ages", now=now)):
            await set_drop_ages(connection, now)


async def list_tenants(connection: Connection) -> list[dict[str, Any]]:
    """Return the levels of single businesses that differ from those of all; ages are spans, times in UTC."""
    return [dict(row) for row in await connection.fetch(QUERIES["list_tenant_ages"])]
