"""The counts of the upload path are those that the agents were told."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

import asyncpg

from api.services import Services
from core.clock import utc_now
from core.histogram import Histogram
from ingest.counters import IngestCounters
from ingest.pending import Upload
from ingest.samples import Decoded, Sample
from ingest.writer import Writer
from tests.devices import Device, sample

SECOND = timedelta(seconds=1)


def test_a_value_falls_into_the_first_bound_that_is_not_below_it() -> None:
    histogram = Histogram.of((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 2.1):
        histogram.add(value)
    assert (histogram.counts, histogram.total) == ([2, 2, 1], 7.1)


async def test_an_upload_counts_as_its_agent_is_told(services: Services, device: Device) -> None:
    tally = services.process.counts.uploads
    before = [tally.uploads, tally.accepted, tally.duplicates, sum(tally.flush_samples.counts)]
    too_old, noted = tally.rejected.get("too_old", 0), tally.noted.get("clamped", 0)
    around = tally.around_duplicates
    one, two = sample(SECOND, cpu_percent=1), sample(2 * SECOND, cpu_percent=2)
    await device.accepted(one)
    await device.accepted(one, two | {"cpu_percent": 101}, {"collected_at": "1999-12-31T23:59:59Z"})
    after = [tally.uploads, tally.accepted, tally.duplicates, sum(tally.flush_samples.counts)]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 2, 1, 2]
    assert tally.rejected["too_old"] == too_old + 1
    assert tally.noted["clamped"] == noted + 1
    assert tally.around_duplicates == around + 1
    assert sum(tally.upload_seconds.counts) == tally.uploads


async def test_a_refused_upload_counts_by_its_code(services: Services, device: Device) -> None:
    before = services.process.counts.uploads.refused.get("malformed_json", 0)
    assert (await device.post(b"{")).status_code == 400
    assert services.process.counts.uploads.refused["malformed_json"] == before + 1


async def test_a_flush_without_its_database_counts_as_failed() -> None:
    async def connect() -> asyncpg.Connection:
        raise OSError

    tally = IngestCounters()
    uploads: Sequence[Upload] = [Upload(uuid4(), "", utc_now(), Decoded(1, [Sample(utc_now())], [None], []))]
    uploads[0].make_rows()
    await Writer(connect, tally=tally).write(uploads)
    assert tally.failed == 1
    assert tally.failed_at > 0
