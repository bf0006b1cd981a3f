"""Turns the rows of the chart query into points: rates of counters, and the share of expected samples (coverage).

All times and durations are whole microseconds (`core/micros.py`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from typing import Any, Protocol

from core.metrics import Kind, Metric
from core.micros import SECOND

# A counter's growth over a longer silence than this many samples isn't a rate of the bucket that ends it.
MAX_GAP_SAMPLES = 3
LONG_AGO = -(2**62)  # microseconds
RATE_PARTS = ("first", "last", "increase", "first_at", "last_at")


class PointRow(Protocol):
    """A row of the chart query: an asyncpg.Record, or a dict in a test."""

    def keys(self) -> Iterable[str]:
        """Return the names of the columns."""

    def values(self) -> Iterable[Any]:
        """Return the columns, in the same order."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The buckets of a chart: [start, until) in steps of `width` (zero: raw samples, no grid)."""

    start: int
    until: int
    width: int
    sample_every: int
    now: int  # no sample is expected after this
    former: Sequence[tuple[int, int]] = ()  # intervals before, each until when, in order
    days: Sequence[int] = ()  # where local days begin, and the end of the last one

    def buckets(self) -> Sequence[int]:
        """Return the start of every bucket, those without samples too."""
        if self.days:
            return [day for day in self.days[:-1] if self.start <= day < self.until]
        return range(self.start, self.until, self.width)

    def coverages(self, buckets: Sequence[int], samples: Sequence[int]) -> list[float]:
        """Return for each bucket the share of the samples expected by now that it holds, 0..1."""
        if not self.width:
            return [1.0] * len(buckets)
        until = min(self.until, self.now)
        if self.days:
            ends = dict(pairwise(self.days))
            return [
                share(count, self.expected(day, min(ends[day], max(until, day))))
                for day, count in zip(buckets, samples, strict=True)
            ]
        if self.former and buckets and self.former[-1][0] > buckets[0]:
            return [
                share(count, self.expected(bucket, min(bucket + self.width, max(until, bucket))))
                for bucket, count in zip(buckets, samples, strict=True)
            ]
        whole = self.width / self.sample_every
        shares = {count: share(count, whole) for count in set(samples)}
        cut_off = bisect_right(buckets, until - self.width)  # buckets from here on aren't over yet
        newest = zip(buckets[cut_off:], samples[cut_off:], strict=True)
        return [
            *(shares[count] for count in samples[:cut_off]),
            *(share(count, (until - bucket) / self.sample_every) for bucket, count in newest),
        ]

    def expected(self, start: int, end: int) -> float:
        """Return the expected number of samples in a range, by the device's intervals at the time."""
        count = 0.0
        for until, every in (*self.former, (end, self.sample_every)):
            part = min(until, end)
            if part > start:
                count += (part - start) / every
                start = part
        return count


def share(count: int, expected: float) -> float:
    """Return `count` as a share of the `expected` samples, 0..1; at least one sample is expected."""
    return round(min(1.0, count / max(1.0, expected)), 4)


@dataclass(frozen=True, slots=True)
class Points:
    """The points of a chart in time order, column by column.

    `values` holds a metric's averages (a counter's rates per second) by name, and its minima and maxima as
    `<name>_min`, `<name>_max`, as far as they were asked for; None where nothing was measured.
    """

    times: Sequence[int]
    samples: Sequence[int]
    coverage: Sequence[float]
    values: dict[str, Sequence[float | None]]


def make_points(rows: Sequence[PointRow], metrics: Sequence[Metric], grid: Grid) -> Points:
    """Return the points from `grid.start` on; rows before it only serve the first rates."""
    if not rows:
        return Points((), (), (), {})
    columns: dict[str, Sequence[Any]] = dict(
        zip(rows[0].keys(), zip(*(row.values() for row in rows), strict=True), strict=True)
    )
    for metric in metrics:
        if metric.kind is Kind.COUNTER:
            columns[metric.name] = rates(grid, *(columns.pop(f"{metric.name}_{part}") for part in RATE_PARTS))
    lead = bisect_left(columns["bucket"], grid.start)
    visible = {name: column[lead:] for name, column in columns.items()}
    times, samples = visible.pop("bucket"), visible.pop("sample_count")
    return Points(times, samples, grid.coverages(times, samples), visible)


def counter_growth(before: float, value: float) -> float:
    """Return the growth of a counter between two values, as the SQL function of this name within buckets."""
    if value >= before:
        return value - before
    return max(value, 0.0)  # the whole value after a reset to 0; nothing after a break, whose increase is unknown


def rates(
    grid: Grid,
    firsts: Sequence[float | None],
    lasts: Sequence[float],
    increases: Sequence[float],
    first_ats: Sequence[int],
    last_ats: Sequence[int],
) -> list[float | None]:
    """Return a counter's growth per second over each bucket, None where it is unknown."""
    measured = [first is not None for first in firsts]
    columns: list[Sequence[Any]] = [firsts, lasts, increases, first_ats, last_ats]
    if all(measured):
        return measured_rates(grid, *columns)
    values = iter(measured_rates(grid, *(tuple(compress(column, measured)) for column in columns)))
    return [next(values) if there else None for there in measured]


def measured_rates(
    grid: Grid,
    firsts: Sequence[float],
    lasts: Sequence[float],
    increases: Sequence[float],
    first_ats: Sequence[int],
    last_ats: Sequence[int],
) -> list[float | None]:
    """Return the rates of buckets that have values.

    A rate is counted from the last sample before the bucket, if that is near, unless the bucket begins with a break
    (below 0); else within the bucket. None for a single sample without one before.
    """
    values: list[float | None] = []
    # Over a longer silence the growth isn't a rate of the bucket that ends it.
    silence = max(MAX_GAP_SAMPLES * grid.sample_every, grid.width)
    buckets = zip(firsts, (0.0, *lasts), increases, first_ats, last_ats, (LONG_AGO, *last_ats), strict=False)
    for first, last, increase, since, until, before in buckets:
        if first >= 0 and since - before <= silence:
            increase += counter_growth(last, first)
            since = before
        values.append(increase / ((until - since) / SECOND) if until > since else None)
    return values
