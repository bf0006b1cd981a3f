"""One cause is one ticket: severities of one thing raise it, and what depends on a silent device is held back."""

from uuid import UUID

from alerts.state.evaluate import evaluate
from core.clock import utc_now
from tests.alerts.scenarios import MINUTE
from tests.alerts.service_desk import ServiceDesk
from tests.devices import Device, sample


def disk(threshold: float) -> dict[str, object]:
    return {"metric": "disk_percent", "operator": ">", "threshold": threshold, "duration_minutes": 10}


def each_disk(threshold: float) -> dict[str, object]:
    return disk(threshold) | {"metric": "disk.percent", "instance": "*"}


async def fill(desk: ServiceDesk, device: Device, percent: float, age: int) -> None:
    """Let a disk be that full for twelve minutes, ending some minutes ago, then let the worker take its turn."""
    at = utc_now() - age * MINUTE
    await device.accepted(*(sample(at - minutes * MINUTE, disk_percent=percent) for minutes in (1, 6, 11)))
    await desk.turn(at)


async def test_severities_of_one_thing_raise_one_ticket(desk: ServiceDesk, device: Device) -> None:
    await desk.rule(disk(90), "warning")
    await desk.rule(disk(95), "critical")
    await fill(desk, device, 91, 40)
    (ticket,) = await desk.tickets()
    assert (ticket["urgency"], ticket["priority"]) == ("Prime", "High")
    await fill(desk, device, 97, 20)
    (ticket,) = await desk.tickets()
    assert (ticket["urgency"], ticket["priority"]) == ("Emergency", "Critical")
    assert len(await desk.alerts()) == 2


async def test_severities_of_one_disk_raise_its_ticket_and_another_disk_has_its_own(
    desk: ServiceDesk, device: Device
) -> None:
    await desk.rule(each_disk(90), "warning")
    await desk.rule(each_disk(95), "critical")
    for age, full in ((40, 91), (20, 97)):
        at = utc_now() - age * MINUTE
        disks = [{"name": "C:", "percent": full}, {"name": "D:", "percent": 92}]
        await device.accepted(*(sample(at - minutes * MINUTE, disks=disks) for minutes in (1, 6, 11)))
        await desk.turn(at)
    tickets = {ticket["title"][-4:]: ticket["urgency"] for ticket in await desk.tickets()}
    assert tickets == {"(C:)": "Emergency", "(D:)": "Prime"}
    assert len(await desk.alerts()) == 3


async def test_the_fullest_disk_shares_the_ticket_of_that_disk(desk: ServiceDesk, device: Device) -> None:
    await desk.rule(disk(90), "warning")
    await desk.rule(each_disk(90), "warning")
    await desk.rule(disk(95), "critical")
    for age, full in ((40, 91), (20, 97)):
        at = utc_now() - age * MINUTE
        disks = [{"name": "C:", "percent": full}, {"name": "D:", "percent": 50}]
        await device.accepted(*(sample(at - minutes * MINUTE, disks=disks) for minutes in (1, 6, 11)))
        await desk.turn(at)
    (ticket,) = await desk.tickets()
    assert (ticket["urgency"], len(await desk.alerts())) == ("Emergency", 3)


async def test_a_disk_takes_the_ticket_that_the_fullest_disk_has_already(desk: ServiceDesk, device: Device) -> None:
    """As when an agent is upgraded, and sends its disks one by one from then on."""
    await desk.rule(disk(90), "warning")
    await desk.rule(each_disk(90), "warning")
    await desk.rule(each_disk(95), "critical")
    await fill(desk, device, 91, 60)
    for age, full, other in ((40, 91, 50), (20, 97, 92), (5, 97, 96)):
        at = utc_now() - age * MINUTE
        disks = [{"name": "C:", "percent": full}, {"name": "D:", "percent": other}]
        await device.accepted(*(sample(at - minutes * MINUTE, disks=disks) for minutes in (1, 6, 11)))
        await desk.turn(at)
    tickets = [(ticket["urgency"], ticket["title"][-4:] == "(D:)") for ticket in await desk.tickets()]
    assert tickets == [("Emergency", False), ("Emergency", True)]
    assert len(await desk.alerts()) == 5


async def test_a_full_disk_and_a_busy_processor_are_two_tickets(desk: ServiceDesk, device: Device) -> None:
    await desk.rule(disk(90), "warning")
    await desk.rule(None, "warning")
    at = utc_now()
    await device.accepted(*(sample(at - minutes * MINUTE, disk_percent=97, cpu_percent=97) for minutes in (1, 6, 11)))
    await desk.turn(at)
    assert len(await desk.tickets()) == 2


async def test_alerts_that_depend_on_a_silent_device_are_held_back(desk: ServiceDesk, device: Device) -> None:
    await desk.rule({"offline_minutes": 15}, "critical")
    await desk.rule({"no_data_minutes": 60}, "warning")
    await device.accepted(sample(utc_now(), cpu_percent=5))
    await moved(desk, device.agent_id, 30)
    await desk.turn(utc_now())
    await moved(desk, device.agent_id, 90)
    await desk.turn(utc_now() + MINUTE)
    (alert,) = await desk.alerts()
    assert alert["severity"] == "critical"
    (ticket,) = await desk.tickets()
    assert ticket["priority"] == "Critical"
    # It is heard again, but measures nothing: now that is news.
    await desk.connection.execute(
        "UPDATE agent_devices SET last_heartbeat = now() + interval '2 minutes' WHERE id = $1", device.agent_id
    )
    await evaluate(desk.connection, utc_now() + 2 * MINUTE)
    assert len(await desk.alerts()) == 2


async def moved(desk: ServiceDesk, device_id: UUID, minutes: int) -> None:
    """Let a device have been silent for some minutes."""
    await desk.connection.execute(
        "UPDATE agent_devices SET last_metrics_received = now() - $2 * interval '1 minute', last_heartbeat = NULL"
        " WHERE id = $1", device_id, minutes,
    )  # fmt: skip
