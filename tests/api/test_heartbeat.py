"""Heartbeats: a device shows itself alive and is told what waits for it."""

from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from auth.tokens import Tokens
from core.clock import utc_now
from tests.calls import MINUTE, beat, error_of, seen, told
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, make_employee


async def test_a_heartbeat_shows_the_device_alive(device: Device) -> None:
    assert (await seen(device))["status"] == "offline"
    answer = await told(device, agent_version="1.2.3")
    assert (answer["config_updated"], answer["pending_commands"]) == (False, 0)
    detail = await seen(device)
    assert (detail["status"], detail["agent_version"]) == ("online", "1.2.3")
    assert utc_now() - datetime.fromisoformat(detail["last_heartbeat"]) < MINUTE
    assert detail["agent_last_updated"] == detail["last_heartbeat"]


async def test_a_heartbeat_in_a_leap_second_is_taken(device: Device) -> None:
    answer = await beat(device, timestamp="2026-06-30T23:59:60Z")
    assert answer.status_code == 200, answer.text


async def test_a_heartbeat_without_a_new_version_is_no_update(device: Device) -> None:
    await told(device, agent_version="1.2.3")
    updated = (await seen(device))["agent_last_updated"]
    await told(device, agent_version="1.2.3")
    await told(device)
    detail = await seen(device)
    assert (detail["agent_version"], detail["agent_last_updated"]) == ("1.2.3", updated)


@pytest.mark.parametrize("status", ["online", "warning", "error"])
async def test_a_device_says_how_it_is(device: Device, status: str) -> None:
    await told(device, status=status)
    assert (await seen(device))["status"] == status


async def test_a_disabled_device_stays_so(device: Device, pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE agent_devices SET status = 'disabled' WHERE id = $1", device.agent_id)
    await told(device)
    assert (await seen(device))["status"] == "disabled"


async def test_another_devices_heartbeat_is_refused(make_device: MakeDevice) -> None:
    first, second = await make_device(), await make_device()
    first.token = second.token
    assert error_of(await beat(first)) == (403, "wrong_agent")
    assert (await seen(first))["last_heartbeat"] is None


async def test_a_person_sends_no_heartbeats(device: Device, employee: Employee) -> None:
    for token in (device.tenant.user_token, employee.token):
        device.token = token
        assert error_of(await beat(device)) == (401, "invalid_token")


async def test_a_revoked_device_is_told_to_register_again(device: Device, employee: Employee) -> None:
    revoked = await device.client.delete(f"/api/agents/{device.agent_id}/token", headers=employee.headers)
    assert revoked.status_code == 204
    response = await beat(device)
    assert error_of(response) == (401, "token_revoked")
    assert "register the device again" in response.json()["error"]["message"]


@pytest.mark.parametrize("column", ["soft_delete = true", "is_active = false"])
async def test_a_device_that_is_gone_is_refused(device: Device, pool: asyncpg.Pool, column: str) -> None:
    await pool.execute(f"UPDATE agent_devices SET {column} WHERE id = $1", device.agent_id)
    assert (await beat(device)).status_code == 401


async def test_only_an_employee_revokes(device: Device) -> None:
    for headers, code in ((device.tenant.headers, 403), ({}, 401)):
        response = await device.client.delete(f"/api/agents/{device.agent_id}/token", headers=headers)
        assert response.status_code == code
    await told(device)


async def test_commands_that_wait_are_counted_but_not_those_awaiting_approval(
    device: Device, employee: Employee, pool: asyncpg.Pool, tokens: Tokens
) -> None:
    commands = [
        ("pending", False, None), ("pending", False, None), ("pending", True, None), ("pending", True, utc_now()),
        ("sent", False, None), ("completed", False, None),
    ]  # fmt: skip
    approver = await make_employee(pool, tokens)
    for status, approval_required, approved_at in commands:
        await pool.execute(
            "INSERT INTO agent_commands (agent_device_id, command_type, status, approval_required, approved_at, "
            "requested_by, approved_by) VALUES ($1, 'restart', $2, $3, $4, $5, $6)",
            device.agent_id, status, approval_required, approved_at, employee.employee_id,
            approver.employee_id if approved_at else None,
        )  # fmt: skip
    assert (await told(device))["pending_commands"] == 3


async def test_a_changed_interval_is_told_once(device: Device, pool: asyncpg.Pool) -> None:
    await told(device)
    await pool.execute(
        "UPDATE agent_devices SET metrics_interval_seconds = 60, config_changed_at = $2 WHERE id = $1",
        device.agent_id, utc_now(),
    )  # fmt: skip
    answer = await told(device)
    assert (answer["config_updated"], answer["config"]["metrics_interval_seconds"]) == (True, 60)
    assert not (await told(device))["config_updated"]


@pytest.mark.parametrize(
    "facts",
    [{"timestamp": "2026-01-01T00:00:00"}, {"status": "disabled"}, {"agent_version": "x" * 65}, {"timestamp": None}],
)
async def test_a_heartbeat_that_doesnt_fit_is_refused(device: Device, facts: dict[str, Any]) -> None:
    assert error_of(await beat(device, **facts)) == (422, "invalid_request")


@pytest.mark.parametrize(("sent", "kept"), [("1.2\0\0", "1.2"), (" 1.\u200b2 ", "1.2"), ("\0", None)])
async def test_an_odd_character_of_a_version_costs_no_heartbeat(device: Device, sent: str, kept: str | None) -> None:
    await told(device, agent_version=sent)
    detail = await seen(device)
    assert (detail["status"], detail["agent_version"]) == ("online", kept)


async def test_a_wrong_clock_is_told(device: Device) -> None:
    ahead = (utc_now() + timedelta(hours=1)).isoformat()
    assert 3590 < (await told(device, timestamp=ahead))["clock_offset_seconds"] < 3610
