"""An agent that is installed twice on one machine is hinted at."""

from typing import Any

import httpx
import pytest

from tests.people import Employee, Tenant


async def join(client: httpx.AsyncClient, employee: Employee, tenant: Tenant, **facts: Any) -> str:
    body = {"business_id": str(tenant.business_id), "device_name": "twin"}
    response = await client.post("/api/agents/registration-tokens", json=body, headers=employee.headers)
    joined = await client.post("/api/agents/register", json={"token": response.json()["token"], **facts})
    assert joined.status_code == 200, joined.text
    agent_id: str = joined.json()["agent_id"]
    return agent_id


@pytest.mark.parametrize(
    ("first", "second", "hinted"),
    [
        ({"hostname": "SRV-DC01", "mac_address": "00:00:5E:00:53:71"},
         {"hostname": "srv-dc01", "mac_address": "00:00:5e:00:53:71"}, True),
        ({"hostname": "SRV-DC02"}, {"hostname": "srv-dc02"}, True),
        ({"hostname": "srv-4", "mac_address": "00-00-5E-00-53-74"},
         {"hostname": "renamed", "mac_address": "0000.5e00.5374"}, True),
        ({"hostname": "srv-5", "mac_address": "00:00:00:00:00:00"},
         {"hostname": "srv-6", "mac_address": "00:00:00:00:00:00"}, False),
        ({"hostname": "srv-7", "mac_address": "00:00:00:00:00:00"},
         {"hostname": "srv-7", "mac_address": "00:00:5e:00:53:75"}, True),
        ({"hostname": "srv-3", "mac_address": "00:00:5e:00:53:72"},
         {"hostname": "srv-3", "mac_address": "00:00:5e:00:53:73"}, False),
    ],
)  # fmt: skip
async def test_the_same_machine_enrolled_twice_is_hinted_at(
    client: httpx.AsyncClient, employee: Employee, alice: Tenant,
    first: dict[str, Any], second: dict[str, Any], hinted: bool,
) -> None:  # fmt: skip
    old = await join(client, employee, alice, **first)
    new = await join(client, employee, alice, **second)
    detail = (await client.get(f"/api/agents/{new}", headers=employee.headers)).json()
    assert detail["same_machine_as"] == (old if hinted else None)
    url = f"/api/agents/{old}/events"
    shown_events = (await client.get(url, headers=employee.headers)).json()["events"]
    assert ("same_machine_suspected" in {event["event_type"] for event in shown_events}) is hinted
