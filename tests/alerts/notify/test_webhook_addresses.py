"""Webhooks go to the internet and to allowed networks: to the address that was checked, whatever a name says then."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from pydantic import ValidationError

from alerts.notify.channels import SendError
from alerts.notify.messages import Message
from alerts.notify.sending import send_due
from alerts.notify.ssrf import Address, is_internal, may_be_reached, parse_literal
from alerts.notify.webhook import Webhook
from core.clock import utc_now
from core.settings import Settings, parse_networks
from tests.alerts.notify.test_notifications import Hook, alerted, device, hook
from tests.alerts.scenarios import MINUTE
from tests.alerts.state.test_evaluate import Evaluator, connection, evaluator
from tests.devices import Device

__all__ = ["connection", "device", "evaluator", "hook"]  # fixtures
HERE = parse_networks("127.0.0.0/8")


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.0.1",
        "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "fe80::1", "fc00::1",
        "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:1::", "127.1", "2130706433", "0x7f.1",
    ],
)  # fmt: skip
def test_an_address_that_only_the_server_reaches_is_internal(text: str) -> None:
    literal = parse_literal(text)
    assert literal
    assert is_internal(literal)


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
)
def test_an_address_of_the_internet_is_none(text: str) -> None:
    assert not is_internal(ip_address(text))


def test_networks_that_are_allowed_may_be_reached_in_either_notation() -> None:
    allowed = parse_networks("10.20.0.0/16, fd00::/8")
    for text, reached in (
        ("10.20.1.1", True), ("::ffff:10.20.1.1", True), ("10.21.0.1", False), ("fd12::1", True), ("fe80::1", False),
    ):  # fmt: skip
        assert may_be_reached(ip_address(text), allowed) is reached


@pytest.mark.parametrize("text", ["10.20.0.1/16", "everything", "10.0.0.0/33"])
def test_an_invalid_network_is_refused_at_start(text: str) -> None:
    with pytest.raises(ValidationError, match="webhook_networks"):
        Settings(webhook_networks=text)


class Names:
    """A name server whose answers change with each question."""

    def __init__(self, *answers: str) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    async def look_up(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        return [ip_address(part) for part in self._answers.pop(0).split()]


async def send(webhook: Webhook, url: str) -> None:
    await webhook.send(url, Message("msg_1", None, "", "", {"alerts": []}))


async def test_a_name_is_looked_up_once_and_who_was_checked_is_reached(hook: Hook) -> None:
    names = Names("10.0.0.1 127.0.0.1", "169.254.169.254")
    url = hook.url.replace("127.0.0.1", "hooks.example")
    await send(Webhook("", utc_now, HERE, names.look_up), url)
    assert names.asked == ["hooks.example"]
    [(headers, _)] = hook.received
    assert headers["host"] == url.split("/")[2]


async def test_the_next_address_is_tried_where_one_takes_no_connection(hook: Hook) -> None:
    names = Names("127.0.0.2 127.0.0.1")  # the hook listens on 127.0.0.1 only
    await send(Webhook("", utc_now, HERE, names.look_up), hook.url.replace("127.0.0.1", "hooks.example"))
    assert len(hook.received) == 1


@pytest.mark.parametrize("host", ["hooks.example", "localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "127.1"])
async def test_an_internal_address_is_not_reached_by_any_name(hook: Hook, host: str) -> None:
    url = hook.url.replace("127.0.0.1", host)
    webhook = Webhook("", utc_now)
    if host == "hooks.example":
        webhook = Webhook("", utc_now, (), Names("127.0.0.1 10.0.0.1").look_up)
    with pytest.raises(SendError, match=r"resolves to .*, an internal address that is not in RTS_WEBHOOK_NETWORKS"):
        await send(webhook, url)
    assert hook.received == []


async def test_why_it_was_not_sent_is_kept(evaluator: Evaluator, device: Device, hook: Hook) -> None:
    now = await alerted(evaluator, device, hook.url)
    assert await send_due(evaluator.connection, {"webhook": Webhook("", utc_now)}, now + MINUTE) == 0
    query = "SELECT last_error FROM agent_alert_notifications WHERE due_at IS NOT NULL"
    fault = "the webhook resolves to 127.0.0.1, an internal address that is not in RTS_WEBHOOK_NETWORKS"
    assert await evaluator.connection.fetchval(query) == fault
    assert hook.received == []


@asynccontextmanager
async def serve_tls(hook: Hook, directory: Path, name: str) -> AsyncIterator[int]:
    """Serve a hook with a certificate of a name; yields its port."""
    files = [str(directory / "cert.pem"), str(directory / "key.pem")]
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-out", files[0], "-keyout"]
    await asyncio.to_thread(subprocess.run, [*command, files[1], *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    server = await asyncio.start_server(hook.serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
async def test_the_certificate_must_be_that_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = Hook()
    async with serve_tls(hook, tmp_path, "hooks.example") as port:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        webhook = Webhook("", utc_now, HERE, Names("127.0.0.1", "127.0.0.1").look_up)
        await send(webhook, f"https://hooks.example:{port}/alerts")
        assert len(hook.received) == 1
        with pytest.raises(SendError, match="CERTIFICATE_VERIFY_FAILED"):
            await send(webhook, f"https://other.example:{port}/alerts")
        assert len(hook.received) == 1
