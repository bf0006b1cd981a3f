"""Marks values of counter series that fall although the device was not restarted: each is stored as a break.

As with the counters among the columns (`counter_breaks.py`), a break is stored as -value - 1. The process compares
each sample with the one that it saw before. Only if a counter seems to have fallen, or if there was no sample before,
the previous values are read from the database: another process may have stored them.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from operator import lt
from typing import NamedTuple

import asyncpg

from db.sql import load_beside
from ingest.counter_breaks import fell, was_started
from ingest.series_registry import CounterReading, DeviceSeries
from ingest.series_rows import pack_values
from ingest.series_values import Flat

QUERIES = load_beside(__file__, "series.sql")


class CounterUse(NamedTuple):
    """The value of a counter in the previous sample."""

    value: float
    at: datetime


async def mark_breaks(connection: asyncpg.Connection, flats: Sequence[Flat]) -> Sequence[Flat]:
    """Return the samples as they are stored, in the order of time as they come."""
    before = {flat.series: flat.series.reading for flat in flats}
    suspects = find_suspects(flats)
    devices = {flats[place].series: flats[place].row.upload.agent_id for place in suspects}
    if not devices:
        return flats
    rows = await connection.fetch(*QUERIES.bind("read_counters", devices=list(devices.values())))
    breaks = BreakFinder({row["id"]: CounterUse(row["value"], row["at"]) for row in rows}, before)
    return [
        breaks.next(flat, is_suspect=place in suspects) if flat.series in devices else flat
        for place, flat in enumerate(flats)
    ]


class BreakFinder:
    """Compares the samples of devices of which a counter may have fallen, in the order of time.

    Most of them are like the sample before, whose values were higher nowhere: they are only remembered.
    """

    def __init__(self, counted: dict[int, CounterUse], before: dict[DeviceSeries, CounterReading | None]) -> None:
        """Take the newest stored values by series, and the devices' readings before their first samples."""
        self._counted, self._before = counted, before
        self._previous: dict[DeviceSeries, Flat] = {}
        self._settled: dict[DeviceSeries, bool] = {}  # whether the newest values are those of the previous sample

    def next(self, flat: Flat, *, is_suspect: bool) -> Flat:
        """Return the next sample as it is stored."""
        series = flat.series
        previous = self._previous.get(series)
        self._previous[series] = flat
        if previous is not None:
            if not is_suspect and self._settled[series]:
                return flat
            count_counters(previous, self._counted)
        stored = with_breaks(flat, self._counted, counter_reading(previous) if previous else self._before[series])
        self._settled[series] = all(
            self._counted[slot.id] == (value, flat.row.collected_at)
            for slot, value in zip(flat.slots, flat.values, strict=True)
            if slot.metric.is_counter
        )
        return stored


def find_suspects(flats: Sequence[Flat]) -> set[int]:
    """Return the places of samples in which a counter may have fallen, and keep the newest reading of each device.

    If a device has such a sample, its older samples, those without counters and the ones after these count too.
    """
    suspects, others = set[int](), dict[int, DeviceSeries]()
    after_others = set[DeviceSeries]()
    for place, flat in enumerate(flats):
        series, reading = flat.series, counter_reading(flat)
        last = series.reading
        is_late = last is not None and reading.at <= last.at
        if not is_late:
            series.reading = reading
        elif last and reading.at == last.at and last.uptime is None:  # a part of the same sample brought it
            series.reading = last._replace(uptime=reading.uptime)
        if is_late or not reading.counters:
            others[place] = series
            after_others.add(series)
            continue
        if last is None or last.key != reading.key or any(map(lt, reading.counters, last.counters)):
            suspects.add(place)
        elif series in after_others:
            others[place] = series
        after_others.discard(series)
    devices = {flats[place].series for place in suspects}
    return suspects.union(place for place, series in others.items() if series in devices)


def counter_reading(flat: Flat) -> CounterReading:
    """Return the counters of a sample, and its uptime."""
    row, shape = flat.row, flat.shape
    if shape:
        counters = shape.counters(flat.values)
    else:
        counters = tuple(
            value for slot, value in zip(flat.slots, flat.values, strict=True) if slot.metric.is_counter
        )  # fmt: skip
    key = shape or tuple(slot.id for slot in flat.slots)
    return CounterReading(row.collected_at, row.sample.uptime_seconds, key, counters)


def with_breaks(flat: Flat, counted: dict[int, CounterUse], before: CounterReading | None) -> Flat:
    """Return a sample with its breaks; `counted` has the values before, and gets those of this sample."""
    values = list(flat.values)
    started = before is None or was_started(
        before.uptime, before.at, flat.row.sample, are_parts=flat.row.upload.merges
    )  # fmt: skip
    for place, last, value in count_counters(flat, counted):
        if last is not None and not started and fell(last.value, value):
            values[place] = -value - 1
    return replace(flat, values=values, packed=pack_values(values))


def count_counters(flat: Flat, counted: dict[int, CounterUse]) -> list[tuple[int, CounterUse | None, float]]:
    """Put the counters of a sample that are newer into `counted`; return their places, values before and values."""
    at, newer = flat.row.collected_at, []
    for place, (slot, value) in enumerate(zip(flat.slots, flat.values, strict=True)):
        last = counted.get(slot.id)
        if slot.metric.is_counter and (last is None or at > last.at):
            counted[slot.id] = CounterUse(value, at)
            newer.append((place, last, value))
    return newer
