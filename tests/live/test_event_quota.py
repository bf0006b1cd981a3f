"""Events over the live channel cost the quotas that events over HTTP cost."""

import httpx
import pytest

from api.live.sockets import MAX_BYTES
from api.server.bounded_socket import BoundedWebSocket
from core.settings import Settings
from tests.calls import path_of
from tests.devices import register_device
from tests.live.sockets import Socket
from tests.people import Employee, Tenant
from tests.serving import serving, started

EVENT = {"event_type": "told", "timestamp": "2026-05-03T14:05:00Z", "data": {"text": "x" * 500}}


@pytest.mark.parametrize(
    ("setting", "limit", "kept"), [("device_events_per_day", 3, 3), ("device_bytes_per_day", 1200, 3)]
)
async def test_an_agent_beyond_its_quota_adds_no_events_by_a_socket(
    settings: Settings, employee: Employee, alice: Tenant, setting: str, limit: int, kept: int
) -> None:
    options = {"ws": BoundedWebSocket, "ws_max_size": MAX_BYTES, "timeout_graceful_shutdown": 5}
    async with started(settings, **{setting: limit}) as (client, application), serving(application, **options) as port:
        device = await register_device(client, employee, alice, "talkative", 300)
        socket = await Socket.open(f"ws://127.0.0.1:{port}/ws", device.token)
        answers = [await socket.ask("event", **EVENT) for _ in range(kept + 2)]
        assert [answer["type"] for answer in answers] == ["ack"] * kept + ["error"] * 2
        assert answers[-1]["code"] == "quota_exceeded"
        assert answers[-1]["details"]["quota"] == setting
        over_http: httpx.Response = await client.post(path_of(device, "events"), json=EVENT, headers=device.headers)
        assert over_http.status_code == 429  # it is one quota
        listed = await client.get(path_of(device, "events"), headers=employee.headers)
        assert [event["event_type"] for event in listed.json()["events"]].count("told") == kept
        await socket.close()
