"""Records the devices of a flush in its transaction: last contact, newest and oldest sample.

A device is usual when nothing about it changes but its newest sample. `select_usual` excludes devices whose upload
shows something else (late or odd times, nothing measured, two tokens at once); the conditions of the query
`touch_usual_devices` exclude those whose row does. The query `touch_devices` records all others. Both write the same
values for a usual device.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from core.metrics import METRICS
from db.hypertables.policies import LATE_AFTER, LEVELS, refresh_lag
from db.sql import load_beside
from ingest.copy_rows import metric_values
from ingest.pending import Row, Upload
from ingest.samples import Sample

QUERIES = load_beside(__file__)
# Boot time = clock - uptime. It varies by less than this between two samples of one boot.
BOOT_TOLERANCE = timedelta(minutes=2)
NAMES = tuple(metric.name for metric in METRICS)


@dataclass(slots=True, eq=False)
class DeviceUpdate:
    """One device in one flush, with one of its tokens; `business_id` and `alerts` are set when the token is good."""

    agent_id: UUID
    token_hash: str
    received_at: datetime
    measured: bool = False  # a sample has a value; otherwise the upload does not count as data
    ahead: timedelta | None = None  # how far refused samples were ahead of the server's clock
    newest: Sample | None = None
    oldest: Sample | None = None
    oldest_row: Row | None = None
    with_services: list[Sample] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    business_id: UUID | None = None  # the tenant of the device
    alerts: list[str] = field(default_factory=list)  # the types of its open alerts, each once

    def add(self, row: Row) -> None:
        """Update the oldest and newest sample by one of the device's rows."""
        sample = row.sample
        if self.newest is None or sample.collected_at > self.newest.collected_at:
            self.newest = sample
        if self.oldest is None or sample.collected_at < self.oldest.collected_at:
            self.oldest, self.oldest_row = sample, row
        if sample.services is not None:
            self.with_services.append(sample)


def collect_device_updates(uploads: Iterable[Upload], rows: Iterable[Row]) -> list[DeviceUpdate]:
    """Return one entry for each (device, token) among `uploads`, with the newest of its `rows`."""
    updates: dict[tuple[UUID, str], DeviceUpdate] = {}
    entry_of: dict[Upload, DeviceUpdate] = {}  # uploads hash by identity: cheap enough for thousands of rows
    for upload in uploads:
        key = upload.agent_id, upload.token_hash
        entry = updates.get(key)
        if entry is None:
            entry = updates[key] = DeviceUpdate(*key, upload.received_at)
        elif upload.received_at > entry.received_at:
            entry.received_at = upload.received_at
        entry_of[upload] = entry
        entry.uploads.append(upload)
        entry.measured = entry.measured or upload.brings_data()
        entry.ahead = entry.ahead or upload.decoded.ahead
    for row in rows:
        entry_of[row.upload].add(row)
    return list(updates.values())


def touch_parameters(
    updates: Sequence[DeviceUpdate], late_before: datetime, token_overlap: timedelta
) -> dict[str, Any]:
    """Return the parameters of the query `touch_devices`; rows collected before `late_before` are late."""
    return {
        "device_ids": [entry.agent_id for entry in updates],
        "token_hashes": [entry.token_hash for entry in updates],
        "received_at": [entry.received_at for entry in updates],
        "newest_at": [entry.newest and entry.newest.collected_at for entry in updates],
        "newest_metrics": [entry.newest and current_metrics(entry.newest) for entry in updates],
        "oldest_at": [entry.oldest and entry.oldest.collected_at for entry in updates],
        "late_before": late_before,
        "rolled_up_after": refresh_lag(LEVELS[-1]),
        "boot_by_sample": [entry.newest and boot_time(entry.newest) for entry in updates],
        "token_overlap": token_overlap,
        "tolerance": BOOT_TOLERANCE,
        "was_measured": [entry.measured for entry in updates],
        "oldest_metrics": [first_metrics(entry) for entry in updates],
        "refused_lead": [entry.ahead for entry in updates],
    }


def first_metrics(entry: DeviceUpdate) -> str | None:
    """Return the metrics of the oldest sample as JSON, None where it is the newest as well."""
    return None if entry.oldest is None or entry.oldest is entry.newest else current_metrics(entry.oldest)


def boot_time(sample: Sample) -> datetime | None:
    """Return the device's boot time by its own clock; None when it sends no uptime."""
    if sample.uptime_seconds is None:
        return None
    try:
        return sample.collected_at - timedelta(seconds=sample.uptime_seconds)
    except OverflowError:  # an uptime of centuries
        return None


def current_metrics(sample: Sample) -> str:
    """Return a sample's metrics by column name, as JSON."""
    return msgspec.json.encode(dict(zip(NAMES, metric_values(sample), strict=True))).decode()


async def touch_devices(
    connection: asyncpg.Connection, updates: Sequence[DeviceUpdate], now: datetime, token_overlap: timedelta
) -> None:
    """Record the devices of a flush; sets `business_id` and `alerts` of those whose token is good.

    A sample whose counters fell since the one before it is stored as a break.
    """
    late_before = now - LATE_AFTER
    usual = select_usual(updates, late_before)
    if usual:
        for row in await connection.fetch(
            *QUERIES.bind("touch_usual_devices", **usual_parameters(list(usual.values())))
        ):
            note_good(usual.pop(row["id"].int), row)
    unusual = [entry for entry in updates if entry.business_id is None]
    if not unusual:
        return
    entry_of = {(entry.agent_id, entry.token_hash): entry for entry in unusual}
    for row in await connection.fetch(
        *QUERIES.bind("touch_devices", **touch_parameters(unusual, late_before, token_overlap))
    ):
        entry = entry_of[row["id"], row["token_hash"]]
        note_good(entry, row)
        if row["fallen_from"] and entry.oldest_row:
            before = msgspec.json.decode(row["fallen_from"])
            entry.oldest_row.upload.mark_break(entry.oldest_row, before, row["fallen_since"])


def note_good(entry: DeviceUpdate, row: asyncpg.Record) -> None:
    """Copy the business and the open alerts of a device with a valid token from the database's answer."""
    entry.business_id = row["business_id"]
    entry.alerts = sorted(set(row["alerts"])) if row["alerts"] else []


def select_usual(updates: Sequence[DeviceUpdate], late_before: datetime) -> dict[int, DeviceUpdate]:
    """Return the devices whose uploads show nothing unusual, by id and in the order of ids: that of their locks."""
    tokens = Counter(entry.agent_id.int for entry in updates)
    usual = [entry for entry in updates if tokens[entry.agent_id.int] == 1 and looks_usual(entry, late_before)]
    return {entry.agent_id.int: entry for entry in sorted(usual, key=lambda entry: entry.agent_id.int)}


def looks_usual(entry: DeviceUpdate, late_before: datetime) -> bool:
    """Return whether an upload has values and its times are neither late nor ahead of the server's clock."""
    if not entry.measured or entry.newest is None or entry.oldest is None or entry.ahead:
        return False
    lag = entry.newest.collected_at - entry.received_at
    return -BOOT_TOLERANCE <= lag <= BOOT_TOLERANCE and entry.oldest.collected_at >= late_before


def usual_parameters(usual: Sequence[DeviceUpdate]) -> dict[str, Any]:
    """Return the parameters of the query `touch_usual_devices`."""
    newest = [entry.newest for entry in usual if entry.newest]
    oldest = [entry.oldest for entry in usual if entry.oldest]
    booted = [boot_time(sample) for sample in newest]
    return {
        "device_ids": [entry.agent_id for entry in usual],
        "token_hashes": [entry.token_hash for entry in usual],
        "received_at": [entry.received_at for entry in usual],
        "newest_at": [sample.collected_at for sample in newest],
        "newest_metrics": [current_metrics(sample) for sample in newest],
        "boot_by_sample": booted,
        "boot_by_receipt": [receipt_boot(*each) for each in zip(usual, newest, booted, strict=True)],
        "oldest_at": [sample.collected_at for sample in oldest],
        "rx_bytes": [sample.network_rx_bytes for sample in oldest],
        "tx_bytes": [sample.network_tx_bytes for sample in oldest],
        "tolerance": BOOT_TOLERANCE,
    }


def receipt_boot(entry: DeviceUpdate, newest: Sample, booted: datetime | None) -> datetime | None:
    """Return the boot time of a device, as if its newest sample were taken at receipt; None without an uptime."""
    return booted and entry.received_at - (newest.collected_at - booted)
