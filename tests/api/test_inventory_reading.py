"""Software inventory as people read it of one device: what is installed, what was at a time, and what changed."""

from typing import Any

import asyncpg

from tests.devices import Device
from tests.software import DAY, MAY, answer, changes, installed, listed, software

# What is installed


async def test_a_device_without_a_list_has_nothing(device: Device) -> None:
    inventory = await answer(device)
    assert (inventory["software"], inventory["next_cursor"], inventory["inventory_at"]) == ([], None, None)
    assert await answer(device, "/changes") == {"changes": [], "next_cursor": None, "inventory_since": None}


async def test_software_installed_on_a_past_day_is_listed(device: Device) -> None:
    await listed(device, software("python", "3.11"), software("old tool"), at=MAY)
    await listed(device, software("python", "3.12"), software("old tool"), at=MAY + 2 * DAY)
    await listed(device, software("python", "3.13"), software("new tool"), at=MAY + 4 * DAY)
    assert await installed(device, at="2026-05-03T12:00:00Z") == [("old tool", "1.0"), ("python", "3.12")]
    assert await installed(device, at="2026-05-03T10:00:00+02:00") == [("old tool", "1.0"), ("python", "3.12")]
    assert await installed(device, at="2026-05-03T09:59:59+02:00") == [("old tool", "1.0"), ("python", "3.11")]
    assert await installed(device, at="2026-04-30T00:00:00Z") == []
    assert await installed(device) == [("new tool", "1.0"), ("python", "3.13")]
    inventory = await answer(device, at="2026-05-03T12:00:00Z")
    assert (inventory["as_of"], inventory["software"][0]["is_active"]) == ("2026-05-03T12:00:00Z", False)
    assert inventory["software"][0]["removed_at"] == "2026-05-05T08:00:00Z"


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
    listed_names = [one["software_name"] for one in everything]
    assert [name.lower() for name in listed_names] == sorted(name.lower() for name in listed_names)
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


# Changes


async def test_changes_are_newest_first_and_an_upgrade_is_one(device: Device) -> None:
    await listed(device, software("python", "3.11"), software("a"), software("b"), at=MAY)
    await listed(device, software("python", "3.12"), software("a"), software("c"), at=MAY + DAY)
    await listed(device, software("python", "3.12"), software("c"), at=MAY + 2 * DAY)
    assert await changes(device) == [
        ("removed", "a", None, "1.0"),
        ("removed", "b", None, "1.0"), ("installed", "c", None, "1.0"), ("upgraded", "python", "3.11", "3.12"),
    ]  # fmt: skip
    inventory = await answer(device, "/changes")
    assert [one["at"] for one in inventory["changes"]] == ["2026-05-03T08:00:00Z", *(["2026-05-02T08:00:00Z"] * 3)]
    assert inventory["inventory_since"] == "2026-05-01T08:00:00Z"


async def test_an_upgrade_by_a_delta_is_one_too(device: Device) -> None:
    await listed(device, software("python", "3.11"), at=MAY)
    gone = [{"software_name": "python", "software_version": "3.11"}]
    await listed(device, software("python", "3.12"), at=MAY + DAY, mode="delta", removed=gone)
    assert await changes(device) == [("upgraded", "python", "3.11", "3.12")]


async def test_versions_side_by_side_are_upgraded_each(device: Device) -> None:
    await listed(device, software("kernel", "1"), software("kernel", "2"), software("kernel", "3"), at=MAY)
    await listed(device, software("kernel", "3"), software("kernel", "4"), at=MAY + DAY)
    assert sorted(await changes(device)) == [("removed", "kernel", None, "2"), ("upgraded", "kernel", "1", "4")]


async def test_reinstalled_software_begins_a_new_period(device: Device, pool: asyncpg.Pool) -> None:
    for day, is_installed in enumerate((True, False, True)):
        await listed(device, *([software("a")] if is_installed else []), at=MAY + day * DAY)
    assert await changes(device) == [("installed", "a", None, "1.0"), ("removed", "a", None, "1.0")]
    for day, is_installed in enumerate((True, False, True)):
        assert await installed(device, at=(MAY + day * DAY).isoformat()) == ([("a", "1.0")] if is_installed else [])
    (entry,) = (await answer(device))["software"]
    assert entry["first_seen"] == "2026-05-03T08:00:00Z"
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
