"""The schema that Grafana reads: each role sees its own business, and every query of the dashboards runs."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from grafana_foundation_sdk.models import dashboard as models
from sqlalchemy.engine import make_url

from core.clock import utc_now
from core.metrics import COUNTERS, GAUGES
from db.grafana import schema
from db.pools import SERVER_SETTINGS, Connection
from release.grafana_dashboards import FOLDER, dashboards, text_of
from rollups.choose import bucket_start
from rollups.refresh import refresh_range
from tests.conftest import MakeDevice
from tests.databases import REAL_SERVER, as_admin
from tests.db.grafana_macros import expand
from tests.devices import Device, sample
from tests.people import Tenant

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BOARDS = [json.loads((FOLDER / name).read_text()) for name in ("fleet.json", "device.json")]
CHART = "SELECT * FROM grafana.chart($1, $2, $3, $4)"


@dataclass
class Roles:
    """A role of each kind, and how to query as one of them."""

    alice: str
    bob: str
    wall: str  # sees all businesses
    stranger: str  # of the group, and of no business
    admin: Connection

    @asynccontextmanager
    async def signed_in(self, role: str) -> AsyncIterator[Connection]:
        """Query as a role in a transaction that leaves nothing: `session_user` is what a sign-in would make it.

        The embedded server has one user: there the user sees what the role would.
        """
        transaction = self.admin.transaction()
        await transaction.start()
        try:
            if REAL_SERVER:
                await self.admin.execute(f"SET LOCAL SESSION AUTHORIZATION {role}")
            else:
                await self.admin.execute(
                    "INSERT INTO grafana.roles SELECT session_user, business_id, sees_all FROM grafana.roles "
                    "WHERE role_name = $1", role,
                )  # fmt: skip
            yield self.admin
        finally:
            await transaction.rollback()

    async def fetch(self, role: str, query: str, *arguments: Any) -> list[asyncpg.Record]:
        async with self.signed_in(role) as connection:
            return await connection.fetch(query, *arguments)


@pytest.fixture(scope="module")
async def roles(database: str, alice: Tenant, bob: Tenant) -> AsyncIterator[Roles]:
    tag = uuid4().hex[:8]
    names = [f"rts_test_grafana_{who}_{tag}" for who in ("alice", "bob", "wall", "stranger")]
    connection = await asyncpg.connect(as_admin(database), server_settings=dict(SERVER_SETTINGS))
    try:
        await schema.install(connection)
        await schema.install(connection)  # after an upgrade
        for name, business in zip(names, (alice.business_id, bob.business_id, None), strict=False):
            await schema.allow(connection, name, business)
        await connection.execute(f"CREATE ROLE {names[-1]} LOGIN IN ROLE rts_grafana")
        alice_role, bob_role, wall, stranger = names
        yield Roles(alice_role, bob_role, wall, stranger, connection)
    finally:
        await connection.execute("DROP SCHEMA IF EXISTS grafana CASCADE")
        for name in names:
            await connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
        await connection.close()


@pytest.fixture(scope="module")
async def now() -> datetime:
    return utc_now().replace(microsecond=0)


@pytest.fixture
async def measured(make_device: MakeDevice, database: str, now: datetime) -> Device:
    """A device of Alice with ten days in all levels and a raw tail."""
    device = await make_device(name="on the wall", interval=900)
    start = now - 10 * DAY
    steps = [start + step * 15 * MINUTE for step in range(10 * 96)]
    half = len(steps) // 2
    for part in (steps[:half], steps[half:]):
        await device.accepted(
            *(
                sample(at, cpu_percent=(position := (at - start) // (15 * MINUTE)) % 100, disk_percent=40,
                       memory_percent=50, network_rx_bytes=position * 900_000 if position != 500 else 0)
                for at in part
            )
        )  # fmt: skip
    connection = await asyncpg.connect(database)
    await refresh_range(connection, start - DAY, now, utc_now())
    await connection.close()
    await device.accepted(sample(now - 10 * MINUTE, cpu_percent=99, network_rx_bytes=1_000_000_000))
    return device


@pytest.mark.parametrize(("span", "every"), [(3 * HOUR, MINUTE), (DAY, 5 * MINUTE), (7 * DAY, HOUR), (10 * DAY, DAY)])
async def test_a_chart_equals_the_history(
    roles: Roles, measured: Device, now: datetime, span: timedelta, every: timedelta
) -> None:
    rows = await roles.fetch(roles.alice, CHART, measured.agent_id, now - span, now + MINUTE, every)
    minutes = int(every.total_seconds()) // 60
    answer = await measured.history(
        start=(now - span).isoformat(), end=(now + MINUTE).isoformat(), interval=f"{minutes}m",
        metric="cpu_percent,network_rx_bytes", aggregates="avg,min,max",
    )  # fmt: skip
    expected = [row for row in answer["metrics"] if row["samples"]]
    assert [row["samples"] for row in rows] == [row["samples"] for row in expected]
    for row, point in zip(rows, expected, strict=True):
        assert row["time"] == datetime.fromisoformat(point["timestamp"])
        assert row["cpu_percent"] == pytest.approx(point["cpu_percent"], abs=0.01)
        assert row["cpu_percent_max"] == pytest.approx(point["cpu_percent_max"], abs=0.01)
        rate = point["network_rx_bytes"]
        assert row["network_rx_bytes_per_second"] == (None if rate is None else pytest.approx(rate, rel=1e-3, abs=0.01))


async def test_a_chart_reads_the_level_that_fits(roles: Roles, now: datetime) -> None:
    query = "SELECT relation FROM grafana.level_for($1, $2)"
    chosen = {
        (span, every): await roles.admin.fetchval(query, now - span, every)
        for span, every in [(HOUR, MINUTE), (7 * DAY, 10 * MINUTE), (29 * DAY, 2 * HOUR), (300 * DAY, DAY),
                            (60 * DAY, MINUTE), (1000 * DAY, MINUTE)]
    }  # fmt: skip
    assert list(chosen.values()) == [
        "agent_metrics", "agent_metrics_5m", "agent_metrics_1h", "agent_metrics_1d", "agent_metrics_5m",
        "agent_metrics_1d",
    ]  # fmt: skip


def targets(board: dict[str, Any]) -> list[str]:
    """Return every query of a dashboard: of panels, variables and annotations."""
    panels = [target["rawSql"] for panel in board["panels"] for target in panel["targets"]]
    notes = [one["target"]["rawSql"] for one in board["annotations"]["list"]]
    variables = [one["query"] for one in board.get("templating", {}).get("list", [])]
    return panels + notes + variables


@pytest.mark.parametrize("span", [HOUR, 7 * DAY, 365 * DAY])
@pytest.mark.parametrize("who", ["alice", "bob", "wall", "stranger"])
async def test_every_query_of_the_dashboards_runs_as_every_role(
    roles: Roles, measured: Device, now: datetime, who: str, span: timedelta
) -> None:
    seen = 0
    for board in BOARDS:
        for text in targets(board):
            interval = max(MINUTE, span / 1000)
            expanded = expand(text, now - span, now, interval, device=str(measured.agent_id))
            assert "$" not in expanded, expanded
            rows = await roles.fetch(getattr(roles, who), expanded)
            seen += len(rows)
            if who in ("bob", "stranger"):
                assert str(measured.agent_id) not in str(rows)
                assert "on the wall" not in str(rows)
    assert (seen > 0) is (who != "stranger") or who == "bob"


async def test_a_device_dashboard_without_a_device_is_empty(roles: Roles, now: datetime) -> None:
    for text in targets(BOARDS[1])[:-1]:
        assert await roles.fetch(roles.wall, expand(text, now - DAY, now, 5 * MINUTE, device="")) == []


async def test_a_role_sees_only_its_own_business(roles: Roles, measured: Device, make_device: MakeDevice, bob: Tenant,
                                                 now: datetime) -> None:  # fmt: skip
    other = await make_device(bob, name="of bob")
    await other.accepted(sample(5 * MINUTE, cpu_percent=1))
    for view in ("grafana.devices", "grafana.latest"):
        names = {
            who: await device_names(roles, getattr(roles, who), view) for who in ("alice", "bob", "wall", "stranger")
        }
        assert "on the wall" in names["alice"]
        assert "of bob" not in names["alice"]
        assert "of bob" in names["bob"]
        assert "on the wall" not in names["bob"]
        assert {"on the wall", "of bob"} <= names["wall"]
        assert names["stranger"] == set()
    arguments = measured.agent_id, now - DAY, now, HOUR
    assert await roles.fetch(roles.alice, CHART, *arguments)
    assert await roles.fetch(roles.bob, CHART, *arguments) == []
    assert await roles.fetch(roles.stranger, CHART, *arguments) == []


async def device_names(roles: Roles, role: str, view: str) -> set[str]:
    column = "name" if view == "grafana.devices" else "device"
    return {row[column] for row in await roles.fetch(role, f"SELECT {column} FROM {view}")}


async def test_a_tenant_sees_nothing_from_before_the_device_was_theirs(
    roles: Roles, measured: Device, pool: asyncpg.Pool, now: datetime
) -> None:
    await pool.execute("UPDATE agent_devices SET owned_since = $2 WHERE id = $1", measured.agent_id, now - HOUR)
    for every in (MINUTE, 5 * MINUTE, HOUR):
        rows = await roles.fetch(roles.alice, CHART, measured.agent_id, now - DAY, now, every)
        assert rows, every
        assert min(row["time"] for row in rows) >= bucket_start(now - HOUR, every)
    assert len(await roles.fetch(roles.wall, CHART, measured.agent_id, now - DAY, now, HOUR)) > 20


@pytest.mark.skipif(not REAL_SERVER, reason="the embedded server has one role")
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM {schema}.agent_metrics", "SELECT * FROM {schema}.agent_devices", "SELECT * FROM grafana.roles",
        "INSERT INTO grafana.roles VALUES (session_user, NULL, true)",
        "UPDATE grafana.roles SET sees_all = true, business_id = NULL",
        "CREATE TABLE grafana.mine (id int)", "SELECT grafana.level_for(now(), '1h')",
    ],
)  # fmt: skip
async def test_a_role_can_do_nothing_else(roles: Roles, statement: str) -> None:
    place = await roles.admin.fetchval(
        "SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = 'agent_metrics'::regclass"
    )
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
        await roles.fetch(roles.bob, statement.format(schema=place))


async def test_a_temporary_table_does_not_take_the_place_of_ours(roles: Roles, measured: Device, now: datetime) -> None:
    """With rows of its own choice a role would see any device."""
    async with roles.signed_in(roles.bob) as connection:
        await connection.execute("CREATE TEMPORARY TABLE agent_devices AS SELECT 1 AS id")
        await connection.execute("CREATE TEMPORARY TABLE roles AS SELECT session_user AS role_name, true AS sees_all")
        assert await connection.fetch(CHART, measured.agent_id, now - DAY, now, HOUR) == []
        assert "on the wall" not in str(await connection.fetch("SELECT * FROM grafana.devices"))


async def test_a_role_is_bounded_from_its_sign_in_on(roles: Roles) -> None:
    (role,) = await roles.admin.fetch(
        "SELECT r.rolconnlimit, s.setconfig FROM pg_roles r JOIN pg_db_role_setting s ON s.setrole = r.oid "
        "WHERE r.rolname = $1", roles.alice,
    )  # fmt: skip
    assert role["rolconnlimit"] == 5
    assert {"default_transaction_read_only=on", "statement_timeout=15s"} <= set(role["setconfig"])


@pytest.mark.skipif(not REAL_SERVER, reason="the embedded server has one sign-in")
async def test_a_role_that_signs_in_sees_its_own_business_and_cannot_become_another(
    roles: Roles, measured: Device, database: str
) -> None:
    url = make_url(database).set(username=roles.bob, password=None).render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval("SHOW statement_timeout") == "15s"
        await connection.execute("SET default_transaction_read_only = off; SET ROLE rts_grafana")
        assert "on the wall" not in str(await connection.fetch("SELECT * FROM grafana.devices"))
        for name in (roles.alice, roles.wall):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"SET SESSION AUTHORIZATION {name}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"SET ROLE {name}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("INSERT INTO grafana.roles VALUES (session_user, NULL, true)")
    finally:
        await connection.close()


async def test_odd_newest_values_of_one_device_leave_the_others(roles: Roles, measured: Device, make_device: MakeDevice,
                                                                pool: asyncpg.Pool) -> None:  # fmt: skip
    odd = await make_device(name="odd")
    await odd.accepted(sample(MINUTE, cpu_percent=1))
    values = '{"cpu_percent": 1e999, "memory_percent": [1], "disk_percent": "x", "load_average_1m": 3}'
    await pool.execute("UPDATE agent_devices SET current_metrics = $2 WHERE id = $1", odd.agent_id, values)
    rows = await roles.fetch(roles.alice, "SELECT * FROM grafana.latest WHERE device_id = $1", odd.agent_id)
    assert [(row["cpu_percent"], row["memory_percent"], row["load_average_1m"]) for row in rows] == [(None, None, 3)]
    assert "on the wall" in await device_names(roles, roles.alice, "grafana.latest")


@pytest.mark.parametrize(
    ("start", "end", "every"),
    [(HOUR, timedelta(), timedelta(0)), (-HOUR, timedelta(), HOUR), (300 * DAY, timedelta(), MINUTE)],
)
async def test_a_range_that_cannot_be_charted_is_named(
    roles: Roles, measured: Device, now: datetime, start: timedelta, end: timedelta, every: timedelta
) -> None:
    arguments = measured.agent_id, now - start, now - end, every
    if start == 300 * DAY:  # too old for minutes: answered by a coarser level
        assert await roles.fetch(roles.alice, CHART, *arguments)
        return
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await roles.fetch(roles.alice, CHART, *arguments)


async def test_too_many_points_are_refused_with_what_to_do(roles: Roles, measured: Device, now: datetime) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="more than 11000 points"):
        await roles.fetch(roles.alice, CHART, measured.agent_id, now - 20 * DAY, now, timedelta(seconds=30))


async def test_a_chart_has_a_column_for_each_metric(roles: Roles, measured: Device, now: datetime) -> None:
    columns = await roles.fetch(roles.alice, CHART + " LIMIT 1", measured.agent_id, now - DAY, now, HOUR)
    names = set(columns[0].keys())
    assert {gauge.name for gauge in GAUGES} | {f"{counter.name}_per_second" for counter in COUNTERS} <= names


async def test_a_role_of_something_else_is_left_alone(roles: Roles) -> None:
    owner = await roles.admin.fetchval(
        "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'agent_metrics'::regclass"
    )
    for name in {owner, "rts_grafana"}:
        with pytest.raises(schema.GrafanaRoleError):
            await schema.allow(roles.admin, name.strip('"'), None)
        with pytest.raises(schema.GrafanaRoleError):
            await schema.remove(roles.admin, name.strip('"'))


async def test_a_business_that_is_not_there_is_named(roles: Roles) -> None:
    with pytest.raises(schema.GrafanaRoleError, match="No business"):
        await schema.allow(roles.admin, "rts_test_nobody", uuid4())


def test_the_dashboards_are_what_the_script_writes() -> None:
    for name, content in dashboards().items():
        assert (FOLDER / name).read_text() == text_of(content), f"run `make dashboards`: {name} differs"


@pytest.mark.parametrize("board", BOARDS, ids=["fleet", "device"])
def test_a_dashboard_is_one_that_grafana_reads(board: dict[str, Any]) -> None:
    read = models.Dashboard.from_json(json.loads(json.dumps(board)))
    assert read.uid == board["uid"]
    assert len(read.panels or []) == len(board["panels"])
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}
    assert len(places) == len(board["panels"])
    for panel in board["panels"]:
        assert panel["targets"][0]["datasource"]["uid"] == "rts-agents"
