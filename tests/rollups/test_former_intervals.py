"""Another interval leaves the coverage of the past as it was."""

from datetime import timedelta

from core.clock import utc_now
from tests.calls import beat
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.people import Employee

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
