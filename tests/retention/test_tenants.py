"""Retention of one business: its own levels longer or shorter, nobody else's data touched, charts that follow."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import utc_now
from db.hypertables.policies import DAY, SLACK
from db.hypertables.values import DEFAULTS, read_values
from devices.directory import BusinessNotFoundError
from retention.holds import HoldRequest, drop_unheld, place_hold
from retention.plans import UnknownNameError
from retention.tenants import change_tenant, list_tenants, plan_tenant, settle_tenants
from retention.trims import trim_tenants, trim_times
from rollups.drift import find_drift
from tests.devices import Device, register_device
from tests.people import make_tenant
from tests.retention.conftest import OPERATOR, Run, Server

GRACE = timedelta(hours=24)
LEVELS = ("agent_metrics", "agent_metrics_5m", "agent_metrics_1h", "agent_series_samples", "agent_series_5m")
BY_SERIES = "series_id IN (SELECT id FROM agent_series WHERE agent_device_id = $1)"
Times = dict[str, list[datetime]]


async def make_device(server: Server, connection: asyncpg.Connection, name: str) -> tuple[Device, UUID]:
    """Return a device of a business of its own with samples and series of 45 days, rolled up."""
    tenant = await make_tenant(server.services.pool, server.services.tokens, name)
    device = await register_device(server.client, server.technician, tenant, name, 300)
    series = await connection.fetchval(
        "INSERT INTO agent_series (agent_device_id, created_at, instance, is_counter, last_seen_at, metric, unit) "
        "VALUES ($1, now(), 'C:', false, now(), 'disk_percent', '%') RETURNING id",
        device.agent_id,
    )
    await connection.execute(
        "INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent) "
        "SELECT $1, now() - n * interval '6 hours', now(), 50 FROM generate_series(1, 180) n",
        device.agent_id,
    )
    await connection.execute(
        "INSERT INTO agent_series_samples (series_id, collected_at, is_counter, value) "
        "SELECT $1, now() - n * interval '6 hours', false, 5 FROM generate_series(1, 180) n",
        series,
    )
    return device, tenant.business_id


async def roll_up(connection: asyncpg.Connection, days: int = 46) -> None:
    for rollup in ("agent_metrics_5m", "agent_metrics_1h", "agent_series_5m"):
        await connection.execute(
            f"CALL refresh_continuous_aggregate('{rollup}', now() - interval '{days} days', now() - interval '1 hour')"
        )


async def compress(connection: asyncpg.Connection) -> None:
    for relation in ("agent_metrics", "agent_series_samples", "agent_metrics_5m"):
        await connection.execute(
            "SELECT compress_chunk(c, if_not_compressed => true) "
            "FROM show_chunks($1::text::regclass, older_than => now() - interval '3 days') c",
            relation,
        )


async def times_of(connection: asyncpg.Connection, device: Device) -> Times:
    """Return the times of a device's rows at every level."""
    times = {}
    for relation in LEVELS:
        time = "collected_at" if relation in ("agent_metrics", "agent_series_samples") else "bucket"
        where = BY_SERIES if "series" in relation else "agent_device_id = $1"
        rows = await connection.fetch(f"SELECT {time} AS at FROM {relation} WHERE {where} ORDER BY 1", device.agent_id)
        times[relation] = [cast("datetime", row["at"]) for row in rows]
    return times


def since(times: Times, relation: str, age: timedelta) -> list[datetime]:
    """Return the times that are left when a relation has lost whole days older than `age`."""
    first = (utc_now() - age).replace(hour=0, minute=0, second=0, microsecond=0)
    return [at for at in times[relation] if at >= first]


@pytest.mark.parametrize("columnstore", [False, True], ids=["rowstore", "columnstore"])
async def test_businesses_with_a_longer_a_shorter_and_the_usual_retention_keep_their_rows(
    server: Server, connection: asyncpg.Connection, columnstore: bool
) -> None:
    longer, ada = await make_device(server, connection, "Ada")
    usual, _ = await make_device(server, connection, "Bob")
    shorter, cleo = await make_device(server, connection, "Cleo")
    await roll_up(connection)
    if columnstore:
        await compress(connection)
    before = {device.agent_id: await times_of(connection, device) for device in (longer, usual, shorter)}
    now = utc_now()
    await change_tenant(connection, ada, {"raw": 90 * DAY}, OPERATOR, "contract", now, GRACE)
    await change_tenant(connection, cleo, {"raw": 10 * DAY, "5m": 32 * DAY}, OPERATOR, "wish", now, GRACE)
    assert await find_drift(connection, now) == []
    drops = await connection.fetch("SELECT relation, config ->> 'drop_after' AS age FROM agent_storage_jobs() "
                                   "WHERE kind = 'retention' AND relation LIKE 'agent_metrics%'")  # fmt: skip
    assert {row["relation"]: row["age"] for row in drops}["agent_metrics"] == "90 days"

    await trim_tenants(connection, now)  # in the grace: only what was not there before Ada's change
    assert (await times_of(connection, shorter))["agent_metrics_5m"] == before[shorter.agent_id]["agent_metrics_5m"]
    await settle_tenants(connection, now + GRACE)
    await trim_tenants(connection, now + timedelta(minutes=1))
    await roll_up(connection, 27)  # a refresh looks back 28 days

    assert await times_of(connection, longer) == before[longer.agent_id]
    left, had = await times_of(connection, usual), before[usual.agent_id]
    assert left == had | {name: since(had, name, 30 * DAY) for name in ("agent_metrics", "agent_series_samples")}
    left, had = await times_of(connection, shorter), before[shorter.agent_id]
    assert left == had | {
        # Refreshes read raw samples of 28 days: they stay a day longer than that.
        "agent_metrics": since(had, "agent_metrics", 29 * DAY),
        "agent_series_samples": since(had, "agent_series_samples", 29 * DAY),
        "agent_metrics_5m": since(had, "agent_metrics_5m", 32 * DAY),
        "agent_series_5m": since(had, "agent_series_5m", 32 * DAY),
    }
    assert not await trim_tenants(connection, now + timedelta(minutes=2))
    rows = {(row["business_id"], row["level"]): row["trimmed_rows"] for row in await list_tenants(connection)}
    assert rows[cleo, "5m"] > 0


async def test_a_change_that_is_taken_back_in_its_grace_deletes_nothing(
    server: Server, connection: asyncpg.Connection
) -> None:
    device, business = await make_device(server, connection, "Back")
    await roll_up(connection)
    before, now = await times_of(connection, device), utc_now()
    await change_tenant(connection, business, {"5m": 32 * DAY}, OPERATOR, "x", now, GRACE)
    await trim_tenants(connection, now + GRACE / 2)
    await change_tenant(connection, business, {"5m": None}, OPERATOR, "x", now + GRACE / 2, GRACE)
    await settle_tenants(connection, now + 2 * GRACE)
    assert await list_tenants(connection) == []
    await trim_tenants(connection, now + 2 * GRACE)
    assert await times_of(connection, device) == before


async def test_a_longer_age_that_ends_gives_chunks_their_age_after_the_grace(
    server: Server, connection: asyncpg.Connection
) -> None:
    _, business = await make_device(server, connection, "Long")
    now = utc_now()
    await change_tenant(connection, business, {"raw": 90 * DAY}, OPERATOR, "x", now, GRACE)
    with pytest.raises(asyncpg.InvalidParameterValueError, match="keeps chunks that end before"):
        await connection.execute("SELECT agent_drop_old_chunks('agent_metrics', now() - interval '60 days')")
    await change_tenant(connection, business, {"raw": None}, OPERATOR, "x", now, GRACE)
    raw = DEFAULTS.metrics[0]
    assert (await read_values(connection)).drop_after(raw) == 90 * DAY
    await settle_tenants(connection, now + GRACE)
    assert (await read_values(connection)).drop_after(raw) == raw.keep
    assert await find_drift(connection, now) == []


async def test_data_under_a_legal_hold_is_not_deleted(server: Server, connection: asyncpg.Connection) -> None:
    device, business = await make_device(server, connection, "Held")
    await roll_up(connection)
    before, now = await times_of(connection, device), utc_now()
    await change_tenant(connection, business, {"5m": 32 * DAY}, OPERATOR, "x", now, timedelta(0))
    await place_hold(connection, HoldRequest("business", business, "x"), OPERATOR, now)
    await settle_tenants(connection, now)
    assert not await trim_tenants(connection, now)
    assert await drop_unheld(connection, now) >= 0
    assert await times_of(connection, device) == before


async def test_charts_choose_levels_by_the_ages_of_the_business(server: Server, connection: asyncpg.Connection) -> None:
    longer, ada = await make_device(server, connection, "Ada")
    shorter, cleo = await make_device(server, connection, "Cleo")
    name = await connection.fetchval("SELECT current_database()")
    for business, age in ((ada, "90d"), (cleo, "10d")):
        answer = await server.post(
            "/tenants", {"business_id": str(business), "keep": {"raw": age}, "database": name, "reason": "x"}
        )
        assert answer.status_code == 200, answer.text

    async def chart(device: Device, days: int) -> list[str]:
        asked = {"start": (utc_now() - days * DAY).isoformat(), "end": utc_now().isoformat(), "interval": "raw"}
        path = f"/api/agents/{device.agent_id}/metrics/history"
        answer = await server.client.get(path, params=asked, headers=server.technician.headers)
        return [warning["code"] for warning in answer.json()["warnings"]]

    assert await chart(longer, 40) == []
    assert await chart(shorter, 20) == ["coarser_than_asked"]
    assert await chart(shorter, 9) == []
    path = f"/api/agents/{shorter.agent_id}/annotations"
    asked = {"start": (utc_now() - DAY).isoformat(), "end": utc_now().isoformat()}
    kept = (await server.client.get(path, params=asked, headers=server.technician.headers)).json()["retention"]
    (raw,) = [datetime.fromisoformat(one["kept_from"]) for one in kept if one["level"] == "raw"]
    assert timedelta(days=9) < utc_now() - raw < timedelta(days=11)
    report = (await server.client.get("/api/admin/retention", headers=server.technician.headers)).json()
    assert {one["business_id"]: one["kept_days"] for one in report["tenants"]} == {str(ada): 90, str(cleo): 10}


async def test_a_change_is_planned_refused_and_has_its_trail(server: Server, connection: asyncpg.Connection) -> None:
    _, business = await make_device(server, connection, "Trail")
    await roll_up(connection)
    body = {"business_id": str(business), "keep": {"5m": "32d"}}
    plan = (await server.post("/tenants/plans", body)).json()
    assert plan["deleted_rows"]["agent_metrics_5m"] > 0
    assert (plan["before_days"]["5m"], plan["after_days"]["5m"]) == (90, 32)
    assert await list_tenants(connection) == []
    name = await connection.fetchval("SELECT current_database()")
    order = body | {"database": name, "reason": "wish"}
    wrong = await server.post("/tenants", order | {"database": "another"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (409, "wrong_database")
    short = await server.post("/tenants", order | {"keep": {"5m": "3d"}})
    assert (short.status_code, short.json()["error"]["code"]) == (409, "retention_plan_refused")
    unknown = await server.post("/tenants", order | {"business_id": str(uuid4())})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "business_not_found")
    assert (await server.post("/tenants", order)).status_code == 200
    details = await connection.fetchval(
        "SELECT details -> 'after_days' ->> '5m' FROM agent_audit WHERE action = 'retention_of_business_changed' "
        "AND actor_id = $1 AND details ->> 'business_id' = $2",
        server.dba.employee_id, str(business),
    )  # fmt: skip
    assert float(details) == 32


async def test_levels_and_businesses_that_are_not_there_are_refused(connection: asyncpg.Connection) -> None:
    with pytest.raises(BusinessNotFoundError):
        await plan_tenant(connection, uuid4(), {"raw": 40 * DAY}, utc_now(), GRACE)
    business = await connection.fetchval("SELECT id FROM businesses LIMIT 1")
    if business:
        with pytest.raises(UnknownNameError):
            await plan_tenant(connection, business, {"alerts": 40 * DAY}, utc_now(), GRACE)


async def test_at_the_command_line(server: Server, run: Run, connection: asyncpg.Connection) -> None:
    _, business = await make_device(server, connection, "Lina")
    asked = await run("retention", "tenant", "what-if", str(business), "--raw", "90d")
    assert asked.exit_code == 0, asked.output
    assert "chunks of raw are dropped after 90 days instead of 30" in asked.output
    assert (await run("retention", "tenant", "what-if", str(business), "--5m", "3d")).exit_code == 1
    done = await run("retention", "tenant", "set", str(business), "--raw", "90d", "--reason", "contract 12", "--yes")
    assert done.exit_code == 0, done.output
    assert "contract 12" in (await run("retention", "tenant", "list")).output
    shown = await run("retention", "show")
    assert "Lina: raw is kept for 90 d" in shown.output
    assert shown.exit_code == 0
    assert (
        await run("retention", "tenant", "set", str(business), "--raw", "all", "--reason", "x", "--yes")
    ).exit_code == 0
    assert "as for all" in (await run("retention", "tenant", "list")).output


ages = st.integers(1, 4000)


@given(own=st.fixed_dictionaries({"raw": ages, "5m": ages, "1h": ages, "1d": ages}), longest=ages)
def test_rows_younger_than_their_age_and_rows_that_a_refresh_needs_are_kept(own: dict[str, int], longest: int) -> None:
    business, other, now = uuid4(), uuid4(), datetime(2027, 5, 1, 13, tzinfo=UTC)
    keep = {name: days * DAY for name, days in own.items()}
    values = replace(DEFAULTS, undeleted={business: keep, other: {"raw": longest * DAY}})
    times = trim_times(values, business, now)
    for level, above in zip(values.metrics, (*values.metrics[1:], None), strict=True):
        if level.name not in times:
            assert keep[level.name] == values.drop_after(level)
            continue
        assert times[level.name] <= now - keep[level.name]
        if above and above.refresh_from:
            coarser = times.get(above.name, now - keep[above.name])
            assert times[level.name] <= max(now - above.refresh_from - SLACK, coarser)
