"""What one socket may hold and cost: before its sender is known, and afterwards."""

import asyncio
import base64
import json
import os
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from api.live.sockets import MAX_BYTES, MAX_BYTES_OF
from api.server.bounded_socket import CONTROL_FRAMES, FRAGMENTS, UNKNOWN_BYTES, BoundedWebSocket
from tests.devices import Device
from tests.people import Tenant
from tests.waiting import until

LONGER = 30.0
TEXT, CONTINUED, CLOSE, PING, PONG, FIN = 1, 0, 8, 9, 10, 0x80
SOCKET_IO = "/agent-ws/?EIO=4&transport=websocket"


class RawConnection:
    """A WebSocket by its bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int, target: str) -> "RawConnection":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET {target} HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LONGER)
        return cls(reader, writer)

    async def send(self, frames: bytes) -> None:
        with suppress(ConnectionError):  # what the server said before is still to be read
            self.writer.write(frames)
            await self.writer.drain()

    async def frame(self) -> tuple[int, bytes]:
        """Return the next frame: its opcode and content. Raises IncompleteReadError at the end."""
        first, length = await asyncio.wait_for(self.reader.readexactly(2), LONGER)
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 0x0F, await asyncio.wait_for(self.reader.readexactly(length), LONGER)

    async def closed(self) -> int | None:
        """Read to the end; return the code of the server's close, None when it gave none."""
        code = None
        try:
            while True:
                opcode, content = await self.frame()
                if opcode == CLOSE:
                    code = int.from_bytes(content[:2]) or None
        except (asyncio.IncompleteReadError, ConnectionError):
            return code

    async def message(self) -> dict[str, object]:
        """Return the next message; raises AssertionError when the server closes instead."""
        opcode = None
        while opcode != TEXT:
            opcode, content = await self.frame()
            assert opcode != CLOSE, content
        body: dict[str, object] = json.loads(content)
        return body


def frame(first: int, content: bytes = b"", length: int | None = None) -> bytes:
    """Return a frame of a client, masked with zeros; `length`: what it announces where that is not what it has."""
    size = len(content) if length is None else length
    if size < 126:
        head = bytes([first, 0x80 | size])
    elif size < 65_536:
        head = bytes([first, 0x80 | 126]) + struct.pack("!H", size)
    else:
        head = bytes([first, 0x80 | 127]) + struct.pack("!Q", size)
    return head + bytes(4) + content


OpenRawSocket = Callable[[str], Awaitable[RawConnection]]


@pytest.fixture
async def open_raw_socket(live_port: int) -> AsyncIterator[OpenRawSocket]:
    opened: list[RawConnection] = []

    async def open_one(target: str) -> RawConnection:
        opened.append(await RawConnection.open(live_port, target))
        return opened[-1]

    yield open_one
    for raw in opened:
        raw.writer.close()
        with suppress(ConnectionError):
            await raw.writer.wait_closed()


async def test_a_message_of_somebody_unknown_is_refused_at_its_head(open_raw_socket: OpenRawSocket) -> None:
    raw = await open_raw_socket(SOCKET_IO)
    await raw.send(frame(FIN | TEXT, length=UNKNOWN_BYTES + 1))
    assert await raw.closed() == 1009


async def test_fragments_of_somebody_unknown_do_not_add_up(open_raw_socket: OpenRawSocket) -> None:
    raw = await open_raw_socket(SOCKET_IO)
    await raw.send(frame(TEXT, b"x" * UNKNOWN_BYTES) + frame(CONTINUED, b"x"))
    assert await raw.closed() == 1009


async def test_an_agent_may_send_a_large_message_at_once_and_a_person_less_than_an_agent(
    open_raw_socket: OpenRawSocket, device: Device, alice: Tenant
) -> None:
    raw = await open_raw_socket(f"/ws?token={device.token}")
    text = json.dumps({"type": "ping", "x": "y" * (MAX_BYTES - 100)}).encode()
    await raw.send(frame(FIN | TEXT, text))
    while (await raw.message())["type"] != "pong":
        pass
    person = await open_raw_socket(f"/ws?token={alice.user_token}")
    await person.send(frame(FIN | TEXT, length=MAX_BYTES_OF[False] + 1))
    assert await person.closed() == 1009


async def test_fragments_without_content_end_the_connection(open_raw_socket: OpenRawSocket, device: Device) -> None:
    raw = await open_raw_socket(f"/ws?token={device.token}")
    await raw.send(frame(TEXT) + frame(CONTINUED) * FRAGMENTS)
    assert await raw.closed() == 1009


@pytest.mark.parametrize("opcode", [PING, PONG])
async def test_control_frames_without_end_end_the_connection(
    open_raw_socket: OpenRawSocket, device: Device, opcode: int
) -> None:
    raw = await open_raw_socket(f"/ws?token={device.token}")
    await raw.send(frame(FIN | opcode) * (CONTROL_FRAMES + 2))
    # A pong that nobody asked for counts like one that was.
    assert await raw.closed() == 1008


async def test_many_messages_in_one_piece_are_all_answered_in_order(
    open_raw_socket: OpenRawSocket, device: Device
) -> None:
    raw = await open_raw_socket(f"/ws?token={device.token}")
    number, answered = 400, list[object]()
    await raw.send(b"".join(frame(FIN | TEXT, json.dumps({"type": "ping", "id": n}).encode()) for n in range(number)))
    while len(answered) < number:
        message = await raw.message()
        if message["type"] == "pong":
            answered.append(message["id"])
    assert answered == list(range(number))


async def test_data_after_a_refusal_is_not_buffered(open_raw_socket: OpenRawSocket) -> None:
    raw = await open_raw_socket("/ws?token=nobody")
    for _ in range(40):
        await raw.send(frame(FIN | TEXT) * 20_000)
    assert await raw.closed() in (1008, 4401, None)  # none: the connection was cut while the refusal was on its way


async def test_a_connection_that_ends_is_forgotten(open_raw_socket: OpenRawSocket) -> None:
    raw = await open_raw_socket(SOCKET_IO)
    await raw.send(frame(TEXT, b"x" * 1000))
    raw.writer.close()
    await until(lambda: not BoundedWebSocket.unknown)


@pytest.mark.parametrize(
    "text",
    ["", "9", "x", "4", "49", "40{", "42[", "42{}", "451-[", "45999999-[]", "43[]", "40/other,", "4\ud83d", "44", "41",
     "6", "42" + "[" * 5000, "421e9[]", "4299999999999999999999[]"],
)  # fmt: skip
async def test_a_packet_that_is_none_ends_only_its_connection_without_a_traceback(
    open_raw_socket: OpenRawSocket, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    raw = await open_raw_socket(SOCKET_IO)
    await raw.send(frame(FIN | TEXT, text.encode(errors="surrogatepass")) + frame(FIN | CLOSE))
    await raw.closed()
    await until(lambda: not BoundedWebSocket.unknown)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
