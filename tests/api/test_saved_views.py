"""Saved views: a person's own, and those that are shared within the MSP or within a business."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from auth.tokens import Tokens
from tests.people import Employee, Tenant, make_employee

PATH = "/api/views"
VIEW = {"name": "Servers offline", "page": "agents", "query": "status=offline&type=server"}


async def save(client: httpx.AsyncClient, headers: dict[str, str], **more: Any) -> dict[str, Any]:
    response = await client.post(PATH, json=VIEW | more, headers=headers)
    assert response.status_code == 201, response.text
    view: dict[str, Any] = response.json()
    return view


async def names(client: httpx.AsyncClient, headers: dict[str, str], page: str = "agents") -> list[str]:
    response = await client.get(PATH, params={"page": page}, headers=headers)
    assert response.status_code == 200, response.text
    return [view["name"] for view in response.json()["views"]]


@pytest.fixture
async def colleague(pool: asyncpg.Pool, tokens: Tokens) -> Employee:
    return await make_employee(pool, tokens)


async def test_a_view_is_its_owners_until_it_is_shared(
    client: httpx.AsyncClient, employee: Employee, colleague: Employee, dora: Tenant
) -> None:
    name = f"view {uuid4()}"
    await save(client, employee.headers, name=name)
    assert name in await names(client, employee.headers)
    assert name not in await names(client, colleague.headers)
    await save(client, employee.headers, name=name, shared=True)
    assert name in await names(client, colleague.headers)
    assert name not in await names(client, dora.headers)


async def test_a_shared_view_of_a_business_stays_in_it(
    client: httpx.AsyncClient, employee: Employee, dora: Tenant, bob: Tenant
) -> None:
    name = f"view {uuid4()}"  # Bob and the employee have views of other tests
    await save(client, dora.headers, name=name, shared=True)
    assert await names(client, dora.headers) == [name]
    assert name not in await names(client, bob.headers)
    response = await client.get(PATH, headers=employee.headers)
    assert name not in [view["name"] for view in response.json()["views"] if not view["mine"]]


async def test_a_name_that_is_taken_gets_the_new_query(client: httpx.AsyncClient, dora: Tenant) -> None:
    first = await save(client, dora.headers)
    second = await save(client, dora.headers, name="SERVERS offline", query="status=warning")
    assert second["id"] == first["id"]
    assert await names(client, dora.headers) == ["SERVERS offline"]


async def test_views_of_another_page_are_apart(client: httpx.AsyncClient, dora: Tenant) -> None:
    await save(client, dora.headers, page="alerts")
    assert await names(client, dora.headers) == []
    assert await names(client, dora.headers, "alerts") == [VIEW["name"]]


async def test_only_the_owner_deletes_a_view(
    client: httpx.AsyncClient, employee: Employee, colleague: Employee, bob: Tenant
) -> None:
    view = await save(client, employee.headers, name=f"view {uuid4()}", shared=True)
    for other in (colleague.headers, bob.headers):
        assert (await client.delete(f"{PATH}/{view['id']}", headers=other)).status_code == 204
        assert view["name"] in await names(client, employee.headers)
    assert (await client.delete(f"{PATH}/{view['id']}", headers=employee.headers)).status_code == 204
    assert view["name"] not in await names(client, employee.headers)


async def test_a_person_has_at_most_a_hundred_views_of_a_page(
    client: httpx.AsyncClient, dora: Tenant, pool: asyncpg.Pool
) -> None:
    view = await save(client, dora.headers)
    await pool.execute(
        "INSERT INTO agent_saved_views (page, view_name, query, business_id, owner_id) "
        "SELECT page, 'view ' || n, query, business_id, owner_id FROM agent_saved_views, generate_series(1, 99) n "
        "WHERE id = $1::uuid",
        view["id"],
    )
    refused = await client.post(PATH, json=VIEW | {"name": "one more"}, headers=dora.headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "too_many_views")
    assert (await save(client, dora.headers, query="changed"))["query"] == "changed"


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"name": " "}, {"name": "x" * 101}, {"page": "rules"}, {"query": "x" * 2001}, {"name": "a\0"}],
)
async def test_a_view_that_does_not_fit_is_refused(
    client: httpx.AsyncClient, dora: Tenant, change: dict[str, str]
) -> None:
    assert (await client.post(PATH, json=VIEW | change, headers=dora.headers)).status_code == 422
