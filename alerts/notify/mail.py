"""E-mails: plain text through an SMTP server, over TLS that is verified wherever a password is sent."""

import asyncio
import ssl
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

from alerts.notify.addresses import is_mail_address
from alerts.notify.channels import SEND_SECONDS, SendError
from alerts.notify.messages import Message

MAX_SUBJECT = 200


class Mail:
    """Sends through `smtp://user:password@host:587` (STARTTLS) or `smtps://…` (TLS from the first byte).

    With a password, a server without STARTTLS is refused; without one, TLS is used where the server offers it.
    Certificates are verified by `context`, by default with the certificate authorities of the system.
    """

    def __init__(self, url: str, sender: str, context: ssl.SSLContext | None = None) -> None:
        self._url = urlsplit(url)
        self._sender = sender
        self._context = context or ssl.create_default_context()

    async def send(self, recipient: str, message: Message) -> None:
        """Send one e-mail within SEND_SECONDS; raises SendError."""
        if not self._url.hostname:
            raise SendError("no mail server is set: RTS_SMTP_URL")
        if not is_mail_address(recipient):
            raise SendError("not an e-mail address, or not safe in a header", permanent=True)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._deliver(recipient, self._composed(recipient, message))
        except TimeoutError as error:
            raise SendError(f"no answer from the mail server in {SEND_SECONDS:g} s") from error
        except ssl.SSLError as error:
            raise SendError(f"the mail server's certificate is not accepted: {error}") from error
        except (OSError, aiosmtplib.SMTPException, ValueError) as error:
            raise SendError(f"the mail server refused: {error!r}") from error

    def _composed(self, recipient: str, message: Message) -> EmailMessage:
        """Return the e-mail; the recipient has been checked, so a header can't raise on it."""
        mail = EmailMessage()
        mail["From"], mail["To"] = self._sender, recipient
        mail["Subject"] = " ".join(message.subject.split())[:MAX_SUBJECT]
        mail.set_content(message.text)
        return mail

    async def _deliver(self, recipient: str, mail: EmailMessage) -> None:
        secure, user = self._url.scheme == "smtps", self._url.username
        server = aiosmtplib.SMTP(
            hostname=self._url.hostname, port=self._url.port or (465 if secure else 25), timeout=SEND_SECONDS,
            use_tls=secure, start_tls=False, tls_context=self._context,
        )  # fmt: skip
        async with server:
            if not secure:
                await self._start_tls(server, required=user is not None)
            if user:
                await server.login(unquote(user), unquote(self._url.password or ""))
            await server.send_message(mail, sender=self._sender, recipients=[recipient])

    async def _start_tls(self, server: aiosmtplib.SMTP, *, required: bool) -> None:
        await server.ehlo()
        if server.supports_extension("starttls"):
            await server.starttls(tls_context=self._context)
        elif required:
            raise SendError("RTS_SMTP_URL has a password, but the mail server offers no STARTTLS: nothing was sent")
