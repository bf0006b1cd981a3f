"""E-mail over real SMTP servers: no password without TLS, no certificate of another name."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from alerts.notify.channels import SendError
from alerts.notify.mail import Mail
from alerts.notify.messages import Message
from tests.whole.processes import free_port

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
MESSAGE = Message("msg_1", None, "[warning] High CPU", "High CPU on server-1", {})


class Server:
    """What an SMTP server has seen."""

    def __init__(self) -> None:
        self.passwords: list[tuple[bytes, bool]] = []
        self.over_tls: list[bool] = []

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        self.over_tls.append(session.ssl is not None)
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.passwords.append((data.password, session.ssl is not None))
        return AuthResult(success=True)


def certificate(directory: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server with a certificate of a name, and of a client that trusts its maker."""
    files = [str(directory / "cert.pem"), str(directory / "key.pem")]
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={'IP' if name[0].isdigit() else 'DNS'}:{name}"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-out", files[0], "-keyout"]
    subprocess.run([*command, files[1], *subject], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*files)
    return server, ssl.create_default_context(cafile=files[0])


@contextmanager
def serving(context: ssl.SSLContext | None, *, from_the_start: bool = False) -> Iterator[tuple[Server, int]]:
    """Run a server with AUTH, and STARTTLS where there is a context."""
    seen, port = Server(), free_port()
    more: dict[str, Any] = {"ssl_context": context} if from_the_start else {"tls_context": context}
    controller = Controller(
        seen, hostname="127.0.0.1", port=port, authenticator=seen.authenticate, auth_require_tls=False, **more
    )
    controller.start()
    try:
        yield seen, port
    finally:
        controller.stop()


async def test_the_password_goes_over_starttls(tmp_path: Path) -> None:
    context, trusting = certificate(tmp_path, "127.0.0.1")
    with serving(context) as (seen, port):
        await Mail(f"smtp://u:p%40ss@127.0.0.1:{port}", "rts@msp.example", trusting).send("t@msp.example", MESSAGE)
    assert (seen.passwords, seen.over_tls) == ([(b"p@ss", True)], [True])


async def test_a_server_without_starttls_gets_no_password() -> None:
    with serving(None) as (seen, port):
        with pytest.raises(SendError, match="no STARTTLS"):
            await Mail(f"smtp://u:p@127.0.0.1:{port}", "rts@msp.example").send("t@msp.example", MESSAGE)
        await Mail(f"smtp://127.0.0.1:{port}", "rts@msp.example").send("t@msp.example", MESSAGE)
    assert (seen.passwords, seen.over_tls) == ([], [False])


@pytest.mark.parametrize("from_the_start", [True, False])
@pytest.mark.parametrize("name", ["127.0.0.1", "evil.example"])
async def test_a_certificate_that_isnt_trusted_gets_nothing(tmp_path: Path, from_the_start: bool, name: str) -> None:
    context, trusting = certificate(tmp_path, name)
    scheme = "smtps" if from_the_start else "smtp"
    client = trusting if name == "evil.example" else None  # trusted, but of another name; or nobody's
    with serving(context, from_the_start=from_the_start) as (seen, port), pytest.raises(SendError, match="certificate"):
        await Mail(f"{scheme}://u:p@127.0.0.1:{port}", "rts@msp.example", client).send("t@msp.example", MESSAGE)
    assert (seen.passwords, seen.over_tls) == ([], [])
