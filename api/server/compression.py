"""Answers of the API compressed and with an `ETag`, so that a list of ten thousand devices is a tenth of its size.

Only answers to GET: they hold no secret that could be guessed by the length. A body up to INLINE_BYTES is compressed in
the event loop, which takes less time than a thread; a larger one in a thread, where zlib and hashlib release the
interpreter's lock. A body that is only hashed for its tag goes to a thread from INLINE_TAG_BYTES on.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Iterable

from api.server.asgi import Message, Scope, Send
from api.server.sessions import headers_by_name

MIN_BYTES = 4096
INLINE_BYTES = 32_768  # 0.4 ms at level 1; a list of 1,000 devices (420 kB) takes 5 ms, in a thread
INLINE_TAG_BYTES = 262_144  # 0.15 ms; the chart of a day (110 kB) takes 0.07 ms here, and 0.14 ms by way of a thread
LEVEL = 1


def compressed(scope: Scope, send: Send) -> Send:
    """Return a `send` that compresses the answer to this request if it is large and the client takes gzip."""
    if scope["method"] != "GET" or not scope["path"].startswith("/api/"):
        return send
    return Compressor(headers_by_name(scope), send)


class Compressor:
    """Delays the head of one answer until its body shows whether compression is worthwhile."""

    def __init__(self, request_headers: dict[bytes, bytes], send: Send) -> None:
        self._gzip = b"gzip" in request_headers.get(b"accept-encoding", b"")
        self._known = request_headers.get(b"if-none-match", b"")
        self._send = send
        self._head: Message | None = None

    async def __call__(self, message: Message) -> None:
        """Pass a message of the answer on."""
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._head = message
            return
        if self._head is not None:
            head, self._head = self._head, None
            if is_worth_it(head, message):
                await self._send_large(head, message["body"])
                return
            await self._send(head)
        await self._send(message)

    async def _send_large(self, head: Message, body: bytes) -> None:
        if len(body) <= (INLINE_BYTES if self._gzip else INLINE_TAG_BYTES):
            tag, packed = pack(body, gzip=self._gzip)
        else:
            tag, packed = await asyncio.to_thread(pack, body, gzip=self._gzip)
        if tag in self._known:
            await self._send({**head, "status": 304, "headers": compressed_headers(head["headers"], tag)})
            await self._send({"type": "http.response.body", "body": b""})
            return
        headers = [*compressed_headers(head["headers"], tag), (b"content-length", b"%d" % len(packed))]
        if self._gzip:
            headers.append((b"content-encoding", b"gzip"))
        await self._send({**head, "headers": headers})
        await self._send({"type": "http.response.body", "body": packed})


def is_worth_it(head: Message, message: Message) -> bool:
    """Return whether an answer is complete, large, and not compressed already."""
    whole = not message.get("more_body", False) and len(message.get("body", b"")) > MIN_BYTES
    return whole and all(name.lower() != b"content-encoding" for name, _ in head["headers"])


def pack(body: bytes, *, gzip: bool) -> tuple[bytes, bytes]:
    """Return the tag of a body, and the body compressed if asked for.

    Processors have instructions for SHA-256, so it takes half the time of BLAKE2.
    """
    tag = b'W/"%s"' % hashlib.sha256(body).hexdigest()[:24].encode()
    if not gzip:
        return tag, body
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)  # 31: with the head and tail of a gzip file
    return tag, packer.compress(body) + packer.flush()


def compressed_headers(headers: Iterable[tuple[bytes, bytes]], tag: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with its tag and without its length, which compression changes."""
    remaining = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    if all(name.lower() != b"cache-control" for name, _ in remaining):
        remaining.append((b"cache-control", b"private, no-cache"))
    return [*remaining, (b"etag", tag), (b"vary", b"Accept-Encoding")]
