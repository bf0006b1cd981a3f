"""A connection on which a test writes requests byte by byte, and the requests of uploads."""

import asyncio
import json
from typing import Any

import pytest

from tests.devices import Device, sample

LONGER = 20.0  # far beyond every bound: a test that waits so long has failed


class RawConnection:
    """A connection on which a test writes requests byte by byte and reads answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "RawConnection":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    async def answer(self) -> tuple[int, dict[bytes, bytes], Any]:
        """Return status, headers and JSON of the next answer."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), LONGER)
        line, *lines = head[:-4].split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in lines)
        body = await asyncio.wait_for(self.reader.readexactly(int(headers[b"content-length"])), LONGER)
        return int(line.split()[1]), headers, json.loads(body)

    async def closed(self) -> bool:
        return await asyncio.wait_for(self.reader.read(1), LONGER) == b""


def head_of(device: Device, *lines: str, token: str | None = None) -> bytes:
    path = f"/api/agents/{device.agent_id}/metrics"
    given = (f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token or device.token}", *lines)
    return "\r\n".join((*given, "", "")).encode()


def body_of(*samples: dict[str, Any]) -> bytes:
    return json.dumps({"metrics": samples or (sample(cpu_percent=1),)}).encode()


def length_of(body: bytes) -> str:
    return f"Content-Length: {len(body)}"


def record_calls(monkeypatch: pytest.MonkeyPatch, owner: type, method: str) -> list[bytes]:
    """Return a list that gets the bytes which each call of a method is given; the method still runs."""
    given: list[bytes] = []
    original = getattr(owner, method)

    def note(instance: object, data: bytes) -> None:
        given.append(data)
        original(instance, data)

    monkeypatch.setattr(owner, method, note)
    return given
