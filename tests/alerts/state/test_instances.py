"""Rules on instances of devices: one alert and one ticket for each, named in the message, ending each for itself."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from alerts.replay.replayer import replay
from alerts.rules.conditions import parse_condition
from alerts.rules.terms import Rule, Scope
from auth.tokens import Tokens
from core.clock import utc_now
from db.hypertables.policies import LEVELS
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import make_tenant
from tests.rules import Rules, alerts_of

MINUTE = timedelta(minutes=1)
FULL = {"metric": "disk.percent", "instance": "*", "operator": ">", "threshold": 90, "duration_minutes": 10}


async def disks(device: Device, until: datetime, minutes: int = 30, **percents: float) -> None:
    """Upload samples of disks, one each five minutes up to `until`."""
    listed = [{"name": f"{name}:", "percent": value} for name, value in percents.items()]
    await device.accepted(*(sample(until - age * MINUTE, disks=listed) for age in range(0, minutes, 5)))


def messages(alerts: list[dict[str, Any]]) -> dict[str, str]:
    return {alert["alert_message"]: alert["status"] for alert in alerts}


@pytest.fixture
async def begin(pool: asyncpg.Pool) -> datetime:
    await pool.execute("UPDATE agent_alerts SET is_active = false")  # of other tests
    return utc_now().replace(microsecond=0) - timedelta(hours=2)


async def test_full_disks_have_independent_alerts_and_tickets(
    rules: Rules, device: Device, pool: asyncpg.Pool, begin: datetime
) -> None:
    rule = await rules.make(device.tenant, FULL, alert_name="Disk full", keep_firing_minutes=5)
    assert rule["alert_type"] == "disk_percent_high"
    await disks(device, begin, C=50, D=95, E=97)
    await rules.evaluate(begin)
    await rules.evaluate(begin + MINUTE)
    open_alerts = await alerts_of(device)
    assert len(open_alerts) == 2
    assert all("disk.percent of *" in alert["alert_message"] for alert in open_alerts)
    assert sorted(alert["alert_message"].split("(")[1][:2] for alert in open_alerts) == ["D:", "E:"]
    tickets = await pool.fetch(
        "SELECT title FROM agent_alert_tickets WHERE agent_device_id = $1 ORDER BY title", device.agent_id
    )
    assert [row["title"][-4:] for row in tickets] == ["(D:)", "(E:)"]

    for step in range(1, 5):
        await disks(device, begin + step * 5 * MINUTE, 5, C=50, D=40, E=97)
        await rules.evaluate(begin + step * 5 * MINUTE + MINUTE)
    ended = {alert["alert_message"].split("(")[1][:2]: alert["status"] for alert in await alerts_of(device)}
    assert ended == {"D:": "auto_resolved", "E:": "active"}


@pytest.mark.parametrize(
    ("pick", "expected"),
    [
        ({"instance": "D:"}, {"D:"}),
        ({"instance": ["C:", "D:"]}, {"C:", "D:"}),
        ({"instance": "*", "except_instances": ["D*"]}, {"C:", "E:"}),
        ({"instance": "?:"}, set()),
    ],
)
async def test_instances_are_picked_by_name_list_pattern_and_exception(
    rules: Rules, device: Device, begin: datetime, pick: dict[str, Any], expected: set[str]
) -> None:
    await rules.make(device.tenant, FULL | pick)
    await disks(device, begin, C=95, D=95, E=95)
    await rules.evaluate(begin)
    assert {alert["alert_message"].split("(")[1][:2] for alert in await alerts_of(device)} == expected


async def test_a_counter_is_compared_as_a_rate(rules: Rules, device: Device, begin: datetime) -> None:
    await rules.make(
        device.tenant,
        {"metric": "network.rx_bytes", "instance": "eth*", "operator": ">", "threshold": 1000, "duration_minutes": 10},
    )
    samples = [
        sample(
            begin - age * MINUTE,
            interfaces=[
                {"name": "eth0", "rx_bytes": (60 - age) * 60 * 2000},
                {"name": "eth1", "rx_bytes": (60 - age) * 60 * 500},
            ],
        )
        for age in range(0, 30, 5)
    ]
    await device.accepted(*samples)
    await rules.evaluate(begin)
    (alert,) = await alerts_of(device)
    assert "(eth0): 2000" in alert["alert_message"]


async def test_a_disk_that_is_no_longer_sent_is_no_data_and_not_resolved(
    rules: Rules, device: Device, pool: asyncpg.Pool, begin: datetime
) -> None:
    rule = await rules.make(device.tenant, FULL)
    await disks(device, begin, C=50, D=95)
    await rules.evaluate(begin)
    for step in range(1, 7):
        await disks(device, begin + step * 5 * MINUTE, 5, C=50)
    await rules.evaluate(begin + 31 * MINUTE)
    query = "SELECT state FROM agent_alert_states WHERE agent_alert_id = $1 AND agent_device_id = $2"
    state = await pool.fetchval(query, UUID(rule["id"]), device.agent_id)
    assert state == "no_data"
    assert [alert["status"] for alert in await alerts_of(device)] == ["active"]


async def test_a_condition_on_the_device_counts_for_each_instance(
    rules: Rules, device: Device, begin: datetime
) -> None:
    busy = {"metric": "cpu_percent", "operator": ">", "threshold": 80, "duration_minutes": 10}
    await rules.make(device.tenant, {"all": [FULL, busy]})
    listed = [{"name": "C:", "percent": 95}, {"name": "D:", "percent": 96}, {"name": "E:", "percent": 5}]
    await device.accepted(*(sample(begin - age * MINUTE, cpu_percent=90, disks=listed) for age in range(0, 30, 5)))
    await rules.evaluate(begin)
    assert len(await alerts_of(device)) == 2


async def test_a_service_that_is_not_installed_lets_the_alert_of_a_disk_end(
    rules: Rules, device: Device, begin: datetime
) -> None:
    await rules.make(device.tenant, {"any": [FULL, {"service": "NotThere", "duration_minutes": 5}]})
    await disks(device, begin, D=95)
    await rules.evaluate(begin)
    for step in range(1, 5):
        await disks(device, begin + step * 5 * MINUTE, 5, D=40)
        await rules.evaluate(begin + step * 5 * MINUTE + MINUTE)
    assert [alert["status"] for alert in await alerts_of(device)] == ["auto_resolved"]


@pytest.mark.parametrize("level", [None, LEVELS[0]])
async def test_the_past_is_judged_as_live(device: Device, pool: asyncpg.Pool, level: Any) -> None:
    begin = utc_now().replace(microsecond=0) - timedelta(hours=1)
    await disks(device, begin, C=50, D=95)
    rule = Rule(device.agent_id, Scope(device_id=device.agent_id), parse_condition(FULL))
    instants = [begin - age * MINUTE for age in range(29, -1, -1)]
    replayed = await replay(pool, [rule], instants, level=level)
    assert [(one.instance, one.after.state) for one in replayed] == [("D:", "pending"), ("D:", "firing")]


async def test_statements_do_not_grow_with_rules_or_instances(
    rules: Rules, device: Device, pool: asyncpg.Pool, begin: datetime
) -> None:
    async def statements() -> int:
        await rules.evaluate(begin)
        count: int = await pool.fetchval("SELECT statements FROM agent_alert_passes")
        return count

    await rules.make(device.tenant, FULL)
    await disks(device, begin, C=95)
    few = await statements()
    for threshold in (91, 92, 93):
        await rules.make(device.tenant, FULL | {"threshold": threshold, "instance": [f"{threshold}", "*"]})
    await disks(device, begin + MINUTE, **{f"D{number}": 95 for number in range(20)})
    assert await statements() == few


async def test_the_default_rules_watch_each_disk_but_images_and_removable_media(
    rules: Rules, pool: asyncpg.Pool, tokens: Tokens, make_device: MakeDevice, begin: datetime
) -> None:
    device = await make_device(await make_tenant(pool, tokens, "Gina"))  # who has no rules yet
    body = {"business_id": str(device.tenant.business_id)}
    assert (await rules.call("POST", "defaults", json=body)).is_success
    listed = [{"name": name, "percent": full} for name, full in (("/", 50), ("/srv", 96), ("/snap/core/1", 100))]
    await device.accepted(*(sample(begin - age * MINUTE, disks=listed, disk_percent=50) for age in range(0, 30, 5)))
    await rules.evaluate(begin)
    alerts = await alerts_of(device)
    assert {(alert["alert_type"], alert["severity"]) for alert in alerts if "disk" in alert["alert_type"]} == {
        ("disk_percent_high", "warning"), ("disk_percent_critical", "critical"),
    }  # fmt: skip
    assert all("(/srv)" in alert["alert_message"] for alert in alerts)
