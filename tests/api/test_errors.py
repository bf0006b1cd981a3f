"""Every failure has the one form, and repeats nothing that may be a secret."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI, Request

from api.errors import answer, as_known, install_error_answers
from core.errors import RtsError
from db.pools import DatabaseUnavailableError
from tests.people import Employee, Tenant

SECRET = "AGT-SECR-ETSE-CRET"


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error of an answer, which holds nothing but it."""
    body: dict[str, Any] = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert isinstance(body["error"]["message"], str)
    error: dict[str, Any] = body["error"]
    return error


@pytest.mark.parametrize("path", ["/nowhere", "/api/nowhere", "/api/agents/x/y/z"])
async def test_a_path_that_isnt_there(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert (response.status_code, error_of(response)["code"]) == (404, "not_found")


async def test_a_method_that_isnt_there(client: httpx.AsyncClient) -> None:
    response = await client.put("/api/agents")
    assert (response.status_code, error_of(response)["code"]) == (405, "method_not_allowed")
    assert response.headers["Allow"] == "GET"


@pytest.mark.parametrize(
    "body",
    [
        f'{{"token": "{SECRET}", "ip_address": "{SECRET}"}}', f'{{"token": ["{SECRET}"]}}', f'"{SECRET}"',
        f'{{"token": "{SECRET}", "os_type": "{SECRET}"}}', f'{{"token": "{SECRET}"', f'{{"token": "{SECRET * 9}"}}',
    ],
    ids=["no address", "a list", "no object", "no such system", "cut off", "too long"],
)  # fmt: skip
async def test_a_refused_body_isnt_repeated(client: httpx.AsyncClient, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.post("/api/agents/register", content=body, headers=headers)
    assert (response.status_code, error_of(response)["code"]) == (422, "invalid_request")
    assert {frozenset(fault) for fault in error_of(response)["details"]} == {frozenset({"path", "message"})}
    assert SECRET not in response.text


@pytest.mark.parametrize("body", [b"\xff", b'{"token": "\xe9"}', b"[" * 50_000], ids=["no text", "Latin-1", "too deep"])
async def test_a_body_that_cant_be_read_doesnt_fit_either(client: httpx.AsyncClient, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.post("/api/agents/register", content=body, headers=headers)
    assert (response.status_code, error_of(response)["code"]) == (422, "invalid_request")
    assert error_of(response)["details"] == [{"path": "body", "message": "cannot be read as JSON"}]


async def test_a_path_whose_id_is_none(client: httpx.AsyncClient, employee: Employee) -> None:
    response = await client.get("/api/agents/server-1", headers=employee.headers)
    assert response.status_code == 422
    assert error_of(response)["details"][0]["path"] == "path.agent_id"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "Token x", "Bearer x y", "bearer nonsense"])
async def test_a_missing_or_bad_token_is_answered_401(client: httpx.AsyncClient, header: str) -> None:
    response = await client.get("/api/agents", headers={"Authorization": header})
    assert response.status_code == 401
    assert error_of(response)["code"] in ("unauthorized", "invalid_token")
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_missing_rights_are_answered_before_the_body_is_read(client: httpx.AsyncClient, alice: Tenant) -> None:
    response = await client.post("/api/agents/registration-tokens", json={}, headers=alice.headers)
    assert (response.status_code, error_of(response)["code"]) == (403, "employees_only")
    response = await client.post(f"/api/agents/{uuid4()}/heartbeat", json={})
    assert (response.status_code, error_of(response)["code"]) == (401, "unauthorized")


def request() -> Request:
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []})


def test_an_error_that_nobody_foresaw_keeps_its_text_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    error = as_known(request(), ValueError(SECRET))
    assert (error.status, error.code) == (500, "internal")
    assert SECRET not in str(error.as_json())
    assert SECRET in caplog.text


def test_a_lost_database_says_when_to_come_back() -> None:
    error = as_known(request(), asyncpg.ConnectionDoesNotExistError("gone"))
    assert isinstance(error, DatabaseUnavailableError)
    responses = [answer(error, 7) for _ in range(50)]
    waits = {int(response.headers["Retry-After"]) for response in responses if response.status_code == 503}
    assert waits <= set(range(7, 15))
    assert len(waits) > 1  # a whole fleet doesn't come back at once


async def test_a_route_that_fails_answers_in_the_same_form() -> None:
    web = FastAPI()
    install_error_answers(web, 5)

    @web.get("/fails/{kind}")
    async def fails(kind: str) -> None:
        raise {"known": RtsError("Known."), "away": OSError(SECRET), "other": KeyError(SECRET)}[kind]

    transport = httpx.ASGITransport(app=web, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answers = [await client.get(f"/fails/{kind}") for kind in ("known", "away", "other")]
    assert [(each.status_code, error_of(each)["code"]) for each in answers] == [
        (500, "internal"), (503, "database_unavailable"), (500, "internal"),
    ]  # fmt: skip
    assert not any(SECRET in each.text for each in answers)
