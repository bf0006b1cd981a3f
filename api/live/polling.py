"""Long polling of Socket.IO is not supported, because sessions are not sticky; clients get an error with the reason.

A client with default transports begins with a poll. It gets a session that ends at once, and in the same answer the
error of its connection, which its library hands to the application as `connect_error`.
"""

import json
from secrets import token_hex
from urllib.parse import parse_qs

from api.server.asgi import Scope, Send

MESSAGE = "This server supports Socket.IO over WebSocket only: connect with transports: ['websocket']."
SEPARATOR = "\x1e"  # between the packets of one poll (Engine.IO 4)
CLOSE = "1"


async def refuse_polling(scope: Scope, send: Send) -> None:
    """Answer any request of the polling transport without reading its body."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    opens = scope["method"] == "GET" and "sid" not in query
    body = (first_poll() if opens else CLOSE).encode()
    status = 200 if query.get("EIO") == ["4"] else 400
    if status == 400:
        error = {"code": "websocket_only", "message": MESSAGE, "details": None}
        body = json.dumps({"error": error}).encode()
    headers = [
        (b"content-type", b"text/plain; charset=UTF-8" if status == 200 else b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def first_poll() -> str:
    """Return an opened session and the refusal of its connection."""
    opened = {"sid": token_hex(10), "upgrades": [], "pingInterval": 20_000, "pingTimeout": 20_000, "maxPayload": 1000}
    refusal = {"message": MESSAGE, "data": {"code": "websocket_only", "message": MESSAGE}}
    return f"0{json.dumps(opened)}{SEPARATOR}44{json.dumps(refusal)}"
