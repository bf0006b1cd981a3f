"""One odd entry, date or character of an inventory costs only itself."""

from typing import Any

import pytest

from tests.devices import Device

GOOD = [{"software_name": f"good {number}", "software_version": "1.0"} for number in range(5)]


async def send(device: Device, *entries: Any, **more: Any) -> dict[str, Any]:
    url = f"/api/agents/{device.agent_id}/inventory/software"
    response = await device.client.post(url, json={"software": [*GOOD, *entries], **more}, headers=device.headers)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def installed(device: Device, **query: Any) -> dict[str, dict[str, Any]]:
    url = f"/api/agents/{device.agent_id}/inventory/software"
    response = await device.client.get(url, params=query, headers=device.tenant.headers)
    assert response.status_code == 200, response.text
    return {one["software_name"]: one for one in response.json()["software"]}


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("software_version", "2026-02-15 16:43\0\0", "2026-02-15 16:43"),
        ("software_version", 3.11, "3.11"),
        ("software_version", ["3"], None),
        ("software_version", "1" * 300, "1" * 255),
        ("vendor", "a\u202eb\nc", "ab c"),
        ("install_date", "04/30/2026", None),
        ("install_date", "0000/0/0", None),
        ("install_date", "2021-30-10", None),
        ("install_date", "0001-01-01", None),
        ("install_date", 20260430, None),
        ("install_date", "20260430", "2026-04-30"),
        ("install_date", "2026-04-30T10:00:00Z", "2026-04-30"),
        ("software_type", "game", "application"),
        ("is_security_software", "yes", False),
    ],
)
async def test_an_odd_field_costs_only_itself(device: Device, field: str, value: Any, kept: Any) -> None:
    answer = await send(device, {"software_name": "odd", field: value})
    assert (answer["received"], answer["added"], answer["rejected"]) == (6, 6, [])
    assert (await installed(device))["odd"][field] == kept
    if kept not in ("3.11", "2026-04-30"):
        assert [(note["index"], note["field"]) for note in answer["notes"]] == [(5, field)]


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
async def test_a_version_that_is_no_finite_number_is_null(device: Device, number: str) -> None:
    url = f"/api/agents/{device.agent_id}/inventory/software"
    body = b'{"software": [{"software_name": "odd", "software_version": %s}]}' % number.encode()
    headers = device.headers | {"Content-Type": "application/json"}
    answer = (await device.client.post(url, content=body, headers=headers)).json()
    assert (answer["added"], [note["code"] for note in answer["notes"]]) == (1, ["wrong_type"])
    assert (await installed(device))["odd"]["software_version"] is None


@pytest.mark.parametrize("entry", [7, None, {}, {"software_name": ""}, {"software_name": 5}, {"software_name": "\0"}])
async def test_an_entry_without_a_name_is_rejected_alone_and_removes_nothing(device: Device, entry: Any) -> None:
    await send(device, {"software_name": "kept"})
    answer = await send(device, entry)
    assert [one["index"] for one in answer["rejected"]] == [5]
    assert (answer["removed"], "kept" in await installed(device)) == (0, True)


async def test_a_name_that_is_too_long_is_cut(device: Device) -> None:
    await send(device, {"software_name": "x" * 600})
    assert "x" * 512 in await installed(device)


async def test_two_spellings_of_a_name_are_one_software(device: Device) -> None:
    composed, decomposed = "Vidéo Über", "Vide\u0301o U\u0308ber"
    answer = await send(device, {"software_name": composed}, {"software_name": decomposed})
    assert (answer["added"], answer["duplicates"]) == (6, 1)
    for spelling in (composed, decomposed):
        assert list(await installed(device, search=spelling)) == [composed]
