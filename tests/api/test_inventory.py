"""Software inventory: what lists make of it, full ones and deltas, late ones, several at once and large ones."""

import asyncio
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.clock import utc_now
from tests.calls import error_of
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.software import DAY, MAY, answer, changes, installed, listed, post, software

HOUR = timedelta(hours=1)


def counts(merged: dict[str, Any]) -> dict[str, Any]:
    return {name: count for name, count in merged.items() if count}


# Lists


async def test_the_first_list_is_what_is_installed(device: Device) -> None:
    entry = software(
        "Firefox", "140.0", vendor="Mozilla", install_date="2026-01-02", software_type="application",
        is_security_software=False, is_latest_version=False, latest_available_version="141.0",
    )  # fmt: skip
    assert counts(await listed(device, entry, software("bash", None), at=MAY)) == {"received": 2, "added": 2}
    inventory = await answer(device)
    assert (inventory["next_cursor"], inventory["inventory_at"]) == (None, "2026-05-01T08:00:00Z")
    bash, firefox = inventory["software"]
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


async def test_software_missing_from_a_full_list_is_removed(device: Device) -> None:
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


async def test_software_that_a_delta_lists_and_removes_stays(device: Device) -> None:
    await listed(device, software("a", "1"), at=MAY)
    merged = await listed(
        device, software("a", "1"), software("a", "2"), at=MAY + DAY, mode="delta", removed=[{"software_name": "a"}]
    )
    assert counts(merged) == {"received": 2, "added": 1, "unchanged": 1}


async def test_the_last_of_duplicates_in_a_list_counts(device: Device) -> None:
    entries = software("a", vendor="first"), software("a", vendor="last"), software(" a ", vendor=""), software("b")
    assert counts(await listed(device, *entries)) == {"received": 4, "added": 2, "duplicates": 2}
    shown = (await answer(device))["software"]
    assert [(one["software_name"], one["vendor"]) for one in shown] == [("a", None), ("b", None)]


async def test_one_name_in_two_types_or_versions_is_two(device: Device) -> None:
    entries = software("a"), software("a", software_type="driver"), software("a", None), software("A")
    assert (await listed(device, *entries))["added"] == 4
    assert (await listed(device, *entries))["unchanged"] == 4


async def test_a_new_report_of_a_software_replaces_the_former_report(device: Device) -> None:
    await listed(device, software("a", vendor="old", latest_available_version="2"), software("b"), at=MAY)
    entries = software("a", vendor="new", is_security_software=True), software("b")
    assert counts(await listed(device, *entries, at=MAY + DAY)) == {"received": 2, "updated": 1, "unchanged": 1}
    entry, _ = (await answer(device))["software"]
    assert (entry["vendor"], entry["is_security_software"], entry["latest_available_version"]) == ("new", True, None)
    assert entry["first_seen"] == "2026-05-01T08:00:00Z"
    assert await changes(device) == []


async def test_a_list_older_than_the_newest_changes_nothing(device: Device) -> None:
    await listed(device, software("a"), at=MAY + DAY)
    for mode in ("full", "delta"):
        assert await listed(device, software("b"), at=MAY, mode=mode) == {
            "received": 1, "added": 0, "updated": 0, "removed": 0, "unchanged": 0, "duplicates": 0, "stale": True,
            "rejected": [], "notes": [],
        }  # fmt: skip
    inventory = await answer(device)
    assert [one["software_name"] for one in inventory["software"]] == ["a"]
    assert inventory["inventory_at"] == "2026-05-02T08:00:00Z"


async def test_a_list_without_a_time_is_of_now(device: Device) -> None:
    await listed(device, software("a"))
    (entry,) = (await answer(device))["software"]
    assert entry["first_seen"] == entry["last_seen"] == (await answer(device))["inventory_at"]
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
    assert counts(await listed(device, *entries, at=MAY)) == {"received": 10_000, "added": 10_000}
    newer = entries[:5000] + [one | {"software_version": "9"} for one in entries[5000:]]
    merged = await listed(device, *newer, at=MAY + DAY)
    assert counts(merged) == {"received": 10_000, "added": 5000, "removed": 5000, "unchanged": 5000}
    gone = [{"software_name": one["software_name"]} for one in entries]
    assert (await listed(device, at=MAY + 2 * DAY, mode="delta", removed=gone))["removed"] == 10_000
    assert error_of(await post(device, *entries, software("one more"))) == (422, "invalid_request")


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
    software = (await answer(device, **query))["software"]
    return sorted((one["software_name"], str(one["software_version"]), one["software_type"]) for one in software)
