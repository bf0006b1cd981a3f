"""Newest values that another program wrote: the device shows what can be read of them, and others are not concerned."""

import json

import asyncpg
import msgspec
import pytest

from api.live.changes import metrics_message
from core.newest_values import newest_values
from tests.calls import seen
from tests.devices import Device, sample
from tests.people import Employee


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (None, {}), ("{}", {}), ("[1]", {}), ('"5"', {}), ("null", {}), ('{"a": 1' + "0" * 5000 + "}", {}),
        ('{"a": 1, "b": 2.5, "c": null}', {"a": 1, "b": 2.5, "c": None}),
        ('{"a": "5", "b": true, "c": [1], "d": 1' + "0" * 400 + "}", dict.fromkeys("abcd")),
        ('{"a": 9223372036854775807}', {"a": 2**63 - 1}),
    ],
)  # fmt: skip
def test_values_that_are_not_numbers_count_as_null(text: str | None, values: dict[str, float | None]) -> None:
    assert newest_values(text) == values
    msgspec.json.encode(values)  # every answer can hold them


@pytest.mark.parametrize("odd", ["[1]", '{"cpu_percent": [1], "memory_percent": 1e999, "disk_percent": 7}'])
async def test_an_odd_device_is_shown_listed_scraped_and_followed(
    device: Device, employee: Employee, pool: asyncpg.Pool, odd: str
) -> None:
    await device.accepted(sample(cpu_percent=3))
    await pool.execute("UPDATE agent_devices SET current_metrics = $2 WHERE id = $1", device.agent_id, odd)
    expected = None if odd == "[1]" else 7
    assert (await seen(device))["current_metrics"].get("disk_percent") == expected
    for path in ("/api/agents", "/api/fleet/metrics"):
        answer = await device.client.get(path, headers=employee.headers)
        assert answer.status_code == 200, answer.text
    row = await pool.fetchrow(
        "SELECT id, current_metrics, current_collected_at FROM agent_devices WHERE id = $1", device.agent_id
    )
    assert row
    assert json.loads(msgspec.json.encode(metrics_message(row)))["metrics"].get("disk_percent") == expected
