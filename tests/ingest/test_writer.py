"""The writer on a real database: a poisoned upload fails alone, duplicates between uploads are told apart."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from auth.tokens import token_hash
from core.clock import utc_now
from core.errors import RevokedTokenError
from core.settings import Settings
from ingest.copy_rows import encode_rows
from ingest.errors import UnstorableUploadError
from ingest.pending import Row, Upload
from ingest.samples import Decoded, Sample
from ingest.writer import Writer
from tests.conftest import MakeDevice
from tests.devices import Device

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def writer(settings: Settings) -> AsyncIterator[Writer]:
    open_writer = Writer(lambda: asyncpg.connect(settings.database_url))
    yield open_writer
    await open_writer.close()


def upload(device: Device, *ages: timedelta, cpu_percent: float = 1.0) -> Upload:
    now = utc_now().replace(microsecond=0)
    samples = [Sample(now - age, cpu_percent=cpu_percent) for age in ages]
    pending = Upload(
        device.agent_id, token_hash(device.token), now, Decoded(len(samples), samples, [None] * len(ages), [])
    )
    pending.make_rows()
    return pending


def poisoned(device: Device) -> Upload:
    """An upload that the door should have refused: the table's CHECK is the last fence."""
    pending = upload(device, MINUTE)
    bad = Sample(pending.rows[0].collected_at, cpu_percent=150)
    (encoded,) = encode_rows(device.agent_id, pending.received_at, [bad], [None])
    pending.rows = [Row(pending, bad, bad.collected_at, encoded)]
    return pending


async def count(pool: asyncpg.Pool, device: Device) -> int:
    rows: int = await pool.fetchval("SELECT count(*) FROM agent_metrics WHERE agent_device_id = $1", device.agent_id)
    return rows


async def test_a_poisoned_upload_fails_alone(writer: Writer, make_device: MakeDevice, pool: asyncpg.Pool) -> None:
    devices = [await make_device() for _ in range(3)]
    uploads = [upload(devices[0], MINUTE, 2 * MINUTE), poisoned(devices[1]), upload(devices[2], MINUTE)]
    await writer.write(uploads)
    assert [one.inserted for one in uploads] == [2, 0, 1]
    assert isinstance(uploads[1].error, UnstorableUploadError)
    assert uploads[0].error is uploads[2].error is None
    assert [await count(pool, device) for device in devices] == [2, 0, 1]


async def test_a_poisoned_upload_beside_a_duplicate_fails_alone(writer: Writer, make_device: MakeDevice) -> None:
    devices = [await make_device() for _ in range(2)]
    again = upload(devices[0], MINUTE)
    await writer.write([upload(devices[0], MINUTE)])
    bad = poisoned(devices[1])
    await writer.write([again, bad])
    assert (again.inserted, again.error) == (0, None)
    assert isinstance(bad.error, UnstorableUploadError)


async def test_a_sample_that_two_uploads_of_a_group_bring_counts_once(
    writer: Writer, device: Device, pool: asyncpg.Pool
) -> None:
    first, second = upload(device, MINUTE, 2 * MINUTE), upload(device, 2 * MINUTE, 3 * MINUTE)
    await writer.write([first, second])
    assert (first.inserted, second.inserted) == (2, 1)
    assert await count(pool, device) == 3


async def test_a_revoked_upload_in_a_group_is_refused_and_the_others_are_stored(
    writer: Writer, make_device: MakeDevice, pool: asyncpg.Pool
) -> None:
    good, revoked = await make_device(), await make_device()
    await pool.execute("UPDATE agent_devices SET agent_token = NULL WHERE id = $1", revoked.agent_id)
    uploads = [upload(revoked, MINUTE), upload(good, MINUTE)]
    await writer.write(uploads)
    assert isinstance(uploads[0].error, RevokedTokenError)
    assert (uploads[1].error, uploads[1].inserted) == (None, 1)
    assert await count(pool, revoked) == 0


async def test_live_and_late_samples_of_one_upload_are_both_stored(
    writer: Writer, device: Device, pool: asyncpg.Pool
) -> None:
    mixed = upload(device, MINUTE, timedelta(days=2), timedelta(days=9))
    await writer.write([mixed])
    assert mixed.inserted == 3
    assert await count(pool, device) == 3


async def test_a_broken_connection_is_made_again(writer: Writer, device: Device) -> None:
    await writer.write([upload(device, MINUTE)])
    assert writer._connection is not None
    writer._connection.terminate()
    second = upload(device, 2 * MINUTE)
    await writer.write([second])
    assert (second.inserted, second.error) == (1, None)
