"""From the rows of the chart query to points: rates of counters, and what share of the expected samples is there."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from db.metrics import Kind, Metric

# A counter's growth over a longer silence than this many samples isn't a rate of the bucket that ends it.
MAX_GAP_SAMPLES = 3


class Row(Protocol):
    """A row of the chart query: an asyncpg.Record, or a dict in a test."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The buckets of a chart: [start, until) in steps of `width` (zero: raw samples, no grid)."""

    start: datetime
    until: datetime
    width: timedelta
    sample_every: timedelta
    now: datetime  # no sample is expected after this

    def buckets(self) -> Iterator[datetime]:
        """Yield the start of every bucket, those without samples too."""
        steps = math.ceil((self.until - self.start) / self.width)
        return (self.start + step * self.width for step in range(steps))

    def coverage(self, bucket: datetime, samples: int) -> float:
        """Return the share of the samples expected by now that a bucket holds, 0..1."""
        if not self.width:
            return 1.0
        expected = (min(bucket + self.width, self.until, self.now) - bucket) / self.sample_every
        return round(min(1.0, samples / max(1.0, expected)), 4)


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket of a chart.

    `values` holds a metric's average (a counter's rate per second) by name, and its minimum and maximum as
    `<name>_min`, `<name>_max`; None where nothing was measured.
    """

    time: datetime
    samples: int
    coverage: float
    values: dict[str, float | None]


def make_points(rows: Sequence[Row], metrics: Sequence[Metric], grid: Grid) -> list[Point]:
    """Return the points from `grid.start` on; rows before it only serve the first rates."""
    points = []
    before: dict[str, Row] = {}  # by counter: the last row that had a value of it
    for row in rows:
        if row["bucket"] >= grid.start:
            samples = row["sample_count"]
            values = values_of(row, before, metrics, grid)
            points.append(Point(row["bucket"], samples, grid.coverage(row["bucket"], samples), values))
        counted = [metric.name for metric in metrics if metric.kind is Kind.COUNTER]
        before |= {name: row for name in counted if row[f"{name}_last"] is not None}
    return points


def values_of(row: Row, before: dict[str, Row], metrics: Sequence[Metric], grid: Grid) -> dict[str, float | None]:
    """Return a point's values by name."""
    values: dict[str, float | None] = {}
    for metric in metrics:
        if metric.kind is Kind.COUNTER:
            values[metric.name] = rate(row, before.get(metric.name), metric.name, grid)
        else:
            values |= {name: row[name] for name in (metric.name, f"{metric.name}_min", f"{metric.name}_max")}
    return values


def rate(row: Row, before: Row | None, name: str, grid: Grid) -> float | None:
    """Return a counter's growth per second over a bucket, None when it can't be known.

    It is counted from the last sample with a value before the bucket, if that is near; else within the bucket. A
    counter that is lower than before was reset to 0 in between, so it grew by what it shows.
    """
    first, increase, since = row[f"{name}_first"], row[f"{name}_increase"], row[f"{name}_first_at"]
    if first is None:
        return None
    # Over a longer silence the growth isn't a rate of the bucket that ends it.
    if before is not None and since - before[f"{name}_last_at"] <= max(MAX_GAP_SAMPLES * grid.sample_every, grid.width):
        last = before[f"{name}_last"]
        increase += first - last if first >= last else first
        since = before[f"{name}_last_at"]
    seconds = (row[f"{name}_last_at"] - since).total_seconds()
    return increase / seconds if seconds > 0 else None
