"""A page of the list costs the same among 100,000 devices, whatever it is filtered by: the plans say how many rows."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from core.clock import utc_now
from devices.devices import DeviceFilter

DEVICES = 100_000
PAGE = 51
STATUSES = ("online", "warning", "offline", "error")


class Fleet:
    """100,000 devices that no other connection sees: half of them one business's, the others' of 50."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.large, self.small = uuid4(), uuid4()
        self.large_site, self.small_site = uuid4(), uuid4()

    async def make(self) -> None:
        """Insert without indexes, which are made afterwards, and without triggers: that takes a quarter of the time."""
        indexes = await self.connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'agent_devices' AND indexname NOT IN "
            "(SELECT conname FROM pg_constraint)"
        )
        assert len(indexes) >= 7
        for name, _ in indexes:
            await self.connection.execute(f"DROP INDEX {name}")
        await self.without_triggers()
        await self.insert()
        for _, definition in indexes:
            await self.connection.execute(definition)
        await self.connection.execute("ANALYZE agent_devices")

    async def without_triggers(self) -> None:
        """Leave triggers and foreign keys out, where the role may; the rows are right and are rolled back."""
        with suppress(asyncpg.InsufficientPrivilegeError):
            async with self.connection.transaction():
                await self.connection.execute("SET LOCAL session_replication_role = replica")

    async def insert(self) -> None:
        others = [uuid4() for _ in range(49)]
        await self.connection.execute(
            "INSERT INTO businesses (id, business_name) SELECT b, 'Fleet' FROM unnest($1::uuid[]) b",
            [self.large, self.small, *others],
        )
        await self.connection.execute(
            "INSERT INTO service_locations (id, business_id, location_name) VALUES ($1, $2, 'l'), ($3, $4, 's')",
            self.large_site, self.large, self.small_site, self.small,
        )  # fmt: skip
        # Of 1,000 devices one is suspected, 20 are silent: what is looked for is seldom, and lies anywhere.
        await self.connection.execute(
            """
            INSERT INTO agent_devices (business_id, service_location_id, device_name, hostname, status,
                                       clone_suspected_at, os_type, device_type)
            SELECT CASE WHEN n % 2 = 0 THEN $1::uuid ELSE ($2::uuid[])[n / 2 % 50 + 1] END,
                   CASE WHEN n % 2 = 0 THEN $3::uuid WHEN n / 2 % 50 = 0 THEN $4 END,
                   'device-' || md5(n::text), 'host-' || n || CASE WHEN n % 5000 = 0 THEN '-needle' ELSE '' END,
                   CASE WHEN n % 1000 < 980 THEN 'online' WHEN n % 1000 < 990 THEN 'offline' ELSE 'warning' END,
                   CASE WHEN n % 1000 = 7 OR n % 2000 = 4 THEN now() END,
                   CASE WHEN n % 1000 = 9 THEN 'macos' WHEN n % 3 = 0 THEN 'linux' ELSE 'windows' END,
                   (ARRAY['desktop', 'server', 'laptop', 'vm'])[n % 4 + 1]
            FROM generate_series(1, $5::int) n
            """,
            self.large, [self.small, *others], self.large_site, self.small_site, DEVICES,
        )  # fmt: skip

    async def plan(self, filters: DeviceFilter, tenant: UUID | None) -> dict[str, Any]:
        statement, *values = filters.page(tenant, PAGE, utc_now())
        explained = await self.connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
        plan: dict[str, Any] = json.loads(explained)[0]["Plan"]
        return plan


@pytest.fixture(scope="module")
async def fleet(database: str) -> AsyncIterator[Fleet]:
    connection = await asyncpg.connect(database, server_settings={"plan_cache_mode": "force_custom_plan"})
    transaction = connection.transaction()
    await transaction.start()
    created_fleet = Fleet(connection)
    await created_fleet.make()
    yield created_fleet
    await transaction.rollback()
    await connection.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def rows_read(plan: dict[str, Any]) -> int:
    """How many rows of agent_devices, or of its indexes, were looked at."""
    counted = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return sum(
        int(node["Actual Loops"] * sum(node.get(name, 0) for name in counted))
        for node in nodes(plan)
        if node.get("Relation Name") == "agent_devices" or node["Node Type"] == "Bitmap Index Scan"
    )


FILTERS: dict[str, dict[str, Any]] = {
    "all": {},
    "usual status": {"statuses": ["online"]},
    "rare status": {"statuses": ["offline"]},
    "absent status": {"statuses": ["error"]},
    "all statuses": {"statuses": list(STATUSES)},
    "large site": {"site": "large"},
    "small site": {"site": "small"},
    "rare status at the large site": {"site": "large", "statuses": ["offline", "error"]},
    "rare text": {"search": "needle"},
    "usual text": {"search": "device-"},
    "absent text": {"search": "nowhere"},
    "usual text and rare status": {"search": "device-", "statuses": ["offline"]},
    "rare text at the large site": {"search": "NEEDLE", "site": "large"},
    "usual system": {"os_types": ["windows"]},
    "usual system and type": {"os_types": ["windows", "linux"], "device_types": ["server", "desktop"]},
    "usual system at the large site": {"site": "large", "os_types": ["linux"]},
    "changed since": {"changed_since": utc_now() - timedelta(days=1)},
    "suspected": {"clone_suspected": True},
    "not suspected": {"clone_suspected": False},
    "suspected and usual status": {"clone_suspected": True, "statuses": ["online"]},
}


@pytest.mark.parametrize("page", ["first", "later"])
@pytest.mark.parametrize("who", ["employee", "large", "small", "employee of large", "employee of small"])
@pytest.mark.parametrize("name", FILTERS)
async def test_a_page_reads_a_few_times_its_rows(fleet: Fleet, name: str, who: str, page: str) -> None:
    values = FILTERS[name].copy()
    sites = {"large": fleet.large_site, "small": fleet.small_site, None: None}
    values["service_location_id"] = sites[values.pop("site", None)]
    businesses = {"large": fleet.large, "small": fleet.small}
    tenant = businesses.get(who)
    if who.startswith("employee of"):
        values["business_id"] = businesses[who.removeprefix("employee of ")]
    filters = DeviceFilter(**values)
    if page == "later":
        filters = replace(filters, after=("device-9", uuid4()))  # in the midst of the names
    plan = await fleet.plan(filters, tenant)
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "agent_devices"]
    assert not any(node["Node Type"] == "Seq Scan" for node in scans), json.dumps(plan, indent=1)
    statuses = len(filters.statuses or (1,))
    assert rows_read(plan) <= 5 * PAGE * (statuses + 1), f"{rows_read(plan)} rows: {json.dumps(plan, indent=1)}"


@pytest.mark.parametrize(
    "wanted",
    [
        DeviceFilter(os_types=["macos"]), DeviceFilter(device_types=["none"]),
        DeviceFilter(os_types=["macos"], statuses=["online", "offline"]),
        DeviceFilter(changed_since=utc_now() + timedelta(days=1)),
    ],
    ids=["rare system", "absent type", "rare system and two statuses", "nothing changed since"],
)  # fmt: skip
async def test_a_filter_without_an_index_reads_each_device_once(fleet: Fleet, wanted: DeviceFilter) -> None:
    # A bitmap scan reads an entry of an index and the row, and of two statuses the entries of both: three a device.
    plan = await fleet.plan(wanted, fleet.small)
    assert rows_read(plan) <= 3 * DEVICES // 50 + 5 * PAGE, json.dumps(plan, indent=1)
    plan = await fleet.plan(wanted, None)
    assert rows_read(plan) <= 3 * DEVICES + 5 * PAGE, json.dumps(plan, indent=1)
