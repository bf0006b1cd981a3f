"""The bytes of a request body: received, bounded and unpacked.

`AgentBodies` opens the bodies of uploads within the budget, the share of the agent and its business, and the pace.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial

from api.rate_limits import CallLimits
from api.server.asgi import Receive
from api.server.body_budget import BodyBudget, Holder, Room, charge_slow_body
from api.server.body_errors import BadCompressionError, BodyTooLargeError, ClientGoneError, UnsupportedEncodingError
from api.server.body_pace import PacedReceive, PaceRule
from auth.tokens import Sender

GZIP = 16 + zlib.MAX_WBITS


class BodyReader:
    """Reads one request's body; use it as a context manager, so that its bytes are given back."""

    def __init__(self, receive: Receive, encoding: bytes, most: int, allowance: Room) -> None:
        """`most`: bytes of the body, packed and unpacked."""
        if encoding not in (b"", b"identity", b"gzip", b"x-gzip"):
            raise UnsupportedEncodingError
        self._receive = receive
        self._gunzip = Gunzip() if b"gzip" in encoding else None
        self._most = most
        self._room = allowance

    def __enter__(self) -> "BodyReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._room.close()

    async def read(self) -> bytes:
        """Return the whole body, unpacked while it arrives; memory never holds more than the limits."""
        return await self._join(self._unpack(self._receive_parts()))

    async def receive(self) -> bytes:
        """Return the whole body as it was sent: a packed one waits in a tenth of the memory. Then `unpack` it."""
        return await self._join(self._receive_parts())

    async def unpack(self, body: bytes) -> bytes:
        """Return a received body, unpacked; the room of what was sent is given back."""
        if not self._gunzip:
            return body
        unpacked = await self._join(self._unpack(as_parts(body)))
        self._room.give_back(len(body))
        return unpacked

    def unpack_small(self, body: bytes, most: int) -> bytes | None:
        """Return a received body, unpacked; None when it has `most` bytes or more, or is faulty."""
        if len(body) >= most:
            return None
        unpacked = unpack_small(body, most) if self._gunzip else body
        return unpacked if unpacked is not None and len(unpacked) < most else None

    def announce(self, size: int) -> None:
        """Reserve room for a body that is unpacked elsewhere; raises BodyTooLargeError or IngestBusyError."""
        self._check(size)
        self._room.take(size)

    async def _receive_parts(self) -> AsyncIterator[bytes]:
        received, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            more = message.get("more_body", False)
            part = message.get("body", b"")
            received += len(part)
            self._check(received)
            yield part

    async def _unpack(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for packed in parts:
            for number, part in enumerate(self._gunzip.feed(packed) if self._gunzip else (packed,)):
                if number:
                    await asyncio.sleep(0)  # others' turn: a small body may unpack to many pieces
                yield part
        if self._gunzip and not self._gunzip.complete:
            raise BadCompressionError

    async def _join(self, parts: AsyncIterator[bytes]) -> bytes:
        """Return parts as one, within the limits; a body in one part, as nearly all are, is not copied."""
        first, gathered = b"", bytearray()
        size = 0
        async for part in parts:
            size += len(part)
            self._check(size)
            self._room.take(len(part))
            if size == len(part):
                first = part
            else:
                gathered += part
        return first + gathered if gathered else first

    def _check(self, size: int) -> None:
        if size > self._most:
            raise BodyTooLargeError(f"The body is over {self._most} bytes: split it into several.")


async def as_parts(body: bytes) -> AsyncIterator[bytes]:
    """Yield a body that is there."""
    yield body


def unpack_small(body: bytes, most: int) -> bytes | None:
    """Return a small gzip body, unpacked; None when it has over `most` bytes, several members or faults."""
    stream = zlib.decompressobj(GZIP)
    try:
        unpacked = stream.decompress(body, most)
    except zlib.error:
        return None
    return unpacked if stream.eof and not stream.unused_data else None


@dataclass(frozen=True, slots=True)
class AgentBodies:
    """Opens the bodies of uploads.

    `is_still_good` checks in the database the sender of a body that does not arrive at once; raises RevokedTokenError.
    """

    budget: BodyBudget
    pace: PaceRule
    limits: CallLimits
    is_still_good: Callable[[Sender], Awaitable[None]]

    def open(self, sender: Sender, receive: Receive, encoding: bytes) -> BodyReader:
        """Return the reader of one body: a context manager, which releases its room."""
        allowance = self.budget.room_for(Holder("agent", *self.limits.payer(sender.agent_id, sender.token_hash)))
        paced = PacedReceive(receive, self.pace, partial(self._check_slow_body, sender, allowance))
        return BodyReader(paced, encoding, self.budget.one, allowance)

    async def _check_slow_body(self, sender: Sender, allowance: Room) -> None:
        await charge_slow_body(allowance, partial(self.is_still_good, sender))


class Gunzip:
    """Streaming gunzip in pieces of bounded size, so that a decompression bomb never uses more memory."""

    PIECE = 1024 * 1024
    MAX_MEMBERS = 16  # gzip files that are joined have several; each costs a decompressor, also an empty one

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(GZIP)
        self._members = 1

    @property
    def complete(self) -> bool:
        """True when the stream has ended at the end of a gzip member."""
        return self._stream.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` unpacks to; raises BadCompressionError for bytes that aren't gzip."""
        while data:
            if self._stream.eof:
                self._next_member()
            try:
                yield self._stream.decompress(data, self.PIECE)
            except zlib.error as error:
                raise BadCompressionError from error
            data = self._stream.unconsumed_tail or self._stream.unused_data

    def _next_member(self) -> None:
        self._members += 1
        if self._members > self.MAX_MEMBERS:
            raise BadCompressionError(f"A gzip body has at most {self.MAX_MEMBERS} members: compress it as one.")
        self._stream = zlib.decompressobj(GZIP)
