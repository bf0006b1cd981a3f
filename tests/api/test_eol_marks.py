"""End-of-life marks follow the rules: made, changed, deleted, reached by the day; in batches, and by index."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from core.clock import utc_now
from inventory import eol
from inventory.eol import apply_rules, reach_ends
from tests.api.eol_rules import FUTURE, PAST, Mark, Rules, marks, new_name, stored
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant
from tests.software import DAY, MAY, installed, listed, software
from worker.tasks import make_tasks


@pytest.fixture
def name() -> str:
    return new_name()


async def test_marks_follow_a_rule_through_its_life(
    make_device: MakeDevice,
    eol_rules: Rules,
    name: str,
    connection: asyncpg.Connection,
    pool: asyncpg.Pool,
    bob: Tenant,
) -> None:
    devices = [await make_device(), await make_device(bob)]
    for device in devices:
        await listed(device, software(name, "1.1"), software(name, "2.1"))
    unmarked: Mark = (False, None, None)

    async def all_are(first: Mark, second: Mark) -> None:
        await apply_rules(connection, utc_now())
        for device in devices:
            assert await marks(device) == {"1.1": first, "2.1": second}

    await all_are(unmarked, unmarked)
    rule = await eol_rules.create(name, "1", latest_available_version="9")
    assert rule["applied_at"] is None
    await all_are((True, PAST, "9"), unmarked)
    (shown,) = await eol_rules.read(search=name)
    assert shown["applied_at"] is not None
    assert (await eol_rules.change(rule, eol_date=FUTURE, latest_available_version=None)).status_code == 200
    await all_are((False, FUTURE, None), unmarked)
    assert (await eol_rules.change(rule, version_prefix="2")).status_code == 200
    await all_are(unmarked, (False, FUTURE, None))
    assert (await eol_rules.change(rule, software_name=f"other {name}")).status_code == 200
    await all_are(unmarked, unmarked)
    assert (await eol_rules.change(rule, software_name=name)).status_code == 200
    await all_are(unmarked, (False, FUTURE, None))
    assert (await eol_rules.delete(rule)).status_code == 204
    assert await eol_rules.read(search=name) == []
    await all_are(unmarked, unmarked)
    assert await pool.fetchval("SELECT count(*) FROM agent_software_eol WHERE id = $1", UUID(rule["id"])) == 0
    assert set((await stored(pool, devices[0])).values()) == {(None, None, None)}


async def test_a_deleted_rule_leaves_its_software_to_the_next(
    device: Device, eol_rules: Rules, name: str, connection: asyncpg.Connection
) -> None:
    await eol_rules.create(f"{name}*", eol_date="2021-01-01")
    rule = await eol_rules.create(name, "1")
    await listed(device, software(name, "1"))
    assert (await marks(device))["1"][1] == PAST
    await eol_rules.delete(rule)
    await listed(device, software(name, "1"), software(name, "1.5"))
    assert (await marks(device))["1.5"][1] == "2021-01-01"
    await apply_rules(connection, utc_now())
    assert (await marks(device))["1"][1] == "2021-01-01"
    again = await eol_rules.create(name, "1", FUTURE)
    await apply_rules(connection, utc_now())
    assert again["id"] != rule["id"]
    assert (await marks(device))["1"][1] == FUTURE


async def test_removed_software_is_marked_too(
    device: Device, eol_rules: Rules, name: str, connection: asyncpg.Connection
) -> None:
    await listed(device, software(name, "1"), at=MAY)
    await listed(device, at=MAY + DAY)
    await eol_rules.create(name, eol_date="2026-05-02")
    await apply_rules(connection, utc_now())
    assert await marks(device, at=(MAY + DAY / 2).isoformat()) == {"1": (False, "2026-05-02", None)}
    await listed(device, software(name, "1"), at=MAY + 2 * DAY)
    assert await marks(device, at=(MAY + 2 * DAY).isoformat()) == {"1": (True, "2026-05-02", None)}


async def test_many_rows_are_marked_in_batches_over_several_passes(
    make_device: MakeDevice,
    eol_rules: Rules,
    name: str,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = await make_device()
    await apply_rules(connection, utc_now())
    await listed(device, *(software(name, str(number)) for number in range(25)))
    await eol_rules.create(name)
    monkeypatch.setattr(eol, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(eol, "BATCHES_IN_A_PASS", 3)
    for marked in (12, 24, 25):
        assert (await eol_rules.read(search=name))[0]["applied_at"] is None
        await apply_rules(connection, utc_now())
        assert len(await installed(device, eol="true", limit=1000)) == marked
    assert (await eol_rules.read(search=name))[0]["applied_at"] is not None


async def test_a_rule_changed_while_it_is_applied_is_applied_again(
    device: Device, eol_rules: Rules, name: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply_rules(connection, utc_now())
    await listed(device, software(name, "1"), software(name, "2"))
    rule = await eol_rules.create(name)
    monkeypatch.setattr(eol, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(eol, "BATCHES_IN_A_PASS", 1)
    await apply_rules(connection, utc_now())
    assert (await eol_rules.change(rule, eol_date=FUTURE)).status_code == 200
    monkeypatch.setattr(eol, "BATCHES_IN_A_PASS", 50)
    await apply_rules(connection, utc_now())
    assert {mark[1] for mark in (await marks(device)).values()} == {FUTURE}


async def test_an_end_of_life_comes_with_its_day(
    device: Device, eol_rules: Rules, name: str, connection: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    day = date(2150, 6, 1)
    await eol_rules.create(name, "1", day.isoformat())
    await eol_rules.create(name, "2", (day + timedelta(days=1)).isoformat())
    await listed(device, software(name, "1"), software(name, "2"))
    midnight = utc_now().replace(year=2150, month=6, day=1, hour=0, minute=0, second=0, microsecond=0)
    for now, reached in (
        (midnight - timedelta(seconds=1), (False, False)), (midnight, (True, False)), (midnight + DAY, (True, True))
    ):  # fmt: skip
        await reach_ends(connection, now)
        marks_by_name = await stored(pool, device)
        assert (marks_by_name["1"][0], marks_by_name["2"][0]) == reached


def test_the_worker_has_both_duties(eol_rules: Rules, pool: asyncpg.Pool, settings: Any) -> None:
    tasks = {task.do: task for task in make_tasks(settings)}
    assert tasks[apply_rules].every == timedelta()
    assert tasks[reach_ends].every <= DAY
    assert tasks[apply_rules].scheduler is None
    assert tasks[reach_ends].scheduler is None


async def test_among_many_rules_those_for_a_name_are_found_by_index(
    connection: asyncpg.Connection, employee: Employee
) -> None:
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(
        "INSERT INTO agent_software_eol (software_name, eol_date, created_by, updated_by, created_at, updated_at) "
        "SELECT 'product ' || n || '*', '2020-01-01', $1, $1, now(), now() FROM generate_series(1, 100) n",
        employee.employee_id,
    )
    await connection.execute("ANALYZE agent_software_eol")
    names = "SELECT * FROM unnest($1::text[]) n LEFT JOIN LATERAL agent_software_rule(n, '1') r ON true"
    lines = await connection.fetch(f"EXPLAIN {names}", ["a", "b"])
    plan = "\n".join(line[0] for line in lines)
    assert "agent_software_eol_by_start" in plan, plan
    await transaction.rollback()
