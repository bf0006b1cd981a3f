"""Answers of the server's HTTP protocol as they arrive at a socket."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.server.corked import MAX_HELD
from tests.serving import serving

BODY = b"x" * 10
PIECES = 3


class Answering:
    """Answers `/` with a body, `/long` with one in pieces, `/closed` with one after which the connection ends."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        pieces = [b"y" * MAX_HELD] * PIECES if scope["path"] == "/long" else [BODY]
        headers = [(b"content-length", str(sum(map(len, pieces))).encode())]
        if scope["path"] == "/closed":
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, piece in enumerate(pieces, 1):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serving(Answering()) as chosen:
        yield chosen


async def ask(port: int, *requests: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("".join(f"{request} HTTP/1.1\r\nHost: x\r\n\r\n" for request in requests).encode())
    return reader, writer


async def test_head_and_body_arrive_at_once(port: int) -> None:
    reader, writer = await ask(port, "GET /")
    answer = await reader.read(4096)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n" + BODY)


async def test_an_answer_without_a_body_arrives(port: int) -> None:
    reader, writer = await ask(port, "HEAD /")
    assert (await asyncio.wait_for(reader.read(4096), 5)).endswith(b"\r\n\r\n")
    writer.close()


async def test_several_answers_keep_their_order(port: int) -> None:
    reader, writer = await ask(port, "GET /", "GET /long", "GET /")
    received = await reader.readuntil(b"y")
    assert received.count(b"HTTP/1.1 200") == 2
    rest = await reader.readexactly(MAX_HELD * PIECES - 1)
    assert rest == b"y" * len(rest)
    assert (await reader.readuntil(BODY)).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_all_is_written_before_the_connection_ends(port: int) -> None:
    reader, writer = await ask(port, "GET /closed")
    assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"\r\n\r\n" + BODY)
    writer.close()
