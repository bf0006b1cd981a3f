"""Calls over HTTP as agents make them, through Locust's client, so that Locust's page and report show them too."""

import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import gevent.socket
import orjson
from locust.contrib.fasthttp import FastHttpSession

# A connection is idle for a minute between two uploads, longer than servers keep it: agents connect again each time.
CLOSE = {"Connection": "close"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status 0 when nothing did, with the reason in `code`."""

    status: int
    code: str = ""
    retry_after: float = 0.0
    content: Any = None

    @property
    def text(self) -> str:
        """Status and code: `503 ingest_busy`."""
        return f"{self.status} {self.code}".strip()


def call(
    session: FastHttpSession,
    method: str,
    path: str,
    name: str,
    headers: dict[str, str],
    body: Any,
    late: float,
) -> Answer:
    """Make a call; Locust's statistics get its time from the slot: `late` seconds more than from the sending."""
    with session.request(
        method,
        path,
        name=name,
        data=body,
        headers=headers | CLOSE,
        catch_response=True,
    ) as response:
        answer = read(response)
        response.request_meta["response_time"] += 1000 * late
        if answer.status == 200:
            response.success()
        else:
            response.failure(answer.text)
    return answer


def read(response: Any) -> Answer:
    """Return the content of a response of Locust's client; never raises."""
    if not response.status_code:
        return Answer(0, type(getattr(response.error, "original", None) or response.error).__name__)
    try:
        content = orjson.loads(response.content or b"null")
    except (ValueError, OSError):
        content = None
    error = content.get("error") if isinstance(content, dict) else None
    code = error["code"] if error else "" if response.status_code == 200 else "not ours"
    if response.status_code == 200 and content is None:
        return Answer(0, "unreadable")
    return Answer(response.status_code, code, float(response.headers.get("Retry-After") or 0), content)


def send_and_hang_up(host: str, path: str, headers: dict[str, str], body: bytes, wait: float | None) -> None:
    """Send an upload and don't read the answer: hang up after `wait` seconds, or (None) when it begins to arrive."""
    address = urlsplit(host)
    lines = [f"POST {path} HTTP/1.1", f"Host: {address.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode()
    try:
        with gevent.socket.create_connection((address.hostname, address.port or 80), timeout=30) as line:
            line.sendall(head + body)
            if wait is None:
                line.recv(1, socket.MSG_PEEK)
            else:
                gevent.sleep(wait)
    except OSError:
        return  # the client must not learn whether it arrived
