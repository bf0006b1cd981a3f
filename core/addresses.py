"""Addresses of callers as the database takes them."""

from ipaddress import ip_address


def parse_address(text: str) -> str | None:
    """Return an address as the database takes it; None for what is none, as a Unix socket's or a proxy's `unknown`."""
    try:
        return str(ip_address(text))
    except ValueError:
        return None
