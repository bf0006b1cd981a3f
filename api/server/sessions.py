"""Browser sessions: a cookie in place of the `Authorization` header, with protection against other sites.

The cookie holds the platform token itself, so a server keeps no session and every process accepts it. A browser also
sends a cookie with requests that another site triggers. A changing call by cookie therefore needs a header that a form
of another site cannot set, and a socket by cookie needs the `Origin` of this server.
"""

import ipaddress
from typing import ClassVar
from urllib.parse import urlsplit

from api.server.asgi import Scope
from core.errors import RtsError

COOKIE = "rts_session"
REQUEST_HEADER = b"x-rts-request"
READING = frozenset({"GET", "HEAD", "OPTIONS"})


class CrossSiteError(RtsError):
    """A call with a cookie that changes data requires X-RTS-Request: 1, and from a browser this server's Origin."""

    code: ClassVar[str] = "cross_site"
    status: ClassVar[int] = 403


def with_session(scope: Scope, public_url: str) -> Scope:
    """Return the scope with the cookie's token as its `Authorization`; unchanged when it has one, or no cookie.

    Raises CrossSiteError for a call that another site may have caused.
    """
    headers = headers_by_name(scope)
    token = None if b"authorization" in headers or names_token(scope) else read_cookie(headers)
    if token is None:
        return scope
    if scope["type"] == "websocket":
        if not is_own_origin(headers, public_url, required=True):
            raise CrossSiteError
    elif scope["method"] not in READING:
        check_changing(headers, public_url)
    return {**scope, "headers": [*scope["headers"], (b"authorization", b"Bearer " + token.encode("latin-1"))]}


def check_changing(headers: dict[bytes, bytes], public_url: str) -> None:
    """Raise CrossSiteError unless a changing call comes from our own pages."""
    if headers.get(REQUEST_HEADER) != b"1" or not is_own_origin(headers, public_url, required=False):
        raise CrossSiteError


def is_own_origin(headers: dict[bytes, bytes], public_url: str, *, required: bool) -> bool:
    """Return whether `Origin` is the host that was asked or that of RTS_PUBLIC_URL; `required`: it must be there."""
    origin = headers.get(b"origin")
    if origin is None:
        return not required
    host = parse_host(origin.decode("latin-1"))
    return host is not None and host in (headers.get(b"host", b"").decode("latin-1").lower(), parse_host(public_url))


def is_loopback(host: str) -> bool:
    """Return whether a host, with or without a port, is this machine by name or address."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def headers_by_name(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers by name; the last of several with one name."""
    return dict(scope["headers"])


def read_cookie(headers: dict[bytes, bytes]) -> str | None:
    """Return the session's token; None without a cookie. Cookies of other programs may have any form."""
    for pair in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE and value.strip('"'):
            return value.strip('"')
    return None


def names_token(scope: Scope) -> bool:
    """Return whether a socket names its token in the address: such a socket needs no cookie."""
    return scope["type"] == "websocket" and b"token=" in scope.get("query_string", b"")


def parse_host(url: str) -> str | None:
    """Return host and port of an origin in lower case; None for `null` and the like."""
    try:
        return urlsplit(url).netloc.lower() or None
    except ValueError:
        return None
