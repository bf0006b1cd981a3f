"""Notifications: grouped, signed, sent again until they are taken, to a real HTTP and a real SMTP server."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, time, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from aiosmtpd.controller import Controller

from alerts.notify.channels import Channel
from alerts.notify.mail import Mail
from alerts.notify.queue import GROUP_WAIT, QuietHours
from alerts.notify.sending import send_due
from alerts.notify.webhook import Webhook
from alerts.state.evaluate import evaluate
from core.clock import utc_now
from core.settings import parse_networks
from tests.alerts.scenarios import MINUTE, simple
from tests.alerts.state.test_evaluate import Evaluator, busy, connection, evaluator
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Tenant
from tests.whole.processes import free_port

__all__ = ["connection", "evaluator"]  # fixtures
SECRET = "a secret of the webhook"


class Hook:
    """An HTTP server that keeps what it is sent."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        self.received.append((headers, await reader.readexactly(int(headers["content-length"]))))
        writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    def alerts(self) -> list[list[tuple[str, str]]]:
        """What each message tells: (kind, device) of its alerts."""
        contents = [json.loads(body)["alerts"] for _, body in self.received]
        return [[(alert["kind"], alert["device_name"]) for alert in content] for content in contents]


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    receiver = Hook()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/alerts"
    async with server:
        yield receiver


class Mailbox:
    """What the mail server has taken."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.messages.append(envelope)
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, f"smtp://127.0.0.1:{port}"
    controller.stop()


@pytest.fixture
def senders(mailbox: tuple[Mailbox, str]) -> dict[str, Channel]:
    return {
        "webhook": Webhook(SECRET, utc_now, parse_networks("127.0.0.0/8")),
        "email": Mail(mailbox[1], "rts@msp.example"),
    }


@pytest.fixture
async def device(make_device: MakeDevice, dora: Tenant) -> Device:
    """The only device of a tenant of its own."""
    return await make_device(dora)


async def told(
    evaluator: Evaluator, tenant: Tenant, *recipients: str, conditions: dict[str, Any] | None = None
) -> None:  # fmt: skip
    """A rule of a tenant that tells these recipients."""
    rule = await evaluator.rule(conditions or simple(), tenant.business_id)
    await evaluator.connection.execute(
        "UPDATE agent_alerts SET notification_recipients = $2 WHERE id = $1", rule, json.dumps(recipients)
    )
    await evaluator.connection.execute("UPDATE agent_alert_notifications SET due_at = NULL")


async def alerted(evaluator: Evaluator, device: Device, *recipients: str) -> datetime:
    """Let a rule that tells these recipients fire on a device; returns when."""
    await told(evaluator, device.tenant, *recipients)
    now = utc_now()
    await busy(device, now, 95, range(1, 30, 5))
    await evaluate(evaluator.connection, now)
    return now


async def test_alerts_that_fire_together_are_one_signed_message(
    evaluator: Evaluator, make_device: MakeDevice, dora: Tenant, hook: Hook, senders: dict[str, Channel]
) -> None:
    await told(evaluator, dora, hook.url)
    now = utc_now()
    devices = [await make_device(dora, name=f"web-{number}") for number in range(3)]
    for device in devices:
        await busy(device, now, 95, range(1, 30, 5))
    await evaluate(evaluator.connection, now)
    assert await send_due(evaluator.connection, senders, now) == 0
    assert await send_due(evaluator.connection, senders, now + GROUP_WAIT) == 1
    assert await send_due(evaluator.connection, senders, now + GROUP_WAIT) == 0
    assert [sorted(message) for message in hook.alerts()] == [[("firing", f"web-{number}") for number in range(3)]]
    headers, body = hook.received[0]
    moment, _, signature = headers["rts-signature"].removeprefix("t=").partition(",v1=")
    wanted = hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    assert signature == wanted
    query = "SELECT notification_sent FROM agent_alert_history WHERE agent_device_id = $1"
    assert await evaluator.connection.fetchval(query, devices[0].agent_id) is True


async def test_recipients_of_an_alert_are_notified_of_its_end(
    evaluator: Evaluator, device: Device, hook: Hook, senders: dict[str, Channel]
) -> None:
    now = await alerted(evaluator, device, hook.url)
    await send_due(evaluator.connection, senders, now + MINUTE)
    await device.accepted(sample(now + MINUTE, cpu_percent=1))
    for minutes in (2, 7):
        await evaluate(evaluator.connection, now + minutes * MINUTE)
    await send_due(evaluator.connection, senders, now + 8 * MINUTE)
    assert [kind for message in hook.alerts() for kind, _ in message] == ["firing", "resolved"]


async def test_the_end_on_one_of_two_disks_names_the_disk(
    evaluator: Evaluator, device: Device, hook: Hook, mailbox: tuple[Mailbox, str], senders: dict[str, Channel]
) -> None:
    full = {"metric": "disk.percent", "instance": "*", "operator": ">", "threshold": 90, "duration_minutes": 10}
    await told(evaluator, device.tenant, hook.url, "tess@msp.example", conditions=full)
    now = utc_now()
    disks = [{"name": "C:", "percent": 95}, {"name": "D:", "percent": 96}]
    await device.accepted(*(sample(now - age * MINUTE, disks=disks) for age in range(1, 30, 5)))
    await evaluate(evaluator.connection, now)
    await send_due(evaluator.connection, senders, now + MINUTE)
    disks[1]["percent"] = 50
    await device.accepted(sample(now + MINUTE, disks=disks))
    for minutes in (2, 7):
        await evaluate(evaluator.connection, now + minutes * MINUTE)
    await send_due(evaluator.connection, senders, now + 8 * MINUTE)
    firing, ended = [json.loads(body)["alerts"] for _, body in hook.received]
    assert sorted(alert["instance"] for alert in firing) == ["C:", "D:"]
    assert [(alert["kind"], alert["instance"], alert["resolved_value"]) for alert in ended] == [("resolved", "D:", 50)]
    mail = message_from_bytes(mailbox[0].messages[-1].content, policy=default)
    assert mail["Subject"].startswith("[OK] High CPU on server-1 (D:): 50 now, was 96; ended")
    disks[0]["percent"] = 50  # nothing is left to be told in the next test
    await device.accepted(sample(now + 8 * MINUTE, disks=disks))
    for minutes in (9, 14):
        await evaluate(evaluator.connection, now + minutes * MINUTE)


async def test_an_alert_that_ends_before_its_message_is_not_sent(
    evaluator: Evaluator, device: Device, hook: Hook, senders: dict[str, Channel]
) -> None:
    now = await alerted(evaluator, device, hook.url)
    await evaluator.connection.execute("UPDATE agent_devices SET alerts_enabled = false WHERE id = $1", device.agent_id)
    await evaluate(evaluator.connection, now + MINUTE)
    assert await send_due(evaluator.connection, senders, now + 5 * MINUTE) == 0
    assert hook.received == []


async def test_a_webhook_that_fails_is_sent_again_later_and_later(
    evaluator: Evaluator, device: Device, hook: Hook, senders: dict[str, Channel]
) -> None:
    now = await alerted(evaluator, device, hook.url)
    hook.status = 500
    assert await send_due(evaluator.connection, senders, now + MINUTE) == 0
    assert await send_due(evaluator.connection, senders, now + 1.5 * MINUTE) == 0
    assert len(hook.received) == 1
    hook.status = 200
    assert await send_due(evaluator.connection, senders, now + 2 * MINUTE) == 1
    query = "SELECT status FROM agent_alert_history WHERE agent_device_id = $1"
    assert await evaluator.connection.fetchval(query, device.agent_id) == "active"


async def test_a_failed_connection_of_a_webhook_is_recorded(
    evaluator: Evaluator, device: Device, senders: dict[str, Channel]
) -> None:
    now = await alerted(evaluator, device, "http://127.0.0.1:9/nobody")
    assert await send_due(evaluator.connection, senders, now + MINUTE) == 0
    query = "SELECT last_error FROM agent_alert_notifications WHERE due_at IS NOT NULL"
    assert "no answer from the webhook" in await evaluator.connection.fetchval(query)


async def test_an_e_mail_says_what_and_where(
    evaluator: Evaluator, device: Device, mailbox: tuple[Mailbox, str], senders: dict[str, Channel]
) -> None:
    now = await alerted(evaluator, device, "tess@msp.example")
    assert await send_due(evaluator.connection, senders, now + MINUTE) == 1
    (envelope,) = mailbox[0].messages
    assert envelope.rcpt_tos == ["tess@msp.example"]
    message = message_from_bytes(envelope.content, policy=default)
    assert message["Subject"].strip().startswith("[warning] High CPU on server-1: 95 (cpu_percent: all > 90 percent")
    assert "Dora: High CPU on server-1" in message.get_content()


async def test_two_workers_send_each_message_once(
    evaluator: Evaluator, device: Device, hook: Hook, senders: dict[str, Channel], database: str
) -> None:
    now = await alerted(evaluator, device, hook.url)
    other = await asyncpg.connect(database)
    await asyncio.gather(*(send_due(one, senders, now + MINUTE) for one in (evaluator.connection, other)))
    await other.close()
    assert len(hook.received) == 1


async def test_only_critical_alerts_are_sent_during_quiet_hours(
    evaluator: Evaluator, device: Device, hook: Hook, senders: dict[str, Channel]
) -> None:
    now = await alerted(evaluator, device, hook.url)
    always = QuietHours(time(0), time(23, 59, 59), ZoneInfo("UTC"))
    assert await send_due(evaluator.connection, senders, now + MINUTE, always) == 0
    await evaluator.connection.execute("UPDATE agent_alert_history SET severity = 'critical' WHERE status = 'active'")
    assert await send_due(evaluator.connection, senders, now + MINUTE, always) == 1


@pytest.mark.parametrize(
    ("text", "hour", "quiet"),
    [
        ("22:00-07:00", 23, True), ("22:00-07:00", 6, True), ("22:00-07:00", 7, False), ("22:00-07:00", 12, False),
        ("08:00-12:00 Europe/Berlin", 7, True), ("08:00-12:00 Europe/Berlin", 10, False),
    ],
)  # fmt: skip
def test_quiet_hours_by_local_time(text: str, hour: int, quiet: bool) -> None:
    hours = QuietHours.parse(text)
    assert hours
    assert hours.holds(datetime(2026, 5, 4, hour, tzinfo=UTC)) is quiet


def test_no_quiet_hours_are_none() -> None:
    assert QuietHours.parse(" ") is None
    with pytest.raises(ValueError, match="Invalid isoformat"):
        QuietHours.parse("late")
    assert timedelta(0) < GROUP_WAIT
