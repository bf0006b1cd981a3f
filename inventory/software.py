"""Software inventory: merges lists from agents, and reads present and past installations.

One statement merges a list: a known software is marked as seen, a new one begins a stay, a missing one ends its stay.
Lists of one device are merged one after the other; a list older than the newest one changes nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from core.errors import AgentNotFoundError, RevokedTokenError
from core.text import like_literal
from db.sql import after_keys, load_beside

QUERIES = load_beside(__file__, "software.sql")


@dataclass(frozen=True, slots=True)
class Software:
    """A software as an agent lists it; the fields are parameters of the query `merge_list`."""

    software_name: str
    software_type: str
    software_version: str | None
    vendor: str | None
    install_date: date | None
    is_security_software: bool
    is_latest_version: bool | None
    latest_available_version: str | None


@dataclass(frozen=True, slots=True)
class Removal:
    """A removal of a delta; a version or type of None matches any."""

    software_name: str
    software_version: str | None
    software_type: str | None


@dataclass(frozen=True, slots=True)
class SoftwareList:
    """A list of a device at `collected_at` (UTC): everything (`full`), or only the changes."""

    collected_at: datetime
    full: bool
    software: Sequence[Software]
    removed: Sequence[Removal] = ()


@dataclass(frozen=True, slots=True)
class Merged:
    """The outcome of a list: received = added + updated + unchanged + duplicates, unless it is stale."""

    received: int
    added: int = 0
    updated: int = 0
    removed: int = 0
    unchanged: int = 0
    duplicates: int = 0
    stale: bool = False


@dataclass(frozen=True, slots=True)
class SoftwareFilter:
    """Filters of a device's software; None filters nothing. `at` (UTC): as of this time, None: now.

    `after` is (sort_key, id) of the last one of the page before.
    """

    at: datetime | None = None
    search: str | None = None
    software_type: str | None = None
    eol: bool | None = None
    security: bool | None = None
    after: tuple[str, UUID] | None = None


@dataclass(frozen=True, slots=True)
class InstallationSpan:
    """The changes to read: from `since` until before `until` (UTC); `after`: (at, sort_key, id) of the last one."""

    since: datetime | None = None
    until: datetime | None = None
    after: tuple[datetime, str, UUID] | None = None


async def take_list(pool: asyncpg.Pool, device_id: UUID, listed: SoftwareList, now: datetime) -> Merged:
    """Merge a list into a device's inventory, in one transaction; a list sent again changes nothing.

    Raises RevokedTokenError when the device was deactivated meanwhile.
    """
    received = len(listed.software)
    distinct = {(one.software_name, one.software_type, one.software_version): one for one in listed.software}
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(*QUERIES.bind("queue_list", device_id=device_id))
        device = await connection.fetchrow(*QUERIES.bind("newest_list", device_id=device_id))
        if device is None:
            raise RevokedTokenError
        if device["inventory_at"] is not None and listed.collected_at < device["inventory_at"]:
            return Merged(received, stale=True)
        counts = await connection.fetchrow(
            *QUERIES.bind(
                "merge_list", device_id=device_id, collected_at=listed.collected_at, is_full=listed.full,
                removed=by_name(listed.removed), today=now.date(), **columns(distinct.values()),
            )
        )  # fmt: skip
    assert counts is not None
    return Merged(received, duplicates=received - len(distinct), **counts)


async def read_device(pool: asyncpg.Pool, tenant: UUID | None, device_id: UUID) -> asyncpg.Record:
    """Return when a device's first and newest lists were taken (null: never); raises AgentNotFoundError."""
    row = await pool.fetchrow(*QUERIES.bind("read_device", device_id=device_id, tenant=tenant))
    if row is None:
        raise AgentNotFoundError
    return row


async def read_software(
    pool: asyncpg.Pool, tenant: UUID | None, device_id: UUID, filters: SoftwareFilter, limit: int, now: datetime
) -> list[asyncpg.Record]:
    """Return at most `limit` software of a device in the order of their names."""
    pattern = None if filters.search is None else f"%{like_literal(filters.search)}%"
    today = (filters.at or now).date()
    return await pool.fetch(
        *QUERIES.bind(
            "read_software",
            device_id=device_id,
            tenant=tenant,
            at=filters.at,
            today=today,
            pattern=pattern,
            software_type=filters.software_type,
            eol=filters.eol,
            security=filters.security,
            **after_keys(filters.after, "key", "id"),
            limit=limit,
        ),
    )


async def read_changes(
    pool: asyncpg.Pool, tenant: UUID | None, device_id: UUID, span: InstallationSpan, limit: int
) -> list[asyncpg.Record]:
    """Return at most `limit` changes of a device's software, newest first; its first list is none."""
    return await pool.fetch(
        *QUERIES.bind(
            "read_changes",
            device_id=device_id,
            tenant=tenant,
            since=span.since,
            end=span.until,
            **after_keys(span.after, "time", "key", "id"),
            limit=limit,
        )
    )


async def find_software(
    pool: asyncpg.Pool, tenant: UUID | None, name: str, version: str, after: tuple[str, UUID] | None, limit: int,
    now: datetime,
) -> list[asyncpg.Record]:  # fmt: skip
    """Return at most `limit` software of the fleet whose names begin with `name`; `version` '' is any."""
    return await pool.fetch(
        *QUERIES.bind(
            "find_software",
            tenant=tenant,
            pattern=like_literal(name) + "%",
            version=version,
            today=now.date(),
            **after_keys(after, "key", "id"),
            limit=limit,
        )
    )


def columns(software: Collection[Software]) -> dict[str, list[Any]]:
    """Return the fields of all software as one list for each field, by name."""
    return {field.name: [getattr(one, field.name) for one in software] for field in fields(Software)}


def by_name(removed: Iterable[Removal]) -> str:
    """Return removals as JSON, name -> [{version, type}]: the database looks a name up without reading them all."""
    versions: dict[str, list[dict[str, str | None]]] = {}
    for one in removed:
        versions.setdefault(one.software_name, []).append({"version": one.software_version, "type": one.software_type})
    return msgspec.json.encode(versions).decode()
