"""How a message leaves: a signed webhook, an e-mail. Each raises SendError with a reason that people understand."""

import asyncio
import hashlib
import hmac
import smtplib
import ssl
from email.message import EmailMessage
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import httpx
import msgspec

TIMEOUT_SECONDS = 10.0


class SendError(Exception):
    """A message couldn't be sent; the text says why."""


class Sender(Protocol):
    """Sends one message to one recipient."""

    async def send(self, recipient: str, subject: str, content: dict[str, Any], text: str) -> None:
        """Send; raises SendError."""
        ...


class Webhook:
    """POSTs JSON, signed: `RTS-Signature: t=<unix time>,v1=<HMAC-SHA256 of "<t>.<body>" in hex>`."""

    def __init__(self, secret: str, clock: Any) -> None:
        self._secret = secret.encode()
        self._clock = clock

    async def send(self, recipient: str, subject: str, content: dict[str, Any], text: str) -> None:
        """POST the content; anything but a 2xx is a failure. Redirects are not followed."""
        del subject, text
        body = msgspec.json.encode(content)
        headers = {"Content-Type": "application/json", "User-Agent": "rts-agents"}
        if self._secret:
            headers["RTS-Signature"] = sign(self._secret, int(self._clock().timestamp()), body)
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
                answer = await client.post(recipient, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise SendError(f"no answer from the webhook: {error!r}") from error
        if not answer.is_success:
            raise SendError(f"the webhook answered {answer.status_code}")


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
