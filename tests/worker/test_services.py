"""Services whose names change (of each logon, of each container) leave room for others once they have gone."""

from datetime import datetime, timedelta

import asyncpg

from core.clock import utc_now
from tests.calls import answer_of, path_of, seen
from tests.devices import Device, sample
from tests.people import Employee
from tests.rules import Rules, alerts_of
from worker.services import MAX_MISSING, forget_missing_services

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


async def names_after(pool: asyncpg.Pool, device: Device, now: datetime) -> set[str]:
    async with pool.acquire() as connection:
        await forget_missing_services(connection, now)
    return {one["name"] for one in (await seen(device))["monitored_services"]}


async def upload(device: Device, at: datetime, *names: str, status: str = "running") -> None:
    await device.accepted(sample(at, services=[{"name": name, "status": status} for name in names]))


async def test_a_service_of_each_logon_is_forgotten_after_a_week(device: Device, pool: asyncpg.Pool) -> None:
    now = utc_now()
    await upload(device, now - 9 * DAY, "Spooler", "CDPUserSvc_3e2a1")
    await upload(device, now - 8 * DAY, "Spooler", "CDPUserSvc_5f77c")
    await upload(device, now - 2 * DAY, "Spooler", "CDPUserSvc_91b04")
    assert await names_after(pool, device, now) == {"Spooler", "CDPUserSvc_5f77c", "CDPUserSvc_91b04"}
    assert await names_after(pool, device, now + 6 * DAY) == {"Spooler", "CDPUserSvc_91b04"}


async def test_many_that_have_gone_leave_room_at_once(device: Device, pool: asyncpg.Pool) -> None:
    now = utc_now()
    for round_ in range(3):
        await upload(device, now - (5 - round_) * MINUTE, *(f"docker-{round_}-{number}" for number in range(400)))
    names = await names_after(pool, device, now)
    assert len(names) == MAX_MISSING + 200  # the last round found room for 200 of its 400
    await upload(device, now, *(f"docker-2-{number}" for number in range(400)))
    names = await names_after(pool, device, now)
    assert {f"docker-2-{number}" for number in range(400)} <= names


async def test_services_used_by_a_rule_or_set_by_an_employee_stay(
    rules: Rules, device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    await rules.make(device.tenant, {"any": [{"service": "backupagent", "duration_minutes": 5}]})
    now = utc_now()
    await upload(device, now - 20 * DAY, "Spooler", "BackupAgent", "nginx")
    (nginx,) = [one for one in (await seen(device))["monitored_services"] if one["name"] == "nginx"]
    url = path_of(device, "services", nginx["id"])
    answer_of(await device.client.patch(url, json={"auto_restart": True}, headers=employee.headers))
    await upload(device, now - 19 * DAY, "Spooler")
    assert await names_after(pool, device, now) == {"Spooler", "BackupAgent", "nginx"}


async def test_a_device_on_which_a_rule_on_services_is_open_keeps_them(
    rules: Rules, device: Device, pool: asyncpg.Pool
) -> None:
    now = utc_now()
    await upload(device, now - 20 * DAY, "Spooler", "gone")
    await upload(device, now - 5 * MINUTE, "Spooler", status="stopped")
    await upload(device, now, "Spooler", status="stopped")
    await rules.make(device.tenant, {"service": "*", "duration_minutes": 5}, agent_device_id=str(device.agent_id))
    await rules.evaluate(now)
    assert len(await alerts_of(device)) == 1
    assert await names_after(pool, device, now) == {"Spooler", "gone"}
