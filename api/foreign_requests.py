"""Reads the parts of another agent's request besides its body: format of the answer, token, query."""

import base64
import re
from urllib.parse import parse_qs

from api.foreign_paths import Call
from api.server.asgi import Scope
from core.errors import UnauthorizedError
from protocols.answers import Protocol
from protocols.errors import UnsupportedUploadError

SPAN = re.compile(r"([0-9]{1,9})([smh])")
SPAN_UNITS = {"s": 1, "m": 60, "h": 3600}
MAX_EVERY_SECONDS = 3600


def choose_protocol(call: Call, media_type: bytes) -> Protocol:
    """Return the protocol in which a request is answered."""
    if call in (Call.OTLP, Call.OTLP_OTHER):
        return Protocol.OTLP
    if call is Call.REMOTE_WRITE:
        return Protocol.REMOTE_WRITE_2 if b"io.prometheus.write.v2" in media_type else Protocol.REMOTE_WRITE_1
    return Protocol.COLLECTD if call is Call.COLLECTD else Protocol.INFLUX


def parse_query(scope: Scope) -> dict[str, str]:
    """Return the query parameters, of each name the first value."""
    return {name: values[0] for name, values in parse_qs(scope.get("query_string", b"").decode("latin-1")).items()}


def read_token(header: bytes, query: dict[str, str], call: Call) -> str:
    """Return the agent's token: as Bearer, as Token, as the password of Basic, or `p` of Influx v1.

    Raises UnauthorizedError.
    """
    scheme, _, value = header.decode("latin-1").partition(" ")
    value = value.strip()
    if scheme.lower() in ("bearer", "token") and value:
        return value
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except ValueError:  # no Base64, or not ASCII, or no UTF-8 inside
            raise UnauthorizedError from None
    if call in (Call.INFLUX_WRITE, Call.INFLUX_WRITE_3) and query.get("p"):
        return query["p"]
    raise UnauthorizedError


def parse_every(query: dict[str, str]) -> int:
    """Return `every` (30s, 5m, 1h) in microseconds, 0 without one; raises UnsupportedUploadError."""
    text = query.get("every", "")
    if not text:
        return 0
    span = SPAN.fullmatch(text)
    seconds = int(span[1]) * SPAN_UNITS[span[2]] if span else 0
    if not 0 < seconds <= MAX_EVERY_SECONDS:
        raise UnsupportedUploadError("`every` must be a time span up to 1h, such as 30s or 5m.")
    return seconds * 1_000_000
