"""Portals on the live channel hear of alerts of the devices that they follow, and of nobody else's."""

from datetime import datetime, timedelta
from typing import Any

from tests.conftest import MakeDevice
from tests.devices import Device
from tests.live.conftest import Open, OpenSocketIo
from tests.live.sockets import Message, Socket
from tests.people import Tenant
from tests.rules import MINUTE, Rules, only_alert

PEOPLE_DO = ("alert_snoozed", "alert_acknowledged", "alert_resolved")


async def follow(portal: Socket, *devices: Device) -> None:
    await portal.ask("subscribe", agent_ids=[str(device.agent_id) for device in devices])


def alert_of(event_type: str) -> Any:
    return lambda message: message["type"] == "event" and message["event_type"] == event_type


def alerts_in(messages: list[Message]) -> list[Message]:
    return [one for one in messages if one["type"] == "event" and one["event_type"].startswith("alert_")]


async def test_a_portal_hears_of_the_alerts_of_its_business_only(
    rules: Rules, open_socket: Open, make_device: MakeDevice, alice: Tenant, bob: Tenant, charlie: Tenant
) -> None:
    devices = [await make_device(alice), await make_device(bob)]
    portals = {tenant.name: await open_socket(tenant.user_token) for tenant in (alice, bob, charlie)}
    for portal in portals.values():
        await follow(portal, *devices)
    await rules.make(alice, severity="critical")
    await rules.fire(*devices, ago=timedelta())
    received = await portals["Alice"].until(alert_of("alert_firing"))
    alert = await only_alert(devices[0])
    assert received["agent_id"] == str(devices[0].agent_id)
    assert received["data"] == {"alert_id": alert["id"], "severity": "critical", "message": alert["alert_message"]}
    for name in ("Bob", "Charlie"):
        assert alerts_in(await portals[name].quiet(1)) == []


async def test_a_portal_hears_of_the_end_however_it_comes(
    rules: Rules, open_socket: Open, device: Device, alice: Tenant
) -> None:
    portal = await open_socket(alice.user_token)
    await follow(portal, device)
    only_here = {"agent_device_id": str(device.agent_id)}
    recovers, by_hand, deleted = [
        await rules.make(alice, alert_name=name, **only_here) for name in ("recovers", "by hand", "deleted")
    ]
    now = await rules.fire(device, ago=timedelta())
    fired = [await portal.until(alert_of("alert_firing")) for _ in range(3)]
    by_name = {message["data"]["message"].split(" on ")[0]: message["data"]["alert_id"] for message in fired}
    await rules.handle({"id": by_name["by hand"]}, "resolve")
    assert (await portal.until(alert_of("alert_resolved")))["data"]["alert_id"] == by_name["by hand"]
    await rules.call("DELETE", deleted["id"])
    assert (await portal.until(alert_of("alert_resolved")))["data"]["alert_id"] == by_name["deleted"]
    await rules.recover(device, now + MINUTE)
    assert (await portal.until(alert_of("alert_resolved")))["data"]["alert_id"] == by_name["recovers"]
    assert alerts_in(await portal.quiet()) == []
    assert {recovers["alert_name"], by_hand["alert_name"]} < set(by_name)


async def test_portals_hear_of_what_a_person_does_with_an_alert_of_their_business_only(
    rules: Rules, open_socket: Open, open_socket_io: OpenSocketIo, device: Device, alice: Tenant, bob: Tenant
) -> None:
    await rules.make(alice, agent_device_id=str(device.agent_id))
    await rules.fire(device, ago=timedelta())
    alert = await only_alert(device)
    portal, socket_io = await open_socket(alice.user_token), await open_socket_io(rules.employee.token)
    stranger = await open_socket(bob.user_token)
    for one in (portal, socket_io, stranger):
        await one.ask("subscribe", agent_ids=[str(device.agent_id)])
    what = {"alert_id": alert["id"], "severity": alert["severity"], "message": alert["alert_message"]}
    snoozed = (await rules.handle(alert, "snooze", minutes=30)).json()["snoozed_until"]
    await rules.handle(alert, "acknowledge")
    await rules.handle(alert, "acknowledge")  # again changes nothing
    await rules.handle(alert, "resolve", notes="not for customers")
    plain = [await portal.until(lambda message: message["type"] == "event") for _ in PEOPLE_DO]
    by_socket_io = [await socket_io.next("event") for _ in PEOPLE_DO]
    for messages in (plain, by_socket_io):
        assert [message["event_type"] for message in messages] == list(PEOPLE_DO)
        received = [message["data"] for message in messages]
        assert datetime.fromisoformat(received[0].pop("until")) == datetime.fromisoformat(snoozed)
        assert received == [what] * 3
    assert alerts_in(await portal.quiet()) == []
    assert alerts_in(await stranger.quiet()) == []
