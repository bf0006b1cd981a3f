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
from uuid import UUID

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
    if not suspects:
        return flats
    rows = await connection.fetch(*QUERIES.bind("read_counters", devices=list(suspects.values())))
    counted = {row["id"]: CounterUse(row["value"], row["at"]) for row in rows}
    stored = []
    for flat in flats:
        if flat.series in suspects:
            stored.append(with_breaks(flat, counted, before[flat.series]))
            before[flat.series] = counter_reading(flat)
        else:
            stored.append(flat)
    return stored


def find_suspects(flats: Sequence[Flat]) -> dict[DeviceSeries, UUID]:
    """Return the devices of which a counter may have fallen, and keep the newest reading of each."""
    suspects = {}
    for flat in flats:
        last, reading = flat.series.reading, counter_reading(flat)
        if last is not None and reading.at <= last.at:
            if reading.at == last.at and last.uptime is None:  # a part of the same sample brought it
                flat.series.reading = last._replace(uptime=reading.uptime)
            continue
        flat.series.reading = reading
        if not reading.counters:
            continue
        if last is None or last.key != reading.key or any(map(lt, reading.counters, last.counters)):
            suspects[flat.series] = flat.row.upload.agent_id
    return suspects


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
    at, values = flat.row.collected_at, list(flat.values)
    started = before is None or was_started(
        before.uptime, before.at, flat.row.sample, are_parts=flat.row.upload.merges
    )  # fmt: skip
    for place, (slot, value) in enumerate(zip(flat.slots, flat.values, strict=True)):
        last = counted.get(slot.id)
        if not slot.metric.is_counter or (last is not None and at <= last.at):
            continue
        counted[slot.id] = CounterUse(value, at)
        if last is not None and not started and fell(last.value, value):
            values[place] = -value - 1
    return replace(flat, values=values, packed=pack_values(values))
