"""Recording the contact of devices in the transaction of a flush: the usual ones by a plain update.

A device is usual when nothing about it changes but its newest sample. Python leaves out what an upload itself shows
(late or odd times, nothing measured, two tokens at once), the conditions of `touch_usual_devices` leave out what the
device's row shows, and `touch_devices` takes every device that is left. Both would write the same of a usual device.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from db.hypertables.policies import LATE_AFTER
from db.sql import load_beside
from ingest.device_updates import BOOT_TOLERANCE, DeviceUpdate, boot_time, current_metrics, touch_parameters
from ingest.samples import Sample

QUERIES = load_beside(__file__)


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
    """Take over what the database returns of a device whose token is good; most devices have no open alert."""
    entry.business_id = row["business_id"]
    entry.alerts = sorted(set(row["alerts"])) if row["alerts"] else []


def select_usual(updates: Sequence[DeviceUpdate], late_before: datetime) -> dict[int, DeviceUpdate]:
    """Return the devices whose uploads show nothing unusual, by id and in the order of ids: that of their locks."""
    tokens = Counter(entry.agent_id.int for entry in updates)
    usual = [entry for entry in updates if tokens[entry.agent_id.int] == 1 and looks_usual(entry, late_before)]
    return {entry.agent_id.int: entry for entry in sorted(usual, key=lambda entry: entry.agent_id.int)}


def looks_usual(entry: DeviceUpdate, late_before: datetime) -> bool:
    """Return whether an upload measured something, and at times that need no judgement."""
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
    """Return when a device was started if its newest sample were of the time of receipt; None when it doesn't say."""
    return booted and entry.received_at - (newest.collected_at - booted)
