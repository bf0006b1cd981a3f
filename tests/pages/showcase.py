"""A small fleet with a day of history, an alert and some software: what the stories are told on, and their pictures."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx

from auth.tokens import Tokens
from core.clock import utc_now
from demo.series import Profile, make_profile, sample_at
from rollups.refresh import refresh_range
from tests.devices import Device, register_device
from tests.people import Employee, Tenant, make_employee, make_tenant
from tests.rules import Rules
from tests.software import listed, software

HISTORY = timedelta(hours=30)
EVERY = timedelta(minutes=5)
FLEET = {
    "Alder Dental Group": ("srv-files-1", "srv-backup-1", "front-desk-1", "front-desk-2"),
    "Birch Logistics": ("srv-depot-1", "gate-terminal-1", "office-7"),
    "Cedar Legal": ("srv-archive-1", "chambers-3"),
}
BUSY = ("srv-files-1", "srv-backup-1")  # have an alert, one for each story that is told
PEAKS = ("srv-depot-1", "gate-terminal-1", "office-7")  # each was above 85 % once, for half an hour


@dataclass
class Showcase:
    """The fleet and its people."""

    tess: Employee
    max: Employee
    tenants: dict[str, Tenant]
    devices: dict[str, Device]


async def build(client: httpx.AsyncClient, pool: asyncpg.Pool, tokens: Tokens) -> Showcase:
    """Make the fleet through the API, as agents do."""
    await pool.execute("UPDATE agent_devices SET soft_delete = true")  # other tests' devices are in no story
    now = utc_now().replace(second=0, microsecond=0)
    tess, max_ = await named_employee(pool, tokens, "tess"), await named_employee(pool, tokens, "max")
    showcase = Showcase(tess, max_, {}, {})
    for business, names in FLEET.items():
        tenant = showcase.tenants[business] = await make_tenant(pool, tokens, business)
        await pool.execute(
            "UPDATE service_locations SET location_name = 'Main Street' WHERE id = $1", tenant.location_id
        )
        for name in names:
            device = await register_device(client, tess, tenant, name, 300)
            showcase.devices[name] = device
            await device.accepted(*history(name, now))
            await heartbeat(device)
            await install(device)
    await set_past(pool, showcase, now)
    async with pool.acquire() as connection:  # what other tests refreshed may hide samples that came after it
        await refresh_range(connection, now - HISTORY, now, now)
    await fire(client, pool, showcase, now)
    return showcase


async def set_past(pool: asyncpg.Pool, showcase: Showcase, now: datetime) -> None:
    """Let the devices be enrolled and online as long as their samples, and offline in the hour without any."""
    devices = [device.agent_id for device in showcase.devices.values()]
    await pool.execute("UPDATE agent_devices SET created_at = $2 WHERE id = ANY($1::uuid[])", devices, now - HISTORY)
    await pool.execute(
        "UPDATE agent_events SET occurred_at = $2 "
        "WHERE agent_device_id = ANY($1::uuid[]) AND event_type = 'status_changed'", devices, now - HISTORY,
    )  # fmt: skip
    for was, to, hours in (("online", "offline", 10), ("offline", "online", 9)):
        await pool.execute(
            "INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data) "
            "SELECT id, 'status_changed', $2, $2, jsonb_build_object('from', $3::text, 'to', $4::text, 'why', '') "
            "FROM unnest($1::uuid[]) id", devices, now - timedelta(hours=hours), was, to,
        )  # fmt: skip


async def named_employee(pool: asyncpg.Pool, tokens: Tokens, name: str) -> Employee:
    employee = await make_employee(pool, tokens)
    await pool.execute("UPDATE employees SET email = $2 WHERE id = $1", employee.employee_id, f"{name}@msp.example")
    return employee


def history(name: str, now: datetime) -> list[dict[str, Any]]:
    """Return a device's samples up to now: an hour of silence in the night, and what its name stands for."""
    number = sum(map(ord, name))
    profile = make_profile(number)
    samples = []
    time = now - HISTORY
    while time <= now:
        if not timedelta(hours=9) < now - time < timedelta(hours=10):
            samples.append(sample_at(profile, time, now - HISTORY) | loads(name, profile, now - time))
        time += EVERY
    return samples


def loads(name: str, profile: Profile, age: timedelta) -> dict[str, Any]:
    calm = 8 + profile.number % 20
    if name in BUSY and age <= timedelta(minutes=50):
        return {"cpu_percent": 97.0 - profile.number % 3}
    if name in PEAKS and timedelta(hours=14) < age <= timedelta(hours=14, minutes=40):
        return {"cpu_percent": 92.0}
    return {"cpu_percent": min(60.0, calm + age.total_seconds() % 1500 / 100)}


async def heartbeat(device: Device) -> None:
    body = {"timestamp": utc_now().isoformat(), "status": "online", "agent_version": "1.4.2"}
    answer = await device.client.post(f"/api/agents/{device.agent_id}/heartbeat", json=body, headers=device.headers)
    assert answer.status_code == 200, answer.text


async def install(device: Device) -> None:
    installed = [software("Python", "3.12.4"), software("Firefox", "143.0"), software("OpenSSL", "3.0.17")]
    await listed(device, *installed)


async def fire(client: httpx.AsyncClient, pool: asyncpg.Pool, showcase: Showcase, now: datetime) -> None:
    rules = Rules(client, pool, showcase.tess)
    await pool.execute("UPDATE agent_alerts SET is_active = false")
    tenant = showcase.tenants["Alder Dental Group"]
    await rules.make(tenant, alert_name="CPU busy for 10 minutes", severity="critical")
    await rules.evaluate(now - timedelta(minutes=30))
    await rules.evaluate(now)
