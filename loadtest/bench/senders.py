"""Connections that send requests made beforehand, as fast as the answers come."""

import asyncio
from collections.abc import Sequence

# An answer is a small receipt.
MAX_BYTES = 1024 * 1024


class UploadRefusedError(RuntimeError):
    """The server answered something else than 200."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


async def send(port: int, requests: Sequence[bytes], connections: int) -> list[bytes]:
    """Send all requests over some connections, return the answers' bodies; raises RefusedError unless all are 200."""
    waiting = list(reversed(requests))
    bodies: list[bytes] = []

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=MAX_BYTES)
        while waiting:
            bodies.append(await exchange(reader, writer, waiting.pop()))
        writer.close()

    await asyncio.gather(*(one_connection() for _ in range(min(connections, len(requests)))))
    return bodies


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """Send one request and return the answer's body; raises RefusedError unless it is 200."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    status = int(head.split()[1])
    if status != 200:
        raise UploadRefusedError(status, body.decode())
    return body
