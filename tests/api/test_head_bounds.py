"""Connections that do not say what they want: closed in time, bounded in size, whether they are silent or endless."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from api.server import bounded
from api.server.bounded import HEAD_BYTES, HEADERS, BoundedProtocol
from tests.serving import serving

HEAD_SECONDS = 0.5
LONGER = 20.0


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer at once for /early and /long, after the whole body elsewhere."""
    more = scope["path"] == "/"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
    body = b"x" * (50_000_000 if scope["path"] == "/long" else 2)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(BoundedProtocol, "head_seconds", HEAD_SECONDS)
    monkeypatch.setattr(bounded, "LINGER_SECONDS", HEAD_SECONDS)
    monkeypatch.setattr(bounded, "WRITE_SECONDS", HEAD_SECONDS)
    async with serving(echo, timeout_keep_alive=1) as chosen:
        yield chosen


async def open_to(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def taken_until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """Send up to 130 MB of one piece; return how many bytes went out before the server closed."""
    for number in range(2_000):
        try:
            writer.write(b"y" * 65_536)
            await writer.drain()
        except ConnectionError:
            return number * 65_536
    return 2_000 * 65_536


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Read until the server has closed; a reset does not take back what came before it."""
    received = b""
    with suppress(ConnectionResetError):
        async with asyncio.timeout(LONGER):
            while part := await reader.read(65_536):
                received += part
    return received


async def test_a_silent_connection_is_closed(port: int) -> None:
    reader, writer = await open_to(port)
    assert await rest(reader) == b""
    writer.close()


@pytest.mark.parametrize("start", ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n"])
async def test_half_a_head_is_told_so_and_closed(port: int, start: str) -> None:
    reader, writer = await open_to(port)
    writer.write(start.encode())
    assert (await rest(reader)).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_head_that_comes_byte_by_byte_has_no_more_time(port: int) -> None:
    reader, writer = await open_to(port)

    async def drip() -> None:
        for byte in b"GET / HTTP/1.1\r\nX-Endless: " + b"x" * 100_000:
            writer.write(bytes([byte]))
            await asyncio.sleep(HEAD_SECONDS / 20)

    dripping = asyncio.create_task(drip())
    assert (await rest(reader)).startswith(b"HTTP/1.1 408 ")
    dripping.cancel()
    writer.close()


@pytest.mark.parametrize("between", [b"\r\n", b"\n", b""])
async def test_a_kept_connection_that_sends_no_request_is_closed(port: int, between: bytes) -> None:
    reader, writer = await open_to(port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b"xx")).startswith(b"HTTP/1.1 200 ")
    writer.write(between)
    assert await rest(reader) == b""
    writer.close()


LONG = b"x" * (HEAD_BYTES + 1)
TOO_LARGE = {
    "one header": b"GET / HTTP/1.1\r\nX-A: " + LONG,
    "one header that ends": b"GET / HTTP/1.1\r\nX-A: " + LONG + b"\r\n\r\n",
    "a header's name": b"GET / HTTP/1.1\r\n" + LONG,
    "the path": b"GET /" + LONG + b" HTTP/1.1\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * (HEADERS + 1) + b"\r\n",
}


@pytest.mark.parametrize("head", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_a_head_that_is_too_large_is_told_so_and_closed(port: int, head: bytes) -> None:
    reader, writer = await open_to(port)
    writer.write(head)
    assert (await rest(reader)).startswith(b"HTTP/1.1 431 ")
    writer.close()


BESIDE = {
    "a trailer": b"2\r\nxx\r\n0\r\nX-Trailer: ", "many trailers": b"2\r\nxx\r\n0\r\n" + b"X-A: b\r\n" * 200,
    "a chunk's extension": b"2;a=",
}  # fmt: skip


@pytest.mark.parametrize("chunks", BESIDE.values(), ids=BESIDE)
async def test_data_beside_a_chunked_body_is_bounded(port: int, chunks: bytes) -> None:
    reader, writer = await open_to(port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert await taken_until_closed(reader, writer) < 20_000_000
    writer.close()


async def test_the_rest_of_a_refused_body_may_come_for_a_while(port: int) -> None:
    reader, writer = await open_to(port)
    writer.write(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
    assert (await reader.readuntil(b"xx")).startswith(b"HTTP/1.1 200 ")
    writer.write(b"67890GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b"xx")).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_a_refused_body_that_goes_on_for_ever_is_cut_off(port: int) -> None:
    reader, writer = await open_to(port)
    writer.write(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")

    async def drip() -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(HEAD_SECONDS / 10)

    dripping = asyncio.create_task(drip())
    assert (await rest(reader)).startswith(b"HTTP/1.1 200 ")
    dripping.cancel()
    writer.close()


async def test_a_client_that_does_not_read_the_answer_is_cut_off(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(HEAD_SECONDS * 4)
    got = await rest(reader)
    assert len(got) < 50_000_000
    writer.close()


async def test_the_oldest_of_many_silent_connections_is_closed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "head_seconds", LONGER * 2)
    monkeypatch.setattr(bounded, "MAX_WAITING", 3)
    opened = [await open_to(port) for _ in range(4)]
    assert await rest(opened[0][0]) == b""
    assert not opened[-1][0].at_eof()
    for _, writer in opened:
        writer.close()


@pytest.mark.parametrize("name", ["Authorization", "host", "Content-Encoding", "ORIGIN"])
async def test_a_header_that_is_there_twice_is_refused_and_closed(port: int, name: str) -> None:
    reader, writer = await open_to(port)
    host = "" if name == "host" else "Host: x\r\n"
    writer.write(f"GET / HTTP/1.1\r\n{host}{name}: a\r\n{name.lower()}: b\r\n\r\n".encode())
    answer = await rest(reader)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"repeated_header" in answer
    writer.close()


async def test_a_header_that_may_be_repeated_is_no_reason_to_refuse(port: int) -> None:
    reader, writer = await open_to(port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nX-A: 1\r\nAccept: a\r\nAccept: b\r\n\r\n")
    assert (await reader.readuntil(b"xx")).startswith(b"HTTP/1.1 200 ")
    writer.close()
