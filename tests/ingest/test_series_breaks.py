"""Breaks of counters in a flush are those that a comparison of each sample with the one before it finds."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from core.series import SERIES_BY_NAME
from ingest.pending import Row, Upload
from ingest.samples import Decoded, Sample
from ingest.series_breaks import CounterUse, counter_reading, find_suspects, mark_breaks, with_breaks
from ingest.series_registry import CounterReading, DeviceSeries
from ingest.series_rows import join_rows, make_slot, pack_values
from ingest.series_values import Flat

BASE = datetime(2026, 3, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
METRICS = ("network.rx_bytes", "network.tx_bytes", "disk.percent")
SLOTS = [make_slot(number, "a", SERIES_BY_NAME[name]) for number, name in enumerate(METRICS, 1)]

amounts = st.integers(0, 6)
# Of a sample: minutes since the one before, its values, and whether its uptime is that of a machine that runs on.
values = st.tuples(*[st.sampled_from((None, *range(7), *range(7))) for _ in SLOTS])
samples = st.tuples(st.integers(0, 3), values, st.sampled_from((None, False, *[True] * 10)))
flushes = st.lists(st.lists(samples, min_size=1, max_size=12), min_size=1, max_size=3)


class StoredCounters:
    """The newest values that the database has of a device."""

    def __init__(self, values: dict[int, CounterUse]) -> None:
        self.values = values

    async def fetch(self, *_: Any) -> list[dict[str, Any]]:
        return [{"id": place, "value": use.value, "at": use.at} for place, use in self.values.items()]


def flats_of(series: DeviceSeries, began: int, flush: Sequence[Any]) -> list[Flat]:
    """Return a flush of one device, in the order of time, which begins `began` minutes after BASE."""
    flats, minute, agent_id = [], began, uuid4()
    for step, measured, runs_on in flush:
        minute += step
        at = BASE + minute * MINUTE
        uptime = None if runs_on is None else 86_400 + 60 * minute if runs_on else 30
        sample = Sample(at, uptime_seconds=uptime)
        upload = Upload(agent_id, "", at, Decoded(1, [sample], [None], []))
        pairs = [(slot, float(value)) for slot, value in zip(SLOTS, measured, strict=True) if value is not None]
        slots, numbers = [slot for slot, _ in pairs], [value for _, value in pairs]
        row = Row(upload, sample, at, b"")
        flats.append(Flat(row, series, minute, slots, numbers, pack_values(numbers), join_rows(slots)))
    return flats


def one_by_one(flats: Sequence[Flat], stored: dict[int, CounterUse], before: CounterReading | None) -> list[bytes]:
    counted, packed = dict(stored), []
    for flat in flats:
        packed.append(with_breaks(flat, counted, before).packed)
        before = counter_reading(flat)
    return packed


@given(
    flushes,
    st.lists(st.integers(-5, 30), min_size=3, max_size=3),
    st.dictionaries(st.integers(1, 2), st.tuples(amounts, st.integers(-5, 30))),
)
async def test_breaks_are_those_of_a_comparison_one_by_one(
    some: list[Any], begins: list[int], newest: dict[int, tuple[int, int]]
) -> None:
    ours, reference = DeviceSeries(0), DeviceSeries(0)
    stored = {place: CounterUse(value, BASE + minute * MINUTE) for place, (value, minute) in newest.items()}
    for began, flush in zip(begins, some, strict=False):
        expected = flats_of(reference, began, flush)
        before = reference.reading
        suspects = find_suspects(expected)
        packed = one_by_one(expected, stored, before) if suspects else [flat.packed for flat in expected]
        flats = flats_of(ours, began, flush)
        marked = await mark_breaks(StoredCounters(stored), flats)  # type: ignore[arg-type]
        assert [flat.packed for flat in marked] == packed
