"""Cursors of paged lists: the sort key of the last entry of a page, encoded as an opaque text."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar

import asyncpg
from fastapi import Query

from api.fields.text import storable
from core.errors import RtsError

Limit = Annotated[int, Query(ge=1, le=1000, description="rows on a page")]
Cursor = Annotated[str | None, Query(max_length=4000, description="next_cursor of the previous page")]


class InvalidCursorError(RtsError):
    """`cursor` must be the next_cursor of the previous page, unchanged."""

    code: ClassVar[str] = "invalid_cursor"
    status: ClassVar[int] = 422


def make_cursor(*key: object) -> str:
    """Return a cursor for the entries after this sort key; each part is stored as text."""
    return base64.urlsafe_b64encode(json.dumps([str(part) for part in key]).encode()).decode()


def read_cursor(cursor: str | None, *parsers: Callable[[str], Any]) -> tuple[Any, ...] | None:
    """Return the sort key that a cursor holds, each part read by its parser; None for the first page.

    Raises InvalidCursorError.
    """
    if cursor is None:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor))
        if not isinstance(parts, list) or len(parts) != len(parsers):
            raise InvalidCursorError
        return tuple(parse(parse_text(part)) for parse, part in zip(parsers, parts, strict=True))
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError, binascii.Error) as error:
        raise InvalidCursorError from error


def parse_text(part: object) -> str:
    """Return a part of a cursor, which must be storable text; raises ValueError."""
    if not isinstance(part, str):
        raise ValueError("not text")
    return storable(part)


def parse_id(text: str) -> int:
    """Return a numeric id of the database; raises ValueError beyond 64 bits."""
    number = int(text)
    if not 0 <= number < 2**63:
        raise ValueError("is no id")
    return number


def make_page(rows: Sequence[asyncpg.Record], limit: int, *key: str) -> tuple[Sequence[asyncpg.Record], str | None]:
    """Return at most `limit` rows, and the next page's cursor, of the columns `key`, when there are more."""
    page = rows[:limit]
    return page, make_cursor(*(page[-1][name] for name in key)) if len(rows) > limit else None
