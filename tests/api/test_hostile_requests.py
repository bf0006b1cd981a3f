"""Requests that try to break the server: an answer in the 400s, never a 500."""

import base64
import json
from typing import Any

import httpx
import pytest

from api.web_bodies import MAX_BYTES
from tests.devices import Device
from tests.people import Employee

EXTREMES = ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"]


@pytest.mark.parametrize("start", EXTREMES)
@pytest.mark.parametrize("end", EXTREMES)
async def test_history_at_the_ends_of_time_is_refused(device: Device, start: str, end: str) -> None:
    url = f"/api/agents/{device.agent_id}/metrics/history"
    response = await device.client.get(url, params={"start": start, "end": end}, headers=device.tenant.headers)
    assert response.status_code == 422


async def test_a_body_that_is_announced_too_large_is_refused_unread(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/agents/register", content=b"x" * (MAX_BYTES + 1))
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")


async def test_a_body_that_grows_too_large_is_not_read_on(client: httpx.AsyncClient) -> None:
    read = 0

    async def endless() -> Any:
        nonlocal read
        while read < 50_000_000:
            read += 65_536
            yield b" " * 65_536

    response = await client.post("/api/agents/register", content=endless())
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("token", ["\ud800", "a\0b", "x" * 65])
async def test_a_registration_token_of_odd_characters_is_refused(client: httpx.AsyncClient, token: str) -> None:
    body = json.dumps({"token": token}).encode()
    response = await client.post("/api/agents/register", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422


@pytest.mark.parametrize("inside", ['["\\ud800", "x"]', '[["a"], "b"]', "[1, 2]", '"x"', "[]", "{}", "\0", "[" * 1200])
async def test_a_cursor_made_up_is_refused(client: httpx.AsyncClient, employee: Employee, inside: str) -> None:
    cursor = base64.urlsafe_b64encode(inside.encode()).decode()
    response = await client.get("/api/agents", params={"cursor": cursor}, headers=employee.headers)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer a.b.c", "Bearer \xff", "Bearer " + "x" * 9000]
)
async def test_an_odd_authorization_header_is_401(device: Device, header: str) -> None:
    for method, path in (("POST", "/metrics"), ("POST", "/heartbeat"), ("GET", ""), ("GET", "/metrics/history")):
        response = await device.client.request(
            method, f"/api/agents/{device.agent_id}{path}", headers={b"Authorization": header.encode("latin-1")},
            content=b"{}" if method == "POST" else None,
        )  # fmt: skip
        assert response.status_code == 401, (method, path)
        assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("name", ["", "   ", "a\0b", "x" * 256])
async def test_a_device_name_that_cant_be_one_is_refused(
    client: httpx.AsyncClient, employee: Employee, device: Device, name: str
) -> None:
    body = {"business_id": str(device.tenant.business_id), "device_name": name}
    response = await client.post("/api/agents/registration-tokens", json=body, headers=employee.headers)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_request")
