"""Headers for browsers: security headers on every answer of the API, and CORS for the configured origins."""

from collections.abc import MutableMapping
from typing import Any

from api.server.asgi import Scope, Send

METHODS = b"GET, POST, PUT, PATCH, DELETE"
ALLOWED_HEADERS = b"authorization, content-type, if-none-match, x-rts-request"
EXPOSED_HEADERS = b"etag, retry-after"
PREFLIGHT_SECONDS = b"600"
HSTS = (b"strict-transport-security", b"max-age=31536000")
DEFAULTS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),  # an answer may hold a token, and always holds somebody's data
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)

Headers = list[tuple[bytes, bytes]]


class BrowserHeaders:
    """Adds headers to the answers of one server."""

    def __init__(self, origins: tuple[str, ...], *, over_tls: bool) -> None:
        """`origins`: of pages elsewhere that may call the API; `over_tls`: RTS_PUBLIC_URL is https."""
        self._origins = frozenset(origin.encode() for origin in origins)
        self._defaults = (*DEFAULTS, HSTS) if over_tls else DEFAULTS

    def sending(self, scope: Scope, send: Send) -> Send:
        """Return `send` with the headers; an answer's own header of the same name wins."""
        cors = self._cors(scope)

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers: Headers = list(message.get("headers", ()))
                names = {name.lower() for name, _ in headers}
                headers += [pair for pair in self._defaults if pair[0] not in names]
                message = {**message, "headers": headers + cors}
            await send(message)

        return send_with_headers

    async def preflight(self, scope: Scope, send: Send) -> bool:
        """Answer a preflight request of a browser; return whether the request was one."""
        is_preflight = scope["method"] == "OPTIONS" and read_origin(scope) in self._origins
        if not is_preflight or read_header(scope, b"access-control-request-method") is None:
            return False
        headers = [
            (b"access-control-allow-methods", METHODS), (b"access-control-allow-headers", ALLOWED_HEADERS),
            (b"access-control-max-age", PREFLIGHT_SECONDS), *self._cors(scope),
        ]  # fmt: skip
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return True

    def _cors(self, scope: Scope) -> Headers:
        """Return the headers for a configured origin, without credentials: cookies of other origins are refused."""
        if not self._origins:
            return []
        vary = (b"vary", b"Origin")
        origin = read_origin(scope)
        if origin not in self._origins:
            return [vary]
        return [vary, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED_HEADERS)]


def read_origin(scope: Scope) -> bytes:
    """Return the header Origin; empty without one."""
    return read_header(scope, b"origin") or b""


def read_header(scope: Scope, name: bytes) -> bytes | None:
    """Return a header of a request by its name in lower case."""
    return next((bytes(value) for key, value in scope["headers"] if key == name), None)
