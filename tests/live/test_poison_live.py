"""An odd row costs only itself: its device's and everybody else's news go on."""

from typing import Any

import asyncpg
import pytest

from tests.conftest import MakeDevice
from tests.devices import sample
from tests.live.conftest import Open, OpenSocketIo
from tests.people import Tenant

ODD = """
WITH odd (place, data) AS (VALUES
    (1, '{"\u202e": [-0.0, 9007199254740993]}'), (2, '[[[[]]]]'), (3, '"text"'), (4, 'null'),
    (5, to_json(repeat('x', 100000))::text)
), events AS (
    INSERT INTO agent_events (agent_device_id, event_type, occurred_at, received_at, data)
    SELECT $1, 'odd ' || place, '9999-12-31', now(), data::jsonb FROM odd
)
UPDATE agent_devices SET current_metrics = '[{"cpu_percent": 1e999}]', clone_suspected_at = 'infinity' WHERE id = $1
"""


@pytest.fixture(params=["plain", "socket.io"])
def open_any(request: pytest.FixtureRequest, open_socket: Open, open_socket_io: OpenSocketIo) -> Any:
    return open_socket if request.param == "plain" else open_socket_io


async def test_odd_rows_of_one_device_keep_nothing_from_the_followers_of_others(
    open_any: Any, make_device: MakeDevice, alice: Tenant, bob: Tenant, dora: Tenant, pool: asyncpg.Pool
) -> None:
    odd, also_mine, others, silent = [await make_device(tenant) for tenant in (alice, alice, bob, dora)]
    portals = {}
    for devices in ([odd, also_mine], [others], [silent]):
        portal = await open_any(devices[0].tenant.user_token)
        assert (await portal.ask("subscribe", agent_ids=[str(one.agent_id) for one in devices]))["type"] == "ack"
        portals[devices[0].tenant.name] = portal
    await pool.execute(ODD, odd.agent_id)
    for device in (also_mine, others):
        await device.accepted(sample(cpu_percent=12.5))
        portal = portals[device.tenant.name]
        received = await portal.next("metrics")
        while received["agent_id"] != str(device.agent_id):
            received = await portal.next("metrics")
        assert received["metrics"]["cpu_percent"] == 12.5
    await odd.accepted(sample(cpu_percent=7.5))  # and its own news go on
    received = await portals["Alice"].next("metrics")
    while received["metrics"].get("cpu_percent") != 7.5:
        received = await portals["Alice"].next("metrics")
    assert received["agent_id"] == str(odd.agent_id)
