"""Heads of uploads that the parser has read before: an agent repeats its head, except for the length of the body.

Equal bytes mean the same to the parser, so that a head need not be parsed again. Heads are compared without the digits
of `Content-Length`, the only part that changes. Of a connection's bytes, only a whole upload is compared: a head that
is in the cache, and after it as many bytes as its length. Tokens are verified each time as before.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

LENGTH = re.compile(rb"\r\ncontent-length: ([0-9]{1,5})\r\n", re.IGNORECASE)
END = b"\r\n\r\n"
MAX_HEADS = 16_384  # of this process; about 1 kB each
MAX_HEAD_BYTES = 2_048


class UploadHead(NamedTuple):
    """The head of a usual upload: how it is sent, and what ASGI needs if the upload is handed over."""

    agent_id: str
    authorization: bytes
    encoding: bytes
    path: bytes
    headers: list[tuple[bytes, bytes]]


class FoundHead(NamedTuple):
    """The bytes of a head without the digits of the length, the length of the body, and the place where it begins."""

    key: bytes
    length: int
    body: int


class UploadHeads:
    """The newest heads of uploads, by their bytes without the digits of the length."""

    def __init__(self, most: int = MAX_HEADS) -> None:
        self._most = most
        self._heads: dict[bytes, UploadHead] = {}

    def __len__(self) -> int:
        """Return how many heads are kept."""
        return len(self._heads)

    def add(self, data: bytes, head: UploadHead) -> None:
        """Keep the head at the beginning of `data`, which the parser has read as `head`; the oldest goes for it."""
        found = find_head(data)
        if not found or not has_one_line_each(data[: found.body], head.headers):
            return
        if found.key not in self._heads and len(self._heads) >= self._most:
            del self._heads[next(iter(self._heads))]
        self._heads[found.key] = head

    def split(self, data: bytes) -> tuple[UploadHead | None, bytes]:
        """Return the head of `data` and its body, if it is one whole upload with a head that is kept; else no head."""
        found = find_head(data)
        if not found or found.length != len(data) - found.body:
            return None, b""
        return self._heads.get(found.key), data[found.body :]


def find_head(data: bytes) -> FoundHead | None:
    """Return the head at the beginning of `data`; None if it is incomplete, too large or has no length."""
    end = data.find(END, 0, MAX_HEAD_BYTES)
    length = LENGTH.search(data, 0, end + 2) if end > 0 else None
    if not length:
        return None
    return FoundHead(data[: length.start(1)] + data[length.end(1) : end], int(length[1]), end + len(END))


def has_one_line_each(head: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether a head is a request line, a line for each of the parsed headers, and an empty line.

    The parser may accept other ends of lines, or values of several lines: the end of such a head is uncertain.
    """
    lines = sum(1 for _ in headers) + 2
    return head.startswith(b"POST ") and head.count(b"\r\n") == head.count(b"\n") == lines
