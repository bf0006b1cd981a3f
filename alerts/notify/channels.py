"""How a message leaves: a signed webhook, an e-mail. Each raises SendError with a reason that people understand."""

import asyncio
import hashlib
import hmac
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import httpx
import msgspec

from alerts.notify.ssrf import InternalAddressError, LookUp, Network, addresses_to_use, look_up

TIMEOUT_SECONDS = 10.0
MOST_ADDRESSES = 3  # of a host, tried one after the other


class SendError(Exception):
    """A message couldn't be sent; the text says why."""


class Sender(Protocol):
    """Sends one message to one recipient."""

    async def send(self, recipient: str, subject: str, content: dict[str, Any], text: str) -> None:
        """Send; raises SendError."""
        ...


class Webhook:
    """POSTs JSON, signed: `RTS-Signature: t=<unix time>,v1=<HMAC-SHA256 of "<t>.<body>" in hex>`.

    It goes to the internet, and to those internal networks that are `allowed`.
    """

    def __init__(self, secret: str, clock: Any, allowed: Sequence[Network] = (), look_up: LookUp = look_up) -> None:
        self._secret = secret.encode()
        self._clock = clock
        self._allowed = allowed
        self._look_up = look_up

    async def send(self, recipient: str, subject: str, content: dict[str, Any], text: str) -> None:
        """POST the content; anything but a 2xx is a failure. Redirects are not followed."""
        del subject, text
        body = msgspec.json.encode(content)
        headers = {"Content-Type": "application/json", "User-Agent": "rts-agents"}
        if self._secret:
            headers["RTS-Signature"] = sign(self._secret, int(self._clock().timestamp()), body)
        try:
            answer = await self._post(httpx.URL(recipient), body, headers)
        except InternalAddressError as error:
            raise SendError(f"the webhook leads to {error}: internal, and not in RTS_WEBHOOK_NETWORKS") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise SendError(f"no answer from the webhook: {error!r}") from error
        if not answer.is_success:
            raise SendError(f"the webhook answered {answer.status_code}")

    async def _post(self, url: httpx.URL, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """POST to the first address of the host that takes a connection, which is asked for the URL's host."""
        host, port = url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            addresses = await addresses_to_use(self._look_up, host, port, self._allowed)
        named = headers | {"Host": url.netloc.decode("ascii")}
        # A transport of its own: a proxy of the environment would look the name up again.
        transport = httpx.AsyncHTTPTransport()
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, transport=transport) as client:
            for address in addresses[:MOST_ADDRESSES]:
                there = url.copy_with(host=str(address))
                try:
                    return await client.post(there, content=body, headers=named, extensions={"sni_hostname": host})
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    refused = error
        raise refused


class Mail:
    """Sends plain text through an SMTP server: `smtp://user:password@host:587`, `smtps://…` for TLS from the start."""

    def __init__(self, url: str, sender: str) -> None:
        self._url = urlsplit(url)
        self._sender = sender

    async def send(self, recipient: str, subject: str, content: dict[str, Any], text: str) -> None:
        """Send one e-mail."""
        del content
        if not self._url.hostname:
            raise SendError("no mail server is set: RTS_SMTP_URL")
        message = EmailMessage()
        message["From"], message["To"] = self._sender, recipient
        message["Subject"] = " ".join(subject.split())[:200]
        message.set_content(text)
        try:
            await asyncio.to_thread(self._deliver, message)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise SendError(f"the mail server refused: {error!r}") from error

    def _deliver(self, message: EmailMessage) -> None:
        secure = self._url.scheme == "smtps"
        kind = smtplib.SMTP_SSL if secure else smtplib.SMTP
        with kind(self._url.hostname or "", self._url.port or 0, timeout=TIMEOUT_SECONDS) as server:
            if not secure and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
            if self._url.username:
                server.login(unquote(self._url.username), unquote(self._url.password or ""))
            server.send_message(message)


def sign(secret: bytes, time: int, body: bytes) -> str:
    """Return the signature of a webhook's body at a time (Unix seconds)."""
    digest = hmac.new(secret, f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={time},v1={digest}"
