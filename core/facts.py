"""Facts that a device reports about its machine: host name, system, addresses; each cleaned, null if not storable."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from core.text import clean_name

LONGEST, SHORT = 255, 64  # characters


@dataclass(frozen=True, slots=True)
class Facts:
    """An agent's data about its machine, which may have changed; None: not sent."""

    hostname: str | None = None
    os_version: str | None = None
    os_architecture: str | None = None
    ip_address: str | None = None
    mac_address: str | None = None


NONE = Facts()


def clean_fact(value: Any, most: int) -> Any:
    """Return a text about a machine without invisible characters, cut to `most`; blank is null."""
    return (clean_name(value)[:most].strip() or None) if isinstance(value, str) else value


def clean_address(value: Any) -> str | None:
    """Return an IP address as text; None if `value` is not an IP address."""
    try:
        return str(ip_address(value.partition("%")[0].strip())) if isinstance(value, str) else None
    except ValueError:
        return None


def read_facts(
    hostname: Any = None,
    os_version: Any = None,
    os_architecture: Any = None,
    ip_address: Any = None,
    mac_address: Any = None,
) -> Facts | None:
    """Return facts from values of any type; None if none of them can be stored."""
    facts = Facts(
        text_or_none(hostname, LONGEST), text_or_none(os_version, LONGEST), text_or_none(os_architecture, SHORT),
        clean_address(ip_address), text_or_none(mac_address, SHORT),
    )  # fmt: skip
    return None if facts == NONE else facts


def text_or_none(value: Any, most: int) -> str | None:
    """Return a text of at most `most` characters, cleaned; None if `value` is not a text."""
    return clean_fact(value, most) if isinstance(value, str) else None
