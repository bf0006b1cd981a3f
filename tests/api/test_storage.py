"""How the storage stands, over HTTP: what `rts-agents db status` prints."""

from datetime import timedelta

import asyncpg
import httpx

from core.clock import utc_now
from db.hypertables.policies import LEVELS
from retention.growth import note_sizes
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.people import Employee, Tenant


async def test_every_level_has_its_size_and_how_long_it_is_kept(
    client: httpx.AsyncClient, employee: Employee, make_device: MakeDevice
) -> None:
    device = await make_device()
    await device.accepted(sample(cpu_percent=5, disks=[{"name": "C:", "percent": 50}]))
    answer = await client.get("/api/admin/storage", headers=employee.headers)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    kept = {level["name"]: level["kept_seconds"] for level in report["levels"]}
    assert kept == {level.name: level.keep.total_seconds() for level in LEVELS}
    assert all(level["bytes"] >= 0 for level in report["levels"])
    assert {level["name"]: level["kept_seconds"] for level in report["series_levels"]} == kept
    assert next(level["bytes"] for level in report["series_levels"] if level["name"] == "raw") > 0
    assert {job["name"].split(" of ")[1] for job in report["jobs"]} <= {level.relation for level in LEVELS}
    assert any("refresh" in job["name"] for job in report["jobs"])
    assert report["healthy"] == (report["faults"] == [])


async def test_customers_may_not_see_it(client: httpx.AsyncClient, alice: Tenant) -> None:
    answer = await client.get("/api/admin/storage", headers=alice.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "employees_only")


async def test_sizes_of_each_day_are_the_growth(
    client: httpx.AsyncClient, employee: Employee, pool: asyncpg.Pool
) -> None:
    now = utc_now()
    async with pool.acquire() as connection:
        await note_sizes(connection, now - timedelta(days=3))
        await note_sizes(connection, now)
    report = (await client.get("/api/admin/storage", headers=employee.headers)).json()
    days = {day["day"]: day["bytes"] for day in report["growth"]}
    assert days[(now - timedelta(days=3)).date().isoformat()] > 0
    assert now.date().isoformat() in days
    assert report["full_at"] is None
