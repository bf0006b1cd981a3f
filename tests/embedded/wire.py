"""A raw client of the wire protocol, for what drivers never do."""

import socket
import struct
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit


def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def query(sql: str) -> bytes:
    return message("Q", sql.encode() + b"\0")


def startup(parameters: dict[str, str] | None = None, *, version: int = 196608) -> bytes:
    pairs = {"user": "anyone", "database": "anything"} | (parameters or {})
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in pairs.items()) + b"\0"
    return struct.pack("!ii", len(body) + 8, version) + body


class RawClient:
    """A socket that has, unless `login` is False, been through the start of a session."""

    def __init__(self, dsn: str, *, login: bool = True, **parameters: str) -> None:
        url = urlsplit(dsn)
        assert url.hostname is not None
        assert url.password is not None
        self.socket = socket.create_connection((url.hostname, url.port or 5432), timeout=20)
        self.password = unquote(url.password)
        self._buffer = b""
        if login:
            self.send(startup(parameters))
            assert self.receive()[0] == "R"
            self.send(message("p", self.password.encode() + b"\0"))
            self.greeting = self.until_ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> tuple[str, bytes]:
        """The next message as type and body; type '' at the end of the stream."""
        while len(self._buffer) < 5 or len(self._buffer) < 1 + struct.unpack_from("!i", self._buffer, 1)[0]:
            chunk = self.socket.recv(1 << 20)
            if not chunk:
                return "", self._buffer
            self._buffer += chunk
        end = 1 + struct.unpack_from("!i", self._buffer, 1)[0]
        kind, body = chr(self._buffer[0]), self._buffer[5:end]
        self._buffer = self._buffer[end:]
        return kind, body

    def until_ready(self) -> list[tuple[str, bytes]]:
        """All messages up to and with ReadyForQuery or the end of the stream."""
        messages = [self.receive()]
        while messages[-1][0] not in ("Z", ""):
            messages.append(self.receive())
        return messages

    def ask(self, sql: str) -> list[tuple[str, bytes]]:
        self.send(query(sql))
        return self.until_ready()


def kinds(messages: list[tuple[str, bytes]]) -> str:
    return "".join(kind for kind, _ in messages)


def error_code(messages: list[tuple[str, bytes]]) -> str:
    """SQLSTATE of the first ErrorResponse."""
    body = next(body for kind, body in messages if kind == "E")
    return next(part[1:].decode() for part in body.split(b"\0") if part.startswith(b"C"))


def row_values(messages: list[tuple[str, bytes]]) -> list[str]:
    """The first column of each row as text."""
    rows = [body for kind, body in messages if kind == "D"]
    return [row[6 : 6 + struct.unpack_from("!i", row, 2)[0]].decode() for row in rows]
