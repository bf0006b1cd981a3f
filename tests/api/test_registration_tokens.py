"""Registration tokens after they are made: listed, followed until the device joins, taken back."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from core.clock import utc_now
from tests.devices import sample
from tests.people import Employee, Tenant

PATH = "/api/agents/registration-tokens"


async def make(client: httpx.AsyncClient, employee: Employee, tenant: Tenant, **more: Any) -> dict[str, Any]:
    body = {"business_id": str(tenant.business_id), "device_name": "front-desk-1"} | more
    response = await client.post(PATH, json=body, headers=employee.headers)
    assert response.status_code == 200, response.text
    created: dict[str, Any] = response.json()
    return created


async def read(client: httpx.AsyncClient, employee: Employee, created: dict[str, Any]) -> dict[str, Any]:
    response = await client.get(f"{PATH}/{created['id']}", headers=employee.headers)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def listed(client: httpx.AsyncClient, employee: Employee, tenant: Tenant, **query: Any) -> list[dict[str, Any]]:
    params = {"business_id": str(tenant.business_id)} | query
    response = await client.get(PATH, params=params, headers=employee.headers)
    assert response.status_code == 200, response.text
    token_list: list[dict[str, Any]] = response.json()["tokens"]
    return token_list


async def test_a_token_is_followed_until_its_device_has_sent_a_sample(
    client: httpx.AsyncClient, employee: Employee, dora: Tenant
) -> None:
    created = await make(client, employee, dora)
    stored = await read(client, employee, created)
    assert (stored["state"], stored["agent_id"], stored["spent_at"]) == ("open", None, None)
    assert "token" not in stored

    body = {"token": created["token"], "hostname": "desk", "os_type": "windows"}
    joined = (await client.post("/api/agents/register", json=body)).json()
    stored = await read(client, employee, created)
    assert (stored["state"], stored["agent_id"], stored["hostname"]) == ("spent", joined["agent_id"], "desk")
    assert stored["first_sample_at"] is None

    headers = {"Authorization": f"Bearer {joined['agent_token']}"}
    url = f"/api/agents/{joined['agent_id']}"
    beat = await client.post(f"{url}/heartbeat", json={"timestamp": utc_now().isoformat()}, headers=headers)
    assert beat.status_code == 200
    await client.post(f"{url}/metrics", json={"metrics": [sample(cpu_percent=5)]}, headers=headers)
    stored = await read(client, employee, created)
    assert stored["first_heartbeat_at"] is not None
    assert stored["first_sample_at"] is not None


async def test_a_revoked_token_lets_nobody_join(client: httpx.AsyncClient, employee: Employee, dora: Tenant) -> None:
    created = await make(client, employee, dora)
    for _ in range(2):
        revoked = await client.post(f"{PATH}/{created['id']}/revoke", headers=employee.headers)
        assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    refused = await client.post("/api/agents/register", json={"token": created["token"]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "registration_token_invalid")


async def test_a_spent_token_can_no_longer_be_revoked(
    client: httpx.AsyncClient, employee: Employee, dora: Tenant
) -> None:
    created = await make(client, employee, dora)
    await client.post("/api/agents/register", json={"token": created["token"]})
    refused = await client.post(f"{PATH}/{created['id']}/revoke", headers=employee.headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "registration_token_spent")


async def test_tokens_are_listed_by_state_newest_first(
    client: httpx.AsyncClient, employee: Employee, dora: Tenant, alice: Tenant, pool: asyncpg.Pool
) -> None:
    await make(client, employee, alice)
    names = ["open", "spent", "revoked", "expired"]
    created = {name: await make(client, employee, dora, device_name=name) for name in names}
    await client.post("/api/agents/register", json={"token": created["spent"]["token"]})
    await client.post(f"{PATH}/{created['revoked']['id']}/revoke", headers=employee.headers)
    await pool.execute(
        "UPDATE agent_registration_tokens SET expires_at = now() - interval '1 minute' WHERE id = $1::uuid",
        created["expired"]["id"],
    )
    assert [token["device_name"] for token in await listed(client, employee, dora)] == names[::-1]
    for name in names:
        assert [token["device_name"] for token in await listed(client, employee, dora, state=name)] == [name]


async def test_pages_of_tokens_hold_each_token_once(
    client: httpx.AsyncClient, employee: Employee, dora: Tenant
) -> None:
    token_ids = [(await make(client, employee, dora))["id"] for _ in range(5)]
    listed_ids: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        params: dict[str, str | int] = {"business_id": str(dora.business_id), "limit": 2}
        params |= {"cursor": cursor} if cursor else {}
        page = (await client.get(PATH, params=params, headers=employee.headers)).json()
        listed_ids += [token["id"] for token in page["tokens"]]
        cursor = page["next_cursor"]
    assert listed_ids == token_ids[::-1]


@pytest.mark.parametrize("query", ["state=lost", "cursor=x", "limit=0", "business_id=1"])
async def test_a_list_that_does_not_fit_is_refused(client: httpx.AsyncClient, employee: Employee, query: str) -> None:
    response = await client.get(f"{PATH}?{query}", headers=employee.headers)
    assert response.status_code == 422


async def test_an_unknown_token_is_not_found(client: httpx.AsyncClient, employee: Employee) -> None:
    for method, path in (("GET", ""), ("POST", "/revoke")):
        response = await client.request(method, f"{PATH}/{uuid4()}{path}", headers=employee.headers)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "registration_token_not_found")


async def test_a_token_that_was_taken_back_stands_in_the_audit_trail(
    client: httpx.AsyncClient, employee: Employee, dora: Tenant, pool: asyncpg.Pool
) -> None:
    created = await make(client, employee, dora)
    await client.post(f"{PATH}/{created['id']}/revoke", headers=employee.headers)
    row = await pool.fetchrow(
        "SELECT * FROM agent_audit WHERE action = 'registration_token_revoked' AND details ->> 'business_id' = $1",
        str(dora.business_id),
    )
    assert row is not None
    assert row["actor_id"] == employee.employee_id
    assert utc_now() - row["at"] < timedelta(minutes=5)
