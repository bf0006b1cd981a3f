"""Another interval leaves the coverage of the past as it was."""

from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from core.clock import utc_now
from tests.calls import beat, path_of
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.people import Employee, Tenant
from tests.rules import Rules

MINUTE = timedelta(minutes=1)


async def test_past_hours_keep_their_coverage(make_device: MakeDevice, employee: Employee) -> None:
    device = await make_device(interval=300)
    hour = utc_now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    await device.accepted(*(sample(hour + 5 * step * MINUTE, cpu_percent=1) for step in range(24)))
    url = f"/api/agents/{device.agent_id}"
    response = await device.client.patch(url, json={"metrics_interval_seconds": 60}, headers=employee.headers)
    assert response.status_code == 200, response.text
    for _ in range(2):
        answer = await device.history(
            start=hour.isoformat(), end=(hour + 2 * timedelta(hours=1)).isoformat(), interval="1h"
        )
        assert [point["coverage"] for point in answer["metrics"]] == [1.0, 1.0]
        await beat(device)


@pytest.mark.parametrize(
    ("first", "then"), [(300, 60), (60, 300), (300, 3600)], ids=["5 min to 1", "1 min to 5", "5 min to an hour"]
)
@pytest.mark.parametrize(
    "condition",
    [{"metric": "cpu_percent"}, {"metric": "disk.percent", "instance": "*"},
     {"metric": "cpu_percent", "aggregate": "avg"}],
)  # fmt: skip
async def test_an_open_alert_stays_as_it_is_when_the_interval_changes(
    rules: Rules, make_device: MakeDevice, employee: Employee, pool: asyncpg.Pool, condition: dict[str, str],
    first: int, then: int, dora: Tenant,
) -> None:  # fmt: skip
    device = await make_device(dora, interval=first)
    rule = await rules.make(device.tenant, condition | {"operator": ">", "threshold": 90, "duration_minutes": 10})
    now = utc_now()
    full = [{"name": "C:", "percent": 99}]
    for age in range(3 * 3600, 0, -first):
        await device.accepted(sample(now - timedelta(seconds=age), cpu_percent=99, disks=full))
    await rules.evaluate(now)
    changed = await device.client.patch(
        path_of(device), json={"metrics_interval_seconds": then}, headers=employee.headers
    )
    assert changed.status_code == 200, changed.text
    for step in range(1, 12):  # the agent hears of it after five minutes
        at = now + step * MINUTE
        if step == 5:
            await beat(device)
        if (step < 5 and step * 60 % first == 0) or (step >= 5 and (step - 5) * 60 % then == 0):
            await device.accepted(sample(at, cpu_percent=99, disks=full))
        await rules.evaluate(at + MINUTE / 2)
    assert [change["to_state"] for change in reversed(await rules.transitions(rule))][-1:] == ["firing"]
    assert {change["to_state"] for change in await rules.transitions(rule)} <= {"pending", "firing"}
    count = "SELECT count(*) FROM agent_alert_history WHERE agent_alert_id = $1"
    assert await pool.fetchval(count, UUID(rule["id"])) == 1
