"""Followers of a scope get what is their business's, and one device's odd values keep no frame from anybody."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.conftest import MakeDevice
from tests.devices import sample
from tests.live.conftest import Open
from tests.live.sockets import Socket
from tests.live.test_scopes import followed, of_alert, of_device, open_alert
from tests.people import Employee, Tenant

QUIET_SECONDS = 2.5  # more than two frames


async def texts(sockets: list[Socket]) -> list[str]:
    """Return everything that each socket received, and what still comes within some frames."""
    later = await asyncio.gather(*(socket.quiet(QUIET_SECONDS) for socket in sockets))
    return [str([*socket.received, *more]) for socket, more in zip(sockets, later, strict=True)]


async def test_another_businesss_alerts_never_reach_a_socket(
    open_socket: Open,
    pool: asyncpg.Pool,
    make_device: MakeDevice,
    employee: Employee,
    alice: Tenant,
    bob: Tenant,
    charlie: Tenant,
) -> None:
    of_alice, of_bob = await make_device(alice, "alices"), await make_device(bob, "bobs")
    named = {"business_id": str(alice.business_id)}
    own, all_of_them, only_alices = await asyncio.gather(
        followed(open_socket, alice.user_token, "alerts"),
        followed(open_socket, employee.token, "alerts"),
        followed(open_socket, employee.token, "alerts", **named),
    )
    strangers = await asyncio.gather(
        *(
            followed(open_socket, tenant.user_token, scope, **more)
            for tenant in (bob, charlie)
            for scope in ("alerts", "fleet")
            for more in ({}, named)
        )
    )
    alert = await open_alert(pool, of_alice)
    for socket in (own, all_of_them, only_alices):
        assert (await of_alert(socket, alert))["agent_id"] == str(of_alice.agent_id)
    other = await open_alert(pool, of_bob)
    assert (await of_alert(all_of_them, other))["device_name"] == "bobs"
    assert (await of_alert(strangers[0], other))["agent_id"] == str(of_bob.agent_id)
    for text in await texts(strangers):
        for secret in (alert, of_alice.agent_id, "alices"):
            assert str(secret) not in text
    for text in await texts([own, only_alices]):
        assert str(other) not in text
        assert "bobs" not in text


ODD = ['{"cpu_percent": "n/a"}', '{"cpu_percent": 1e400}', '{"cpu_percent": [1]}', '{"cpu_percent": true}', "[]", "5"]


@pytest.mark.parametrize("metrics", ODD)
async def test_odd_newest_values_of_a_device_keep_no_frame_and_no_list_from_others(
    metrics: str, open_socket: Open, pool: asyncpg.Pool, make_device: MakeDevice, employee: Employee, dora: Tenant
) -> None:
    odd, good = await make_device(dora, "odd"), await make_device(dora, "good")
    await odd.accepted(sample(cpu_percent=1))
    await pool.execute("UPDATE agent_devices SET current_metrics = $2::jsonb WHERE id = $1", odd.agent_id, metrics)
    sockets = [await followed(open_socket, token, "fleet") for token in (dora.user_token, employee.token)]
    await good.accepted(sample(cpu_percent=12.5))
    for socket in sockets:
        while (await of_device(socket, good, "cpu_percent"))["cpu_percent"] != 12.5:
            pass  # a change before the sample
    for form in ("rows", "columns"):
        query: dict[str, Any] = {"format": form, "business_id": str(dora.business_id)}
        answer = await odd.client.get("/api/agents", params=query, headers=employee.headers)
        assert answer.status_code == 200, answer.text
        assert "good" in answer.text
    await pool.execute("UPDATE agent_devices SET current_metrics = NULL WHERE id = $1", odd.agent_id)
