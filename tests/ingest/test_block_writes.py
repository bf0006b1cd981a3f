"""Blocks in the writer on a real database: what is not simply new goes as rows, with the same outcome."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import asyncpg
import pytest

from auth.tokens import token_hash
from core.clock import utc_now
from core.errors import RevokedTokenError
from core.settings import Settings
from ingest.counters import IngestCounters
from ingest.errors import UnstorableUploadError
from ingest.pending import Upload
from ingest.samples import Decoded, ListedService, Sample
from ingest.writer import MAX_BESIDE_OTHERS, Writer
from tests.conftest import MakeDevice
from tests.devices import Device

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture(autouse=True)
async def rows_in_heaps(pool: asyncpg.Pool) -> None:
    """Decompress the chunks that other tests compressed: in those a row has no transaction that could be read."""
    await pool.execute("SELECT decompress_chunk(c, true) FROM show_chunks('agent_metrics') c")


@pytest.fixture
def tally() -> IngestCounters:
    return IngestCounters()


@pytest.fixture
async def writer(settings: Settings, tally: IngestCounters) -> AsyncIterator[Writer]:
    block_writer = Writer(lambda: asyncpg.connect(settings.database_url), tally=tally)
    yield block_writer
    await block_writer.close()


@pytest.fixture
def now() -> datetime:
    return utc_now().replace(microsecond=0)


def packed(device: Device, now: datetime, samples: Sequence[Sample]) -> Upload:
    decoded = Decoded(len(samples), list(samples), [None] * len(samples), [])
    upload = Upload(device.agent_id, token_hash(device.token), now, decoded)
    for _ in upload.pack(50):
        pass
    assert upload.block
    return upload


def minutes(now: datetime, oldest: int, newest: int = 0, cpu_percent: float = 1) -> list[Sample]:
    """A sample each minute, from `oldest` minutes ago to `newest`."""
    return [Sample(now - age * MINUTE, cpu_percent=cpu_percent) for age in range(oldest, newest - 1, -1)]


async def values(pool: asyncpg.Pool, device: Device) -> dict[datetime, float]:
    rows = await pool.fetch("SELECT * FROM agent_metrics WHERE agent_device_id = $1", device.agent_id)
    return {row["collected_at"]: row["cpu_percent"] for row in rows}


async def test_days_of_two_devices_are_stored_in_one_transaction(
    writer: Writer, make_device: MakeDevice, pool: asyncpg.Pool, now: datetime
) -> None:
    devices = [await make_device() for _ in range(2)]
    uploads = [packed(device, now, minutes(now, 3000, place)) for place, device in enumerate(devices)]
    await writer.write(uploads)
    assert [one.inserted for one in uploads] == [3001, 3000]
    assert [len(await values(pool, device)) for device in devices] == [3001, 3000]
    transactions = "SELECT count(DISTINCT xmin::text) FROM agent_metrics WHERE agent_device_id = ANY($1)"
    assert await pool.fetchval(transactions, [device.agent_id for device in devices]) == 1
    newest = "SELECT current_collected_at, late_from, status FROM agent_devices WHERE id = $1"
    (row,) = await pool.fetch(newest, devices[0].agent_id)
    assert tuple(row) == (now, now - 3000 * MINUTE, "online")


async def test_a_large_upload_is_stored_in_short_transactions_while_others_upload(
    settings: Settings, device: Device, pool: asyncpg.Pool, now: datetime
) -> None:
    writer = Writer(lambda: asyncpg.connect(settings.database_url), others_wait=lambda: True)
    upload = packed(device, now, minutes(now, 2 * MAX_BESIDE_OTHERS))
    await writer.write([upload])
    await writer.close()
    assert upload.inserted == 2 * MAX_BESIDE_OTHERS + 1
    sizes = "SELECT count(*) AS size FROM agent_metrics WHERE agent_device_id = $1 GROUP BY xmin::text ORDER BY size"
    assert [row["size"] for row in await pool.fetch(sizes, device.agent_id)] == [1, *2 * [MAX_BESIDE_OTHERS]]


async def test_a_block_that_comes_twice_is_all_duplicates(
    writer: Writer, device: Device, pool: asyncpg.Pool, tally: IngestCounters, now: datetime
) -> None:
    await writer.write([packed(device, now, minutes(now, 200))])
    again = packed(device, now, minutes(now, 250, cpu_percent=9))
    await writer.write([again])
    assert (again.inserted, again.error, tally.around_duplicates) == (50, None, 1)
    stored = await values(pool, device)
    assert len(stored) == 251
    assert stored[now - 200 * MINUTE] == 1


async def test_a_sample_in_two_blocks_of_a_group_is_stored_as_it_came_first(
    writer: Writer, device: Device, pool: asyncpg.Pool, now: datetime
) -> None:
    first, second = packed(device, now, minutes(now, 100)), packed(device, now, minutes(now, 150, 50, cpu_percent=2))
    await writer.write([first, second])
    assert (first.inserted, second.inserted) == (101, 50)
    stored = await values(pool, device)
    assert (stored[now - 100 * MINUTE], stored[now - 101 * MINUTE]) == (1, 2)


async def test_a_revoked_block_is_refused_and_the_others_of_its_run_are_stored(
    writer: Writer, make_device: MakeDevice, pool: asyncpg.Pool, now: datetime
) -> None:
    good, revoked = await make_device(), await make_device()
    await pool.execute("UPDATE agent_devices SET agent_token = NULL WHERE id = $1", revoked.agent_id)
    uploads = [packed(device, now, minutes(now, 100)) for device in (revoked, good)]
    await writer.write(uploads)
    assert isinstance(uploads[0].error, RevokedTokenError)
    assert (uploads[0].inserted, uploads[1].inserted, uploads[1].error) == (0, 101, None)
    assert await values(pool, revoked) == {}


async def test_a_poisoned_block_fails_alone(
    writer: Writer, make_device: MakeDevice, pool: asyncpg.Pool, now: datetime
) -> None:
    devices = [await make_device() for _ in range(3)]
    uploads = [packed(one, now, minutes(now, 80, cpu_percent=150 if one is devices[1] else 1)) for one in devices]
    await writer.write(uploads)
    assert [one.inserted for one in uploads] == [81, 0, 81]
    assert isinstance(uploads[1].error, UnstorableUploadError)
    assert uploads[0].error is uploads[2].error is None


async def test_a_gap_of_days_makes_two_transactions(
    writer: Writer, device: Device, pool: asyncpg.Pool, now: datetime
) -> None:
    late = [Sample(one.collected_at - 5 * DAY, cpu_percent=1) for one in minutes(now, 70)]
    upload = packed(device, now, late + minutes(now, 70))
    await writer.write([upload])
    assert upload.inserted == 142
    query = "SELECT count(DISTINCT xmin::text) FROM agent_metrics WHERE agent_device_id = $1"
    assert await pool.fetchval(query, device.agent_id) == 2


async def test_a_counter_lower_than_the_one_stored_before_makes_the_first_row_a_break(
    writer: Writer, device: Device, pool: asyncpg.Pool, now: datetime
) -> None:
    def sample(age: int, received: int) -> Sample:
        return Sample(now - age * MINUTE, uptime_seconds=10**6 - age * 60, network_rx_bytes=received)

    before = packed(device, now, [sample(age, 10**9) for age in (100, 99)])
    after = packed(device, now, [sample(age, 500 - age) for age in range(98, 0, -1)])
    await writer.write([before])
    await writer.write([after])
    query = "SELECT network_rx_bytes FROM agent_metrics WHERE agent_device_id = $1 ORDER BY collected_at"
    stored = [row[0] for row in await pool.fetch(query, device.agent_id)]
    assert stored[:4] == [10**9, 10**9, -402 - 1, 403]
    assert after.inserted == 98


async def test_services_of_a_block_have_their_newest_state_and_since_when(
    writer: Writer, device: Device, pool: asyncpg.Pool, now: datetime
) -> None:
    samples = [
        Sample(now - age * MINUTE, services=[ListedService("sshd", "running" if age > 30 else "stopped")])
        for age in range(90, -1, -1)
    ]
    await writer.write([packed(device, now, samples)])
    query = "SELECT status, last_checked, last_state_change FROM agent_monitored_services WHERE agent_device_id = $1"
    (row,) = await pool.fetch(query, device.agent_id)
    assert tuple(row) == ("stopped", now, now - 30 * MINUTE)
