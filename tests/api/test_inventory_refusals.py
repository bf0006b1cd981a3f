"""Software inventory: which lists and questions are refused, and whose; odd names are not."""

import json
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from api.fields.cursors import make_cursor
from tests.calls import error_of
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant
from tests.software import DAY, MAY, answer, installed, listed, path, post, software


async def test_a_body_over_four_mebibytes_is_refused(device: Device) -> None:
    response = await device.client.post(path(device), content=b" " * (4 * 1024 * 1024 + 1), headers=device.headers)
    assert error_of(response) == (413, "body_too_large")


HOSTILE: list[dict[str, Any]] = [
    {"software_name": "a\0b"}, {"software_name": "\ud800"}, {"software_name": "  "}, {"software_name": "x" * 513},
    {"software_name": None}, {}, {"software_name": "a", "software_version": "1\0"},
    {"software_name": "a", "software_version": "x" * 256}, {"software_name": "a", "vendor": "\udfff"},
    {"software_name": "a", "vendor": "x" * 256}, {"software_name": "a", "latest_available_version": "\0"},
    {"software_name": "a", "software_type": "game"}, {"software_name": "a", "install_date": "2026-02-30"},
    {"software_name": "a", "install_date": 1e300}, {"software_name": "a", "is_security_software": None},
]  # fmt: skip


@pytest.mark.parametrize("entry", HOSTILE)
async def test_an_odd_entry_never_costs_its_list(device: Device, entry: dict[str, Any]) -> None:
    body = json.dumps({"software": [software("good"), entry]}).encode()
    headers = device.headers | {"Content-Type": "application/json"}
    response = await device.client.post(path(device), content=body, headers=headers)
    assert response.status_code == 200, response.text
    assert response.json()["rejected"] or response.json()["notes"] or entry.get("is_security_software", 1) is None
    assert "good" in {name for name, _ in await installed(device)}


@pytest.mark.parametrize(
    "body",
    [
        {"mode": "part", "software": []}, {"software": [], "removed": [{"software_name": "a"}]}, {}, [],
        {"software": {}}, {"software": [], "collected_at": "2026-05-01T08:00:00"},
        {"software": [], "collected_at": "9999-12-31T23:59:59-14:00"}, {"software": [], "collected_at": "yesterday"},
        {"mode": "delta", "removed": [{"software_name": "\0"}]},
    ],
)  # fmt: skip
async def test_a_list_that_doesnt_fit_is_refused(device: Device, body: Any) -> None:
    response = await device.client.post(path(device), json=body, headers=device.headers)
    assert error_of(response) == (422, "invalid_request")


async def test_odd_names_are_kept_without_what_cant_be_seen(device: Device) -> None:
    names = [
        "100% free",
        "a_b",
        "back\\slash",
        "Ünïcode 日本語 🎉",
        "it's; DROP TABLE x --",
        "{}",
        "\u202eabc",
        "NULL",
    ]
    await listed(device, *(software(name) for name in names))
    assert {name for name, _ in await installed(device)} == {name.replace("\u202e", "") for name in names}


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "nonsense"}, {"cursor": make_cursor("a")}, {"cursor": make_cursor("a", "b")},
        {"cursor": make_cursor("a\0", uuid4())}, {"limit": 0}, {"limit": 1001}, {"at": "2026-05-03"},
        {"at": "9999-12-31T23:59:59-14:00"}, {"at": "0001-01-01T00:00:00+14:00"}, {"software_type": "game"},
        {"search": ""}, {"search": "a\0"}, {"eol": "maybe"},
    ],
)  # fmt: skip
async def test_a_question_that_doesnt_fit_is_refused(device: Device, query: dict[str, Any]) -> None:
    response = await device.client.get(path(device), params=query, headers=device.tenant.headers)
    assert response.status_code == 422
    assert response.json()["error"]["code"] in ("invalid_request", "invalid_cursor")


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "now", ""])
async def test_a_cursor_of_changes_made_up_is_refused(device: Device, time: str) -> None:
    query = {"cursor": make_cursor(time, "a", uuid4())}
    response = await device.client.get(path(device, "/changes"), params=query, headers=device.tenant.headers)
    assert error_of(response) == (422, "invalid_cursor")


async def test_only_the_devices_own_agent_sends_lists(make_device: MakeDevice, employee: Employee) -> None:
    device, other = await make_device(), await make_device()
    url, body = path(device), {"software": [software("a")]}
    for headers, refused in (
        (other.headers, (403, "wrong_agent")), (device.tenant.headers, (401, "invalid_token")),
        (employee.headers, (401, "invalid_token")), ({}, (401, "unauthorized")),
    ):  # fmt: skip
        assert error_of(await device.client.post(url, json=body, headers=headers)) == refused
    assert await installed(device) == []


async def test_a_deactivated_device_sends_no_lists(device: Device, pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE agent_devices SET is_active = false WHERE id = $1", device.agent_id)
    assert error_of(await post(device, software("a"))) == (401, "token_revoked")


async def test_anothers_inventory_is_not_told_from_one_that_isnt_there(
    device: Device, client: httpx.AsyncClient, bob: Tenant, charlie: Tenant, employee: Employee
) -> None:
    await listed(device, software("a"), at=MAY)
    await listed(device, software("b"), at=MAY + DAY)
    for more in ("", "/changes"):
        unknown = await client.get(f"/api/agents/{uuid4()}/inventory/software{more}", headers=bob.headers)
        assert error_of(unknown) == (404, "agent_not_found")
        for who in (bob, charlie):
            response = await client.get(path(device, more), headers=who.headers)
            assert (response.status_code, response.json()) == (404, unknown.json())
        assert error_of(await client.get(path(device, more))) == (401, "unauthorized")
        assert error_of(await client.get(path(device, more), headers=device.headers)) == (401, "invalid_token")
    assert (await answer(device, headers=employee.headers))["software"] == (await answer(device))["software"]
    assert (await client.get("/api/agents/inventory/software?search=ab")).status_code == 401
