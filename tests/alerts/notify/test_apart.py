"""Each message is apart: a recipient that stalls, floods or can't be addressed costs itself, and others get theirs."""

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from alerts.notify import webhook as webhook_module
from alerts.notify.channels import Channel, SendError
from alerts.notify.mail import Mail
from alerts.notify.messages import Message
from alerts.notify.queue import parse_recipients
from alerts.notify.sending import send_due
from alerts.notify.webhook import Webhook
from alerts.rules.conditions import parse_condition
from alerts.rules.loader import RuleRow
from alerts.rules.terms import Rule, Scope
from alerts.state.evaluate import evaluate
from core.clock import utc_now
from core.settings import parse_networks
from tests.alerts.notify.test_notifications import Hook, alerted, device, hook, mailbox, senders, told
from tests.alerts.scenarios import MINUTE
from tests.alerts.state.test_evaluate import Evaluator, busy, connection, evaluator
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant

__all__ = ["connection", "device", "evaluator", "hook", "mailbox", "senders"]  # fixtures
HERE = parse_networks("127.0.0.0/8")
BOMB = gzip.compress(bytes(100_000_000))
ATTEMPTS = "SELECT recipient, attempts, due_at, sent_at, last_error FROM agent_alert_notifications WHERE recipient = $1"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def drip(writer: asyncio.StreamWriter) -> None:
    """Answer one byte at a time, for ever."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 100_000:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)


async def flood(writer: asyncio.StreamWriter) -> None:
    """Answer a body without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()


async def bomb(writer: asyncio.StreamWriter) -> None:
    """Answer 100 MB as some gzip."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB)
    await writer.drain()


async def endless_head(writer: asyncio.StreamWriter) -> None:
    """Answer headers without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"x" * 60_000 + b"\r\n")
        await writer.drain()


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """Serve one kind of answer; yields the URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


@pytest.mark.parametrize(("answer", "is_taken"), [(drip, False), (endless_head, False), (flood, True), (bomb, True)])
async def test_a_webhook_costs_bounded_time_and_memory(
    answer: Answer, is_taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_module, "SEND_SECONDS", 2.0)
    tracemalloc.start()
    try:
        async with asyncio.timeout(60), answering(answer) as url:
            try:
                await Webhook("", utc_now, HERE).send(url, Message("msg_1", None, "", "", {"alerts": []}))
                taken = True
            except SendError:
                taken = False
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()
    assert taken is is_taken


POISONS = [
    "=?utf-8?q??=@b.example", "=?utf-8?q?a=0ABcc=3Ax=40evil.example?=@b.example",
    "ops@msp.example\nBcc: x@evil.example", "a..b@msp.example", "@", "ops@msp.example\u202e", "x" * 2500 + "@b.example",
    "http://[::1", "https://", "://", "http://hooks.example:99999999/", "http://\u2028/", "ftp://hooks.example/",
]  # fmt: skip


@pytest.mark.parametrize("poison", POISONS)
async def test_a_recipient_that_cant_be_addressed_fails_alone(
    poison: str, evaluator: Evaluator, make_device: MakeDevice, alice: Tenant, dora: Tenant, hook: Hook,
    senders: dict[str, Channel],
) -> None:  # fmt: skip
    await told(evaluator, alice, poison)
    await told(evaluator, dora, hook.url)
    now = utc_now()
    for tenant in (alice, dora):
        await busy(await make_device(tenant), now, 95, range(1, 30, 5))
    await evaluate(evaluator.connection, now)
    assert await send_due(evaluator.connection, senders, now + MINUTE) == 1
    (sent,) = await evaluator.connection.fetch(ATTEMPTS + " ORDER BY id DESC LIMIT 1", hook.url)
    assert sent["sent_at"] is not None
    for row in await evaluator.connection.fetch(ATTEMPTS + " ORDER BY id DESC LIMIT 1", poison):
        assert (row["sent_at"], row["attempts"]) == (None, 1)
        assert row["last_error"]


@pytest.mark.parametrize("recipient", POISONS[:6])
async def test_the_api_refuses_addresses_that_arent_safe_in_a_header(
    recipient: str, evaluator: Evaluator, device: Device, employee: Employee
) -> None:
    body = {
        "alert_name": "x", "business_id": str(device.tenant.business_id), "conditions": {"no_data_minutes": 5},
        "notification_recipients": [recipient],
    }  # fmt: skip
    answer = await device.client.post("/api/agents/alerts", json=body, headers=employee.headers)
    assert answer.status_code == 422, answer.text


async def test_a_sender_that_raises_anything_fails_alone(evaluator: Evaluator, device: Device, hook: Hook) -> None:
    class Broken:
        async def send(self, recipient: str, message: Message) -> None:
            raise ZeroDivisionError

    now = await alerted(evaluator, device, hook.url, "tess@msp.example")
    senders: dict[str, Channel] = {"webhook": Webhook("", utc_now, HERE), "email": Broken()}
    assert await send_due(evaluator.connection, senders, now + MINUTE) == 1
    (row,) = await evaluator.connection.fetch(ATTEMPTS + " ORDER BY id DESC LIMIT 1", "tess@msp.example")
    assert "ZeroDivisionError" in row["last_error"]
    assert row["due_at"] == now + 2 * MINUTE


async def test_a_fresh_alert_keeps_its_own_attempts(
    evaluator: Evaluator, device: Device, hook: Hook, senders: dict[str, Channel]
) -> None:
    now = await alerted(evaluator, device, hook.url)
    await evaluator.connection.execute("UPDATE agent_alert_notifications SET attempts = 19 WHERE due_at IS NOT NULL")
    rule = await evaluator.rule(
        {"metric": "cpu_percent", "operator": ">", "threshold": 80, "duration_minutes": 10}, device.tenant.business_id
    )
    await evaluator.connection.execute(
        "UPDATE agent_alerts SET notification_recipients = $2 WHERE id = $1", rule, json.dumps([hook.url])
    )
    await evaluate(evaluator.connection, now + timedelta(seconds=1))
    hook.status = 500
    assert await send_due(evaluator.connection, senders, now + MINUTE) == 0
    rows = await evaluator.connection.fetch(ATTEMPTS + " AND attempts > 0 ORDER BY attempts", hook.url)
    assert [(row["attempts"], row["due_at"]) for row in rows] == [(1, now + 2 * MINUTE), (20, None)]
    hook.status = 200
    assert await send_due(evaluator.connection, senders, now + 2 * MINUTE) == 1


async def recovered(evaluator: Evaluator, device: Device, now: datetime) -> datetime:
    """Let a device be well and its alert end; returns when."""
    await device.accepted(sample(now + MINUTE, cpu_percent=7))
    for minutes in (2, 7):
        await evaluate(evaluator.connection, now + minutes * MINUTE)
    return now + 7 * MINUTE


async def test_a_snooze_doesnt_hold_back_the_end(
    evaluator: Evaluator, device: Device, hook: Hook, senders: dict[str, Channel]
) -> None:
    now = await alerted(evaluator, device, hook.url)
    assert await send_due(evaluator.connection, senders, now + MINUTE) == 1
    await evaluator.connection.execute(
        "UPDATE agent_alert_history SET snoozed_until = $1 WHERE status = 'active'", now + timedelta(days=1)
    )
    ended = await recovered(evaluator, device, now)
    assert await send_due(evaluator.connection, senders, ended) == 1
    assert [kind for message in hook.alerts() for kind, _ in message] == ["firing", "resolved"]


async def test_the_end_of_an_alert_that_was_given_up_is_not_sent(
    evaluator: Evaluator, device: Device, hook: Hook, senders: dict[str, Channel]
) -> None:
    now = await alerted(evaluator, device, hook.url)
    hook.status = 500
    await evaluator.connection.execute("UPDATE agent_alert_notifications SET attempts = 19 WHERE due_at IS NOT NULL")
    await send_due(evaluator.connection, senders, now + MINUTE)
    hook.status, hook.received = 200, []
    ended = await recovered(evaluator, device, now)
    assert await send_due(evaluator.connection, senders, ended + timedelta(hours=3)) == 0
    assert hook.received == []


async def test_an_end_while_the_beginning_is_tried_again_is_sent_after_it(
    evaluator: Evaluator, device: Device, hook: Hook, senders: dict[str, Channel]
) -> None:
    now = await alerted(evaluator, device, hook.url)
    hook.status = 500
    await send_due(evaluator.connection, senders, now + MINUTE)
    ended = await recovered(evaluator, device, now)
    hook.status, hook.received = 200, []
    assert await send_due(evaluator.connection, senders, ended) == 1
    assert await send_due(evaluator.connection, senders, ended) == 1
    assert [kind for message in hook.alerts() for kind, _ in message] == ["firing", "resolved"]


async def test_the_end_says_the_value_then_the_time_and_how_long_it_took(
    evaluator: Evaluator, device: Device, hook: Hook, senders: dict[str, Channel]
) -> None:
    now = await alerted(evaluator, device, hook.url)
    await send_due(evaluator.connection, senders, now + MINUTE)
    ended = await recovered(evaluator, device, now)
    await send_due(evaluator.connection, senders, ended)
    (alert,) = json.loads(hook.received[-1][1])["alerts"]
    assert (alert["resolved_value"], alert["metric_value"], alert["duration_seconds"]) == (7, 95, 420)
    assert alert["message"].startswith("High CPU on server-1: 7 now, was 95; ended ")
    assert alert["message"].endswith(f"{ended:%Y-%m-%d %H:%M} UTC after 7 min")


async def test_names_stay_in_their_line(evaluator: Evaluator, device: Device, hook: Hook) -> None:
    name = "web\nBcc: x\u202e\x1b[31m\u200b1"
    await evaluator.connection.execute("UPDATE agent_devices SET device_name = $2 WHERE id = $1", device.agent_id, name)
    await alerted(evaluator, device, hook.url)
    query = "SELECT alert_message FROM agent_alert_history WHERE agent_device_id = $1"
    assert "on web Bcc: x1:" in await evaluator.connection.fetchval(query, device.agent_id)


def test_mail_needs_a_server() -> None:
    with pytest.raises(SendError, match="RTS_SMTP_URL"):
        asyncio.run(Mail("", "rts@msp.example").send("a@b.example", Message("msg_1", None, "", "", {})))


def test_too_long_recipients_are_left_out() -> None:
    row = as_row_of("x" * 3000 + "@b.example", 5, None, {"a": 1}, "tess@msp.example")
    assert parse_recipients(row) == [("email", "tess@msp.example")]


def as_row_of(*recipients: Any) -> RuleRow:
    """Return a rule that tells these recipients."""
    rule = Rule(uuid4(), Scope(), parse_condition({"no_data_minutes": 5}))
    return RuleRow(rule, "x", "x", "info", False, False, True, [], list(recipients), None)


async def test_the_end_for_a_former_owner_names_that_owner(
    evaluator: Evaluator, device: Device, hook: Hook, senders: dict[str, Channel], bob: Tenant
) -> None:
    now = await alerted(evaluator, device, hook.url)
    await send_due(evaluator.connection, senders, now + MINUTE)
    query = "UPDATE agent_devices SET business_id = $2 WHERE id = $1"
    await evaluator.connection.execute(query, device.agent_id, bob.business_id)
    await evaluate(evaluator.connection, now + 2 * MINUTE)
    assert await send_due(evaluator.connection, senders, now + 3 * MINUTE) == 1
    (alert,) = json.loads(hook.received[-1][1])["alerts"]
    assert (alert["kind"], alert["business_name"]) == ("resolved", device.tenant.name)
    assert alert["business_id"] == str(device.tenant.business_id)
    assert alert["reason"] == "moved to another business"
