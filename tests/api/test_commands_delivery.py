"""Which agent gets a command, when, and how often: racing, lost, late, expired; and cancelled on the way."""

import asyncio

import asyncpg

from commands.delivery import GRACE, MAX_DELIVERIES, lease_commands
from tests.calls import error_of
from tests.commands import act, fetched, later, order, settle, state, tell, trail
from tests.devices import Device
from tests.people import Employee

# Delivery


async def test_racing_pollers_never_get_the_same_command(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    ordered = {(await order(device, employee, "step"))["command_id"] for _ in range(60)}

    async def poll() -> list[str]:
        return [str(row["id"]) for row in await lease_commands(pool, [device.agent_id], later(), "poll")]

    taken = [command for batch in await asyncio.gather(*(poll() for _ in range(12))) for command in batch]
    assert len(taken) == len(set(taken)) == 60
    assert set(taken) == ordered


async def test_a_lease_that_runs_out_brings_the_command_again(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    ordered = await order(device, employee, timeout_seconds=30)
    for attempt in range(1, MAX_DELIVERIES + 1):
        (command,) = await fetched(device)
        assert command["command_id"] == ordered["command_id"]
        await settle(pool, seconds=30)
        assert await fetched(device) == []
        await settle(pool, seconds=31 + GRACE.total_seconds())
        assert (await state(device, ordered, employee.headers))["attempts"] == attempt
    ended = await state(device, ordered, employee.headers)
    assert (ended["status"], await fetched(device)) == ("timeout", [])


async def test_a_started_command_is_not_delivered_again_but_times_out(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    ordered = await order(device, employee, timeout_seconds=120)
    (command,) = await fetched(device)
    await tell(device, command, "started")
    await settle(pool, seconds=121)
    assert (await state(device, ordered, employee.headers))["status"] == "executing"
    await settle(pool, seconds=125 + GRACE.total_seconds())
    ended = await state(device, ordered, employee.headers)
    assert ended["status"] == "timeout"
    assert "time-out" in ended["error_message"]
    late = await tell(device, command, "result", status="completed", stdout="after all")
    assert late.json() == {"recorded": True}
    assert (await state(device, ordered, employee.headers))["status"] == "completed"
    assert (await trail(pool, ordered))[-2:] == ["command_timeout", "command_completed"]


async def test_a_device_that_stays_away_gets_it_when_it_returns_unless_it_has_expired(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    short = await order(device, employee, "short", expires_in_hours=1)
    long = await order(device, employee, "long", expires_in_hours=100)
    await settle(pool, hours=24)
    assert (await state(device, short, employee.headers))["status"] == "expired"
    assert [command["command_id"] for command in await fetched(device)] == [long["command_id"]]


async def test_an_expired_command_is_not_delivered_even_before_the_worker_runs(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    command = await order(device, employee)
    await pool.execute(
        "UPDATE agent_commands SET expires_at = now() - interval '1 second' WHERE id = $1::text::uuid",
        command["command_id"],
    )
    assert await fetched(device) == []


async def test_two_workers_settle_each_command_once(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    commands = [await order(device, employee) for _ in range(20)]
    await asyncio.gather(*(settle(pool, days=2) for _ in range(4)))
    for command in commands:
        assert await trail(pool, command) == ["command_created", "command_expired"]


# Cancelling


async def test_a_waiting_command_is_cancelled_at_once(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    command = await order(device, employee)
    cancelled = (await act(device, employee, command, "cancel", reason="a mistake")).json()
    assert (cancelled["status"], cancelled["error_message"]) == ("cancelled", "a mistake")
    assert await fetched(device) == []
    assert error_of(await act(device, employee, command, "cancel")) == (409, "command_ended")
    assert await trail(pool, command) == ["command_created", "command_cancelled"]


async def test_a_started_command_is_asked_to_stop(device: Device, employee: Employee) -> None:
    ordered = await order(device, employee)
    (command,) = await fetched(device)
    await tell(device, command, "started")
    asked = (await act(device, employee, ordered, "cancel")).json()
    assert (asked["status"], asked["cancel_requested_at"] is not None) == ("executing", True)
    url = f"/api/agents/{device.agent_id}/commands"
    assert (await device.client.get(url, headers=device.headers)).json() == {
        "commands": [], "cancel_commands": [ordered["command_id"]],
    }  # fmt: skip
    assert (await tell(device, command, "progress", percent=50)).json() == {"go_on": False}
    await tell(device, command, "result", status="cancelled")
    assert (await state(device, ordered, employee.headers))["status"] == "cancelled"


async def test_a_fetched_and_then_cancelled_command_must_not_start(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    ordered = await order(device, employee)
    (command,) = await fetched(device)
    await act(device, employee, ordered, "cancel")
    assert error_of(await tell(device, command, "started")) == (409, "command_ended")
    await settle(pool, hours=1)
    assert (await state(device, ordered, employee.headers))["status"] == "cancelled"
