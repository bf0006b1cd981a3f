"""Software inventory: what lists make of it, what is and was installed, and where in the fleet something is."""

import asyncio
import json
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.inventory import QUERIES
from agents.tokens import Tokens
from api.cursors import make_cursor
from db.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant, make_tenant
from tests.software import DAY, MAY, answer, changes, installed, listed, path, post, software

HOUR = timedelta(hours=1)


def error_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def counts(merged: dict[str, Any]) -> dict[str, Any]:
    return {name: count for name, count in merged.items() if count}


# Lists


async def test_the_first_list_is_what_is_installed(device: Device) -> None:
    entry = software(
        "Firefox", "140.0", vendor="Mozilla", install_date="2026-01-02", software_type="application",
        is_security_software=False, is_latest_version=False, latest_available_version="141.0",
    )  # fmt: skip
    assert counts(await listed(device, entry, software("bash", None), at=MAY)) == {"received": 2, "added": 2}
    found = await answer(device)
    assert (found["next_cursor"], found["inventory_at"]) == (None, "2026-05-01T08:00:00Z")
    bash, firefox = found["software"]
    assert (bash["software_name"], bash["software_version"], bash["software_type"]) == ("bash", None, "application")
    assert {name: firefox[name] for name in entry} == entry
    assert (firefox["first_seen"], firefox["last_seen"], firefox["removed_at"]) == (
        "2026-05-01T08:00:00Z", "2026-05-01T08:00:00Z", None,
    )  # fmt: skip
    assert (firefox["is_active"], firefox["is_eol"], firefox["eol_date"]) == (True, False, None)


async def test_the_same_list_again_changes_nothing(device: Device) -> None:
    entries = software("a"), software("b", vendor="B")
    await listed(device, *entries, at=MAY)
    before = await answer(device, at=(MAY + DAY).isoformat())
    assert counts(await listed(device, *entries, at=MAY)) == {"received": 2, "unchanged": 2}
    assert await answer(device, at=(MAY + DAY).isoformat()) == before


async def test_what_a_full_list_leaves_out_is_gone(device: Device) -> None:
    await listed(device, software("a"), software("b"), at=MAY)
    merged = await listed(device, software("a"), at=MAY + DAY)
    assert counts(merged) == {"received": 1, "unchanged": 1, "removed": 1}
    assert await installed(device) == [("a", "1.0")]
    (kept,) = (await answer(device))["software"]
    assert (kept["first_seen"], kept["last_seen"]) == ("2026-05-01T08:00:00Z", "2026-05-02T08:00:00Z")


async def test_an_empty_full_list_says_that_nothing_is_installed(device: Device) -> None:
    await listed(device, software("a"), at=MAY)
    assert counts(await listed(device, at=MAY + DAY)) == {"removed": 1}
    assert await installed(device) == []
    await listed(device, software("b"), at=MAY + 2 * DAY)
    assert await changes(device) == [("installed", "b", None, "1.0"), ("removed", "a", None, "1.0")]


async def test_a_delta_touches_only_what_it_names(device: Device) -> None:
    await listed(device, software("a"), software("b", "1"), software("b", "2"), software("c"), at=MAY)
    gone = [{"software_name": "b", "software_version": "1"}, {"software_name": "never there"}]
    merged = await listed(device, software("d"), at=MAY + DAY, mode="delta", removed=gone)
    assert counts(merged) == {"received": 1, "added": 1, "removed": 1}
    assert await installed(device) == [("a", "1.0"), ("b", "2"), ("c", "1.0"), ("d", "1.0")]


async def test_a_removal_without_version_or_type_means_all(device: Device) -> None:
    twins = software("a", "1"), software("a", "2", software_type="driver"), software("a", None)
    await listed(device, *twins, at=MAY)
    driver = [{"software_name": "a", "software_type": "driver"}]
    assert (await listed(device, mode="delta", removed=driver, at=MAY + HOUR))["removed"] == 1
    assert (await listed(device, mode="delta", removed=[{"software_name": "a"}], at=MAY + DAY))["removed"] == 2
    assert await installed(device) == []


async def test_what_a_delta_lists_and_removes_stays(device: Device) -> None:
    await listed(device, software("a", "1"), at=MAY)
    merged = await listed(
        device, software("a", "1"), software("a", "2"), at=MAY + DAY, mode="delta", removed=[{"software_name": "a"}]
    )
    assert counts(merged) == {"received": 2, "added": 1, "unchanged": 1}


async def test_of_duplicates_in_a_list_the_last_counts(device: Device) -> None:
    entries = software("a", vendor="first"), software("a", vendor="last"), software(" a ", vendor=""), software("b")
    assert counts(await listed(device, *entries)) == {"received": 4, "added": 2, "duplicates": 2}
    found = (await answer(device))["software"]
    assert [(one["software_name"], one["vendor"]) for one in found] == [("a", None), ("b", None)]


async def test_one_name_in_two_types_or_versions_is_two(device: Device) -> None:
    entries = software("a"), software("a", software_type="driver"), software("a", None), software("A")
    assert (await listed(device, *entries))["added"] == 4
    assert (await listed(device, *entries))["unchanged"] == 4


async def test_what_an_agent_says_anew_of_a_software_replaces_what_it_said(device: Device) -> None:
    await listed(device, software("a", vendor="old", latest_available_version="2"), software("b"), at=MAY)
    entries = software("a", vendor="new", is_security_software=True), software("b")
    assert counts(await listed(device, *entries, at=MAY + DAY)) == {"received": 2, "updated": 1, "unchanged": 1}
    found, _ = (await answer(device))["software"]
    assert (found["vendor"], found["is_security_software"], found["latest_available_version"]) == ("new", True, None)
    assert found["first_seen"] == "2026-05-01T08:00:00Z"
    assert await changes(device) == []


async def test_a_list_older_than_the_newest_changes_nothing(device: Device) -> None:
    await listed(device, software("a"), at=MAY + DAY)
    for mode in ("full", "delta"):
        assert await listed(device, software("b"), at=MAY, mode=mode) == {
            "received": 1, "added": 0, "updated": 0, "removed": 0, "unchanged": 0, "duplicates": 0, "stale": True,
        }  # fmt: skip
    found = await answer(device)
    assert [one["software_name"] for one in found["software"]] == ["a"]
    assert found["inventory_at"] == "2026-05-02T08:00:00Z"


async def test_without_a_time_a_list_is_of_now(device: Device) -> None:
    await listed(device, software("a"))
    (found,) = (await answer(device))["software"]
    assert found["first_seen"] == found["last_seen"] == (await answer(device))["inventory_at"]
    assert counts(await listed(device, software("a"), at=MAY)) == {"received": 1, "stale": True}


async def test_a_device_whose_clock_is_far_ahead_is_told(device: Device) -> None:
    response = await post(device, software("a"), at=utc_now() + timedelta(minutes=11))
    assert error_of(response) == (422, "collected_in_future")
    assert (await listed(device, software("a"), at=utc_now() + timedelta(minutes=9)))["added"] == 1
    assert await installed(device) == [("a", "1.0")]


async def test_two_lists_of_one_time_are_taken_one_after_the_other(device: Device) -> None:
    await listed(device, software("a"), at=MAY)
    await listed(device, software("b"), at=MAY)
    assert await installed(device) == await installed(device, at=MAY.isoformat()) == [("b", "1.0")]
    assert await changes(device) == []


async def test_full_lists_at_once_leave_the_newest_in_force(device: Device) -> None:
    lists = [[software(f"n{name}", str(turn)) for name in range(50)] for turn in range(8)]
    await asyncio.gather(*(listed(device, *one, at=MAY + turn * HOUR) for turn, one in enumerate(lists)))
    assert await installed(device) == sorted((one["software_name"], "7") for one in lists[7])


async def test_the_same_first_list_sent_twice_at_once_is_there_once(device: Device) -> None:
    entries = [software(f"n{name}") for name in range(200)]
    both = await asyncio.gather(listed(device, *entries, at=MAY), listed(device, *entries, at=MAY))
    assert sorted((one["added"], one["unchanged"]) for one in both) == [(0, 200), (200, 0)]
    assert len(await installed(device, limit=1000)) == 200


async def test_ten_thousand_entries_fit_in_one_call(device: Device) -> None:
    entries = [
        software(f"package-{number:05}", f"{number}.1", vendor="A vendor of some length", install_date="2026-01-02",
                 software_type="system", latest_available_version=f"{number}.2")
        for number in range(10_000)
    ]  # fmt: skip
    began = time.monotonic()
    assert counts(await listed(device, *entries, at=MAY)) == {"received": 10_000, "added": 10_000}
    newer = entries[:5000] + [one | {"software_version": "9"} for one in entries[5000:]]
    merged = await listed(device, *newer, at=MAY + DAY)
    assert counts(merged) == {"received": 10_000, "added": 5000, "removed": 5000, "unchanged": 5000}
    gone = [{"software_name": one["software_name"]} for one in entries]
    assert (await listed(device, at=MAY + 2 * DAY, mode="delta", removed=gone))["removed"] == 10_000
    assert time.monotonic() - began < 15
    assert error_of(await post(device, *entries, software("one more"))) == (422, "invalid_request")


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
async def test_an_entry_that_cant_be_stored_is_refused_with_its_list(device: Device, entry: dict[str, Any]) -> None:
    body = json.dumps({"software": [software("good"), entry]}).encode()
    headers = device.headers | {"Content-Type": "application/json"}
    response = await device.client.post(path(device), content=body, headers=headers)
    assert error_of(response) == (422, "invalid_request")
    assert await installed(device) == []


@pytest.mark.parametrize(
    "body",
    [
        {"mode": "part", "software": []}, {"software": [], "removed": [{"software_name": "a"}]}, {}, [],
        {"software": {}}, {"software": [], "collected_at": "2026-05-01T08:00:00"},
        {"software": [], "collected_at": "9999-12-31T23:59:59-14:00"}, {"software": [], "collected_at": "yesterday"},
        {"mode": "delta", "removed": [{"software_name": "a\0"}]},
    ],
)  # fmt: skip
async def test_a_list_that_doesnt_fit_is_refused(device: Device, body: Any) -> None:
    response = await device.client.post(path(device), json=body, headers=device.headers)
    assert error_of(response) == (422, "invalid_request")


async def test_odd_names_are_kept_as_they_are(device: Device) -> None:
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
    assert {name for name, _ in await installed(device)} == set(names)


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


# What is installed


async def test_a_device_without_a_list_has_nothing(device: Device) -> None:
    found = await answer(device)
    assert (found["software"], found["next_cursor"], found["inventory_at"]) == ([], None, None)
    assert await answer(device, "/changes") == {"changes": [], "next_cursor": None, "inventory_since": None}


async def test_what_was_installed_on_the_third_of_may(device: Device) -> None:
    await listed(device, software("python", "3.11"), software("old tool"), at=MAY)
    await listed(device, software("python", "3.12"), software("old tool"), at=MAY + 2 * DAY)
    await listed(device, software("python", "3.13"), software("new tool"), at=MAY + 4 * DAY)
    assert await installed(device, at="2026-05-03T12:00:00Z") == [("old tool", "1.0"), ("python", "3.12")]
    assert await installed(device, at="2026-05-03T10:00:00+02:00") == [("old tool", "1.0"), ("python", "3.12")]
    assert await installed(device, at="2026-05-03T09:59:59+02:00") == [("old tool", "1.0"), ("python", "3.11")]
    assert await installed(device, at="2026-04-30T00:00:00Z") == []
    assert await installed(device) == [("new tool", "1.0"), ("python", "3.13")]
    found = await answer(device, at="2026-05-03T12:00:00Z")
    assert (found["as_of"], found["software"][0]["is_active"]) == ("2026-05-03T12:00:00Z", False)
    assert found["software"][0]["removed_at"] == "2026-05-05T08:00:00Z"


async def test_filters_narrow_the_list(device: Device) -> None:
    await listed(
        device, software("Defender", vendor="Microsoft", is_security_software=True, software_type="system"),
        software("Office", vendor="microsoft"), software("100% Free_Tool"), software("100 Freestool"),
        software("Realtek", software_type="driver"),
    )  # fmt: skip

    async def names(**query: Any) -> list[str]:
        return [name for name, _ in await installed(device, **query)]

    assert await names(search="MICRO") == ["Defender", "Office"]
    assert await names(search="fice") == ["Office"]
    assert await names(search="100%") == await names(search="Free_") == ["100% Free_Tool"]
    assert await names(search="\\") == []
    assert await names(software_type="driver") == ["Realtek"]
    assert await names(security="true") == ["Defender"]
    assert len(await names(security="false")) == 4
    assert await names(eol="true") == []
    assert len(await names(eol="false")) == 5
    assert await names(search="o", software_type="application", security="false") == [
        "100 Freestool", "100% Free_Tool", "Office",
    ]  # fmt: skip


async def test_paging_gives_everything_once_in_the_order_of_names(device: Device) -> None:
    names = ["b", "B", "a", "Z", "z", "éclair", "a b/c?&=+", "10", "9", "_", "Same", "same", "SAME"]
    await listed(device, *(software(name) for name in names), software("same", "2"))
    everything = (await answer(device))["software"]
    assert len(everything) == 14
    found = [one["software_name"] for one in everything]
    assert [name.lower() for name in found] == sorted(name.lower() for name in found)
    for limit in (1, 3, 13, 14, 15):
        assert await all_pages(device, "", "software", limit=limit) == everything


async def all_pages(device: Device, more: str, key: str, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await answer(device, more, **query, **cursor)
        rows += page[key]
        if page["next_cursor"] is None:
            return rows
        assert len(page[key]) == query["limit"]
        cursor = {"cursor": page["next_cursor"]}


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


# Changes


async def test_changes_are_newest_first_and_an_upgrade_is_one(device: Device) -> None:
    await listed(device, software("python", "3.11"), software("a"), software("b"), at=MAY)
    await listed(device, software("python", "3.12"), software("a"), software("c"), at=MAY + DAY)
    await listed(device, software("python", "3.12"), software("c"), at=MAY + 2 * DAY)
    assert await changes(device) == [
        ("removed", "a", None, "1.0"),
        ("removed", "b", None, "1.0"), ("installed", "c", None, "1.0"), ("upgraded", "python", "3.11", "3.12"),
    ]  # fmt: skip
    found = await answer(device, "/changes")
    assert [one["at"] for one in found["changes"]] == ["2026-05-03T08:00:00Z", *(["2026-05-02T08:00:00Z"] * 3)]
    assert found["inventory_since"] == "2026-05-01T08:00:00Z"


async def test_an_upgrade_by_a_delta_is_one_too(device: Device) -> None:
    await listed(device, software("python", "3.11"), at=MAY)
    gone = [{"software_name": "python", "software_version": "3.11"}]
    await listed(device, software("python", "3.12"), at=MAY + DAY, mode="delta", removed=gone)
    assert await changes(device) == [("upgraded", "python", "3.11", "3.12")]


async def test_versions_side_by_side_are_upgraded_each(device: Device) -> None:
    await listed(device, software("kernel", "1"), software("kernel", "2"), software("kernel", "3"), at=MAY)
    await listed(device, software("kernel", "3"), software("kernel", "4"), at=MAY + DAY)
    assert sorted(await changes(device)) == [("removed", "kernel", None, "2"), ("upgraded", "kernel", "1", "4")]


async def test_what_is_installed_again_begins_a_new_stay(device: Device, pool: asyncpg.Pool) -> None:
    for day, there in enumerate((True, False, True)):
        await listed(device, *([software("a")] if there else []), at=MAY + day * DAY)
    assert await changes(device) == [("installed", "a", None, "1.0"), ("removed", "a", None, "1.0")]
    for day, there in enumerate((True, False, True)):
        assert await installed(device, at=(MAY + day * DAY).isoformat()) == ([("a", "1.0")] if there else [])
    (found,) = (await answer(device))["software"]
    assert found["first_seen"] == "2026-05-03T08:00:00Z"
    stays = "SELECT count(*) FROM agent_software_inventory WHERE agent_device_id = $1"
    assert await pool.fetchval(stays, device.agent_id) == 2


async def test_changes_within_a_time_and_by_pages(device: Device) -> None:
    for day in range(6):
        await listed(device, software("a", str(day)), software("b", str(day // 2)), at=MAY + day * DAY)
    everything = (await answer(device, "/changes"))["changes"]
    assert len(everything) == 7
    for limit in (1, 2, 3, 7):
        assert await all_pages(device, "/changes", "changes", limit=limit) == everything
    since, until = (MAY + 2 * DAY).isoformat(), (MAY + 4 * DAY).isoformat()
    within = await changes(device, since=since, until=until)
    assert within == [("upgraded", "a", "2", "3"), ("upgraded", "a", "1", "2"), ("upgraded", "b", "0", "1")]


# Fleet


async def find(who: Tenant | Employee, client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    response = await client.get("/api/agents/inventory/software", params=query, headers=who.headers)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["software"]
    return found


async def test_where_in_the_fleet_a_software_is(
    make_device: MakeDevice, client: httpx.AsyncClient, employee: Employee, alice: Tenant, bob: Tenant, charlie: Tenant
) -> None:
    name = f"Tool_{uuid4().hex}"
    of_alice, of_bob = await make_device(alice, name="hers"), await make_device(bob, name="his")
    await listed(of_alice, software(f"{name} Pro", "3.7.9"), software(name, "3.70"), software(f"Not {name}"))
    await listed(of_bob, software(name.upper(), "3.7"), software(name, "2"), at=MAY)
    await listed(of_bob, software(name.upper(), "3.7"), at=MAY + DAY)

    async def where(who: Tenant | Employee, **query: Any) -> list[tuple[str, str]]:
        found = await find(who, client, **{"search": name.lower()} | query)
        return [(one["device_name"], one["software_version"]) for one in found]

    assert sorted(await where(employee)) == [("hers", "3.7.9"), ("hers", "3.70"), ("his", "3.7")]
    assert sorted(await where(employee, version="3.7")) == [("hers", "3.7.9"), ("his", "3.7")]
    assert sorted(await where(employee, version="3.7.*")) == [("hers", "3.7.9"), ("his", "3.7")]
    assert await where(employee, version="3.70") == [("hers", "3.70")]
    assert await where(alice) == [("hers", "3.70"), ("hers", "3.7.9")]
    assert await where(bob) == [("his", "3.7")]
    assert await where(charlie) == []
    assert await where(employee, search=name.replace("_", "%")) == []
    (found,) = await find(bob, client, search=name)
    assert (found["agent_id"], found["software_name"], found["is_eol"]) == (str(of_bob.agent_id), name.upper(), False)
    assert found["business"] == {"id": str(bob.business_id), "business_name": "Bob"}


async def test_the_fleet_by_pages(make_device: MakeDevice, client: httpx.AsyncClient, alice: Tenant) -> None:
    name = uuid4().hex
    for _ in range(3):
        await listed(await make_device(), software(name), software(f"{name} 2"))
    everything = await find(alice, client, search=name)
    assert [one["software_name"] for one in everything] == [name] * 3 + [f"{name} 2"] * 3
    rows: list[dict[str, Any]] = []
    query: dict[str, Any] = {"search": name, "limit": 2}
    while True:
        page = (await client.get("/api/agents/inventory/software", params=query, headers=alice.headers)).json()
        rows += page["software"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert rows == everything


async def test_software_of_a_deleted_device_isnt_found(
    device: Device, client: httpx.AsyncClient, employee: Employee, pool: asyncpg.Pool
) -> None:
    name = uuid4().hex
    await listed(device, software(name))
    await pool.execute("UPDATE agent_devices SET soft_delete = true WHERE id = $1", device.agent_id)
    assert await find(employee, client, search=name) == []
    assert error_of(await client.get(path(device), headers=employee.headers)) == (404, "agent_not_found")


@pytest.mark.parametrize("query", [{}, {"search": "a"}, {"search": " a "}, {"search": "ab\0"}, {"search": "x" * 513}])
async def test_a_search_too_short_or_odd_is_refused(
    client: httpx.AsyncClient, alice: Tenant, query: dict[str, str]
) -> None:
    response = await client.get("/api/agents/inventory/software", params=query, headers=alice.headers)
    assert error_of(response) == (422, "invalid_request")


@pytest.mark.parametrize("page", ["first", "later"])
async def test_the_fleet_is_searched_by_index(database: str, alice: Tenant, page: str) -> None:
    connection = await asyncpg.connect(database, server_settings={"plan_cache_mode": "force_custom_plan"})
    transaction = connection.transaction()
    await transaction.start()
    device = await connection.fetchval(
        "INSERT INTO agent_devices (business_id, device_name) VALUES ($1, 'large') RETURNING id", alice.business_id
    )
    await connection.execute(
        "INSERT INTO agent_software_inventory (agent_device_id, software_name) "
        "SELECT $1, 'Package ' || n FROM generate_series(1, 20000) n",
        device,
    )
    await connection.execute("ANALYZE agent_software_inventory")
    after = ("package 7", uuid4()) if page == "later" else (None, None)
    lines = await connection.fetch(
        f"EXPLAIN {QUERIES['find_software']}", None, "Package 77%", "", utc_now().date(), *after, 51
    )
    plan = "\n".join(line[0] for line in lines)
    assert "agent_software_inventory_by_name" in plan, plan
    assert "~>=~" in plan or ">= 'package 77'" in plan, plan
    await transaction.rollback()
    await connection.close()


# Tenants


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


async def test_bobs_secret_is_in_no_answer_to_alice_or_charlie(
    make_device: MakeDevice, pool: asyncpg.Pool, tokens: Tokens, alice: Tenant, charlie: Tenant
) -> None:
    marker = "bobs-canary-77aa1"
    bob = await make_tenant(pool, tokens, marker)
    his, hers = await make_device(bob, name=marker), await make_device(alice)
    await listed(hers, software("a"))
    await listed(his, software("first"), at=MAY)
    await listed(his, software(marker, vendor=marker), at=MAY + DAY)
    cursor = make_cursor("", his.agent_id)
    urls = [
        path(his), path(his, "/changes"), path(his, f"?cursor={cursor}"), path(his, f"?at={MAY.date()}T23:00:00Z"),
        path(hers, f"?search={marker}"), f"/api/agents/inventory/software?search={marker}",
        f"/api/agents/inventory/software?search={marker}&cursor={cursor}", f"/api/agents/{his.agent_id}/services",
    ]  # fmt: skip
    for who in (alice, charlie):
        answers = [await his.client.get(url, headers=who.headers) for url in urls]
        assert not any(marker in one.text or str(bob.business_id) in one.text for one in answers)
    answers = [await his.client.get(url, headers=bob.headers) for url in urls]
    assert sum(marker in one.text for one in answers) >= 4


# Any sequence


entries = st.builds(
    software,
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from([None, "1", "2"]),
    software_type=st.sampled_from(["application", "driver"]),
)


@given(lists=st.lists(st.lists(entries, max_size=6), min_size=1, max_size=6), seed=st.randoms())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
async def test_any_full_lists_leave_the_last_one_and_each_at_its_time(
    make_device: MakeDevice, lists: list[list[dict[str, Any]]], seed: Any
) -> None:
    device = await make_device(name="property")
    for turn, one in enumerate(lists):
        merged = await listed(device, *one, at=MAY + turn * HOUR)
        assert merged["received"] == sum(merged[name] for name in ("added", "updated", "unchanged", "duplicates"))
        late = seed.randrange(turn + 1)  # lists that come late or again change nothing
        await listed(device, *lists[late], at=MAY + late * HOUR)
    assert await there(device) == keys(lists[-1])
    for turn, one in enumerate(lists):
        for after in (timedelta(), HOUR - timedelta(microseconds=1)):
            assert await there(device, at=(MAY + turn * HOUR + after).isoformat()) == keys(one)
    assert await there(device, at=(MAY - timedelta(microseconds=1)).isoformat()) == []


def keys(entries: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return sorted({(one["software_name"], str(one["software_version"]), one["software_type"]) for one in entries})


async def there(device: Device, **query: Any) -> list[tuple[str, ...]]:
    found = (await answer(device, **query))["software"]
    return sorted((one["software_name"], str(one["software_version"]), one["software_type"]) for one in found)
