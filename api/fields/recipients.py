"""Recipients of notifications: web addresses and e-mail addresses, distinguished by their form."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from alerts.notify.addresses import is_mail_address
from alerts.notify.ssrf import Network, may_be_reached, parse_literal
from api.errors import InvalidRequestError
from api.fields.text import storable

Channel = Literal["webhook", "email"]
MAX_RECIPIENTS = 20

URL = re.compile(r"https?://[!-~]+")  # printable ASCII: other characters are written as %C3%A4


def channel_of(recipient: str) -> Channel:
    """Return `webhook` for a web address, `email` for any other recipient."""
    return "email" if "://" not in recipient else "webhook"


def reachable(recipient: str) -> str:
    """Return `recipient`; raises ValueError if it is neither a web address nor an e-mail address."""
    if is_mail_address(recipient):
        return recipient
    if not URL.fullmatch(recipient) or not has_host(recipient):
        raise ValueError("must be an e-mail address or a web address (http or https)")
    return recipient


def has_host(url: str) -> bool:
    """Return whether a web address names a host, and a port that can be one."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def refuse_internal(recipients: Sequence[str] | None, allowed: Sequence[Network]) -> None:
    """Raise InvalidRequestError for web addresses with an internal address; host names are checked at sending."""
    faults = [
        {"path": f"body.notification_recipients.{number}", "message": "leads to an internal address"}
        for number, recipient in enumerate(recipients or ())
        if channel_of(recipient) == "webhook" and is_refused(recipient, allowed)
    ]
    if faults:
        raise InvalidRequestError(details=faults)


def is_refused(url: str, allowed: Sequence[Network]) -> bool:
    """Return whether a web address names an address that webhooks may not reach."""
    literal = parse_literal(urlsplit(url).hostname or "")
    return literal is not None and not may_be_reached(literal, allowed)


def channels_of(recipients: list[str]) -> list[Channel]:
    """Return the channels that reach some recipients, each once."""
    return list(dict.fromkeys(map(channel_of, recipients)))


Recipient = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(storable), AfterValidator(reachable)
]
Recipients = Annotated[list[Recipient], Field(max_length=MAX_RECIPIENTS)]
Channels = Annotated[list[Channel], Field(max_length=10), AfterValidator(lambda names: list(dict.fromkeys(names)))]
