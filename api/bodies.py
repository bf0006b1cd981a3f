"""The bytes of a request body: gathered, bounded and unpacked, before anything reads them."""

import zlib
from collections.abc import Iterable, Iterator

from api.server.asgi import Receive
from api.server.body_errors import BadCompressionError, BodyTooLargeError, ClientGoneError, UnsupportedEncodingError
from ingest.errors import IngestBusyError

GZIP = 16 + zlib.MAX_WBITS


class BodyBudget:
    """Bounds one body (after decompression) and all bodies in memory together, in bytes."""

    def __init__(self, one: int, together: int) -> None:
        self.one = one
        self.together = together
        self.in_memory = 0

    def check(self, size: int) -> None:
        """Raise BodyTooLargeError for a body of `size` bytes, packed or unpacked, that is over the limit."""
        if size > self.one:
            raise BodyTooLargeError(f"The upload is over {self.one} bytes: split it into several.")

    def take(self, size: int, body_so_far: int) -> None:
        """Count `size` more bytes of a body; raises BodyTooLargeError or IngestBusyError."""
        self.check(body_so_far + size)
        if self.in_memory + size > self.together:
            raise IngestBusyError
        self.in_memory += size

    def give_back(self, size: int) -> None:
        """Say that `size` bytes are no longer held."""
        self.in_memory -= size


class BodyReader:
    """Reads one request's body; use it as a context manager, so that its bytes are given back."""

    def __init__(self, receive: Receive, encoding: bytes, budget: BodyBudget) -> None:
        if encoding not in (b"", b"identity", b"gzip", b"x-gzip"):
            raise UnsupportedEncodingError
        self._receive = receive
        self._gunzip = Gunzip() if b"gzip" in encoding else None
        self._budget = budget
        self._taken = 0

    def __enter__(self) -> "BodyReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.give_back(self._taken)

    async def read(self) -> bytes:
        """Return the whole body, unpacked; memory never holds more than the limits."""
        parts = []
        received = 0
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            more = message.get("more_body", False)
            received += len(message.get("body", b""))
            self._budget.check(received)
            for part in self._unpack(message.get("body", b"")):
                self._budget.take(len(part), self._taken)
                self._taken += len(part)
                parts.append(part)
        if self._gunzip and not self._gunzip.complete:
            raise BadCompressionError
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _unpack(self, data: bytes) -> Iterable[bytes]:
        return self._gunzip.feed(data) if self._gunzip else (data,)


class Gunzip:
    """Streaming gunzip in pieces of bounded size, so that a bomb is met piece by piece."""

    PIECE = 1024 * 1024

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(GZIP)

    @property
    def complete(self) -> bool:
        """True when the stream has ended where gzip says it ends."""
        return self._stream.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` unpacks to; raises BadCompressionError for bytes that aren't gzip."""
        while data:
            if self._stream.eof:  # gzip allows several members, one after the other
                self._stream = zlib.decompressobj(GZIP)
            try:
                yield self._stream.decompress(data, self.PIECE)
            except zlib.error as error:
                raise BadCompressionError from error
            data = self._stream.unconsumed_tail or self._stream.unused_data
