"""The scopes fleet and alerts: one frame a second of what changed, to each what they may see."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from core.clock import utc_now
from tests.commands import order
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.live.conftest import Open
from tests.live.sockets import Message, Socket
from tests.people import Employee, Tenant, make_employee


async def followed(open_socket: Open, token: str, scope: str, **more: Any) -> Socket:
    socket = await open_socket(token)
    answer = await socket.ask("subscribe", scope=scope, **more)
    assert (answer["type"], answer["scope"]) == ("ack", scope), answer
    assert answer["as_of"].endswith("Z")
    assert answer["server_time"].endswith("Z")
    return socket


async def of_device(socket: Socket, device: Device, field: str) -> Message:
    """Return the first change of a device that has a field."""
    while True:
        frame = await socket.next("fleet")
        for change in frame["devices"]:
            if change["id"] == str(device.agent_id) and field in change:
                return dict(change)


async def of_alert(socket: Socket, history_id: UUID) -> Message:
    while True:
        for change in (await socket.next("alerts"))["changed"]:
            if change["id"] == str(history_id):
                return dict(change)


async def open_alert(pool: asyncpg.Pool, device: Device) -> UUID:
    rule = await pool.fetchval(
        "INSERT INTO agent_alerts (alert_name, alert_type, severity, business_id, conditions) "
        "VALUES ('CPU', 'x', 'warning', $1, '{}') RETURNING id",
        device.tenant.business_id,
    )  # fmt: skip
    alert_id: UUID = await pool.fetchval(
        "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, severity) "
        "VALUES ($1, $2, $3, 'warning') RETURNING id",
        rule, device.agent_id, utc_now(),
    )  # fmt: skip
    return alert_id


async def test_a_frame_holds_the_changed_fields_of_changed_devices(
    open_socket: Open, make_device: MakeDevice, dora: Tenant
) -> None:
    device, other = await make_device(dora, "a"), await make_device(dora, "b")
    socket = await followed(open_socket, dora.user_token, "fleet")
    await device.accepted(sample(cpu_percent=12.5))
    change = await of_device(socket, device, "cpu_percent")
    assert (change["status"], change["cpu_percent"]) == ("online", 12.5)
    await device.accepted(sample(timedelta(seconds=-1), cpu_percent=50))
    change = await of_device(socket, device, "cpu_percent")
    assert change["cpu_percent"] == 50
    assert "status" not in change
    ids = {change["id"] for frame in socket.received if frame["type"] == "fleet" for change in frame["devices"]}
    assert ids <= {str(device.agent_id), str(other.agent_id)}


async def test_alerts_are_told_from_beginning_to_end(
    open_socket: Open, client: httpx.AsyncClient, pool: asyncpg.Pool, device: Device, employee: Employee
) -> None:
    socket = await followed(open_socket, employee.token, "alerts")
    fleet = await followed(open_socket, device.tenant.user_token, "fleet")
    history = await open_alert(pool, device)
    received = await of_alert(socket, history)
    assert (received["event"], received["severity"], received["alert_name"], received["device_name"]) == (
        "firing", "warning", "CPU", "server-1",
    )  # fmt: skip
    assert (await of_device(fleet, device, "open_alerts"))["open_alerts"] == 1
    url = f"/api/agents/alerts/history/{history}"
    for call, body, event in (
        ("acknowledge", None, "acknowledged"), ("snooze", {"minutes": 5}, "snoozed"), ("resolve", None, "resolved"),
    ):  # fmt: skip
        response = await client.post(f"{url}/{call}", json=body, headers=employee.headers)
        assert response.status_code == 200, response.text
        received = await of_alert(socket, history)
        assert received["event"] == event
    assert (await of_device(fleet, device, "open_alerts"))["open_alerts"] == 0


async def test_tenants_get_their_own_counts_and_employees_pending_approvals(
    open_socket: Open,
    client: httpx.AsyncClient,
    pool: asyncpg.Pool,
    make_device: MakeDevice,
    employee: Employee,
    dora: Tenant,
    charlie: Tenant,
    tokens: Any,
) -> None:
    device = await make_device(dora)
    stranger = [await followed(open_socket, charlie.user_token, scope) for scope in ("fleet", "alerts")]
    narrowed = await followed(open_socket, employee.token, "fleet", business_id=str(charlie.business_id))
    asking = await followed(open_socket, charlie.user_token, "fleet", business_id=str(dora.business_id))
    everyone = await followed(open_socket, employee.token, "fleet")
    await device.accepted(sample(cpu_percent=1))
    await open_alert(pool, device)
    other = await make_employee(pool, tokens)
    await order(device, other, approval_required=True)
    while (await everyone.next("fleet")).get("commands_awaiting_approval") is None:
        pass
    response = await client.post(
        "/api/agents/registration-tokens", headers=employee.headers,
        json={"business_id": str(dora.business_id), "device_name": "x"},
    )  # fmt: skip
    assert response.status_code in (200, 201)
    while not (frame := await everyone.next("fleet")).get("registration"):
        pass
    assert frame["registration"][0]["state"] == "open"
    for socket in (*stranger, asking, narrowed):
        text = str([*socket.received, *await socket.quiet(1.2)])
        assert str(device.agent_id) not in text
        assert ("registration" in text) == (socket is narrowed)


async def test_a_scope_ends_and_an_unknown_one_is_refused(
    open_socket: Open, make_device: MakeDevice, dora: Tenant
) -> None:
    device = await make_device(dora)
    socket = await followed(open_socket, dora.user_token, "fleet")
    assert (await socket.ask("unsubscribe", scope="fleet"))["scope"] == "fleet"
    await device.accepted(sample(cpu_percent=1))
    assert [message for message in await socket.quiet(2.2) if message["type"] == "fleet"] == []
    assert (await socket.ask("subscribe", scope="everything"))["code"] == "invalid_request"
    agent = await open_socket(device.token)
    assert (await agent.ask("subscribe", scope="fleet"))["code"] == "unknown_message"


async def test_a_cookie_opens_a_socket_for_our_own_pages_only(live_port: int, dora: Tenant) -> None:
    url, host = f"ws://127.0.0.1:{live_port}/ws", f"http://127.0.0.1:{live_port}"
    cookie = {"Cookie": f"rts_session={dora.user_token}"}
    for origin in (None, "http://evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, additional_headers=cookie | ({"Origin": origin} if origin else {}))
        assert refused.value.response.status_code == 403
    socket = Socket(await connect(url, additional_headers=cookie | {"Origin": host}))
    assert (await socket.ask("ping"))["server_time"].endswith("Z")
    await socket.close()
