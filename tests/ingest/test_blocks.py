"""Blocks hold the same rows as uploads without them, and share transactions by time; no database."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.metrics import LOADS, METRICS
from ingest.copy_rows import END, SIGNATURE
from ingest.pending import Row, Upload
from ingest.samples import Decoded, ListedService, Sample
from ingest.transaction_groups import MAX_GAP, blocks_and_rows, cut_run, rows_in_order, rows_of, run_data, split_blocks
from ingest.writer import MAX_AT_ONCE

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NAMES = [metric.name for metric in METRICS if metric not in LOADS]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    name: st.one_of(st.integers(0, 100), st.floats(0, 100)) for name in NAMES
} | {"load_average": st.tuples(*[st.floats(0, 9)] * len(LOADS))}


def upload(samples: list[Sample], unknown: bytes | None = None, device: UUID | None = None) -> Upload:
    return Upload(device or uuid4(), "", NOW, Decoded(len(samples), samples, [unknown] * len(samples), []))


def packed(samples: list[Sample], size: int = 3, device: UUID | None = None) -> Upload:
    pending = upload(samples, device=device)
    for _ in pending.pack(size):
        pass
    return pending


def encoded(rows: list[Row]) -> list[bytes]:
    return [row.encoded for row in rows]


def row_by_row(packed: Upload) -> Upload:
    pending = upload(packed.decoded.samples, device=packed.agent_id)
    pending.make_rows()
    return pending


@st.composite
def alike(draw: st.DrawFn) -> list[Sample]:
    """Samples in the order of their times that have the same metrics."""
    names = draw(st.sets(st.sampled_from(sorted(VALUES))))
    ages = draw(st.lists(st.integers(0, 10**7), min_size=1, max_size=12, unique=True).map(sorted))
    return [Sample(NOW - timedelta(seconds=age), **{name: draw(VALUES[name]) for name in names}) for age in ages[::-1]]


@given(alike(), st.integers(1, 5))
def test_a_block_holds_the_bytes_of_its_rows(samples: list[Sample], size: int) -> None:
    block_upload = packed(samples, size)
    assert block_upload.block
    assert (block_upload.rows, block_upload.count) == ([], len(samples))
    assert encoded(rows_of(block_upload)) == encoded(row_by_row(block_upload).rows)


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_counter_that_falls_is_a_break_in_a_block_too(place: int) -> None:
    samples = [
        Sample(NOW + n * MINUTE, uptime_seconds=10**6 + n * 60, network_rx_bytes=10**6 * n + (n < place) * 10**8)
        for n in range(6)
    ]
    block_upload = packed(samples)
    assert block_upload.block
    assert encoded(rows_of(block_upload)) == encoded(row_by_row(block_upload).rows)
    assert block_upload.block.row(place) != packed([samples[place]]).block.row(0)  # type: ignore[union-attr]


@given(alike().flatmap(lambda samples: st.tuples(st.just(samples), st.permutations(samples))))
def test_samples_in_any_order_are_stored_as_those_in_the_order_of_their_times(
    orders: tuple[list[Sample], list[Sample]],
) -> None:
    in_order, shuffled = orders
    device = uuid4()
    assert encoded(rows_of(packed(shuffled, device=device))) == encoded(rows_of(packed(in_order, device=device)))
    assert packed(shuffled).block


def test_two_samples_of_one_time_store_the_first_with_its_unknown_fields() -> None:
    later, first, second = (Sample(NOW + n * MINUTE, cpu_percent=value) for n, value in ((1, 1), (0, 2), (0, 3)))
    unsorted = Decoded(3, [later, first, second], [b"1", b"2", b"3"], [])
    made = Upload(uuid4(), "", NOW, unsorted)
    assert (made.decoded.samples, made.decoded.unknown) == ([first, second, later], [b"2", b"3", b"1"])


@pytest.mark.parametrize("change", [{"cpu_percent": None}, {"load_average": (1, None, 2)}, {"disks": [{}]}, "later"])
def test_samples_that_are_not_alike_become_rows(change: Any) -> None:
    values: dict[str, Any] = {"cpu_percent": 1, "load_average": (1, 2, 3)}
    samples = [Sample(NOW + n * MINUTE, **values) for n in range(5)]
    samples[3] = Sample(NOW, **values) if change == "later" else Sample(NOW + 3 * MINUTE, **(values | change))
    row_upload = packed(samples)
    assert row_upload.block is None
    assert encoded(row_upload.rows) == encoded(row_by_row(row_upload).rows)


def test_samples_with_unknown_fields_become_rows() -> None:
    row_upload = upload([Sample(NOW, cpu_percent=1)] * 2, b'{"a":1}')
    assert list(row_upload.pack(9)) == [None]
    assert row_upload.block is None
    assert len(row_upload.rows) == 2


ages = st.lists(st.integers(0, 27 * 86_400), min_size=1, max_size=30, unique=True)


@given(st.lists(ages, min_size=1, max_size=4))
def test_every_sample_is_in_one_run_and_runs_are_cut_at_every_gap(fleet: list[list[int]]) -> None:
    uploads = [packed([Sample(NOW - timedelta(seconds=age)) for age in sorted(each)[::-1]]) for each in fleet]
    runs = split_blocks(uploads, MAX_AT_ONCE)
    times_by_run = [sorted(row.collected_at for row in rows_in_order(run, uploads)) for run in runs]
    assert sorted(at for run in times_by_run for at in run) == sorted(
        NOW - timedelta(seconds=age) for each in fleet for age in each
    )
    if len(runs) <= 40:
        assert all(after - before <= MAX_GAP for run in times_by_run for before, after in pairwise(run))
        assert all(after[0] - before[-1] > MAX_GAP for before, after in pairwise(times_by_run))


@given(st.lists(ages, min_size=1, max_size=4), st.integers(1, 20))
def test_pieces_of_a_run_have_its_samples_in_order_and_no_more_than_they_may(fleet: list[list[int]], most: int) -> None:
    uploads = [packed([Sample(NOW - timedelta(seconds=age)) for age in sorted(each)[::-1]]) for each in fleet]
    for run in split_blocks(uploads, MAX_AT_ONCE):
        pieces = list(cut_run(run, most))
        rows = [encoded(list(part.rows())) for piece in pieces for part in piece]
        assert [each for part in rows for each in part] == [each for part in run for each in encoded(list(part.rows()))]
        sizes = [sum(part.stop - part.start for part in piece) for piece in pieces]
        assert all(size == most for size in sizes[:-1])
        assert 0 < sizes[-1] <= most


async def data_of(uploads: list[Upload]) -> bytes:
    (run,) = split_blocks(uploads, MAX_AT_ONCE)
    return b"".join([piece async for piece in run_data(run)])


def test_a_run_is_copied_hour_by_hour_each_row_once() -> None:
    uploads = [packed([Sample(NOW - n * MINUTE, cpu_percent=k) for n in range(150)][::-1]) for k in range(3)]
    data = asyncio.run(data_of(uploads))
    rows = {row.encoded: row.collected_at for one in uploads for row in rows_of(one)}
    width = len(next(iter(rows)))
    body = data.removeprefix(SIGNATURE).removesuffix(END)
    order = [rows.pop(body[start : start + width]) for start in range(0, len(body), width)]
    assert not rows
    hours = [at.replace(minute=0) for at in order]
    assert hours == sorted(hours)


def test_a_device_with_rows_beside_its_block_has_rows_only() -> None:
    device = uuid4()
    blocks = [packed([Sample(NOW)], device=device), packed([Sample(NOW)])]
    beside = row_by_row(blocks[0])
    assert blocks_and_rows([blocks[0], beside, blocks[1]]) == ([blocks[1]], [blocks[0], beside])


def test_a_part_shows_the_ends_and_the_samples_that_list_services() -> None:
    samples = [Sample(NOW + n * MINUTE, services=[ListedService("a", "running")] if n % 3 else None) for n in range(8)]
    ((part,),) = split_blocks([packed(samples)], MAX_AT_ONCE)
    assert [row.sample for row in part.device_rows()] == [samples[n] for n in (0, 1, 2, 4, 5, 7)]
