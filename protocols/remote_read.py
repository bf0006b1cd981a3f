"""Prometheus remote read: a snappy block of queries in, a snappy block of series out.

Field numbers: prometheus.io, "Remote Read API". Samples only: a client that offers streamed chunks takes samples too.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import cramjam
from google.protobuf.message import DecodeError

from protocols.errors import MalformedUploadError, TooManyReadError
from protocols.protobuf_messages import ReadRequest, ReadResponse
from protocols.remote_write import unpack, unpacked_size

MAX_UNPACKED = 1024 * 1024  # bytes of a request
MAX_QUERIES, MAX_MATCHERS = 10, 50  # of a request, of a query
MAX_SAMPLES = 2_000_000  # of an answer; about 40 bytes each while it is composed
SAMPLES_A_PIECE = 1_000  # composed at once, in some milliseconds
# A sample is the newest value for five minutes after its time: a wider bucket repeats its value within itself.
LOOKBACK = timedelta(minutes=4, seconds=59)
MILLISECOND = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

Matcher = tuple[str, int, str]  # label, type (0 equal, 1 unequal, 2 matches, 3 doesn't match), value


@dataclass(frozen=True, slots=True)
class ReadQuery:
    """One query: a range in UTC, the matchers, and the requested distance of points (0: unknown)."""

    start: datetime
    end: datetime
    matchers: Sequence[Matcher]
    step: timedelta


@dataclass(frozen=True, slots=True)
class ReadSeries:
    """One series of an answer: labels, and values at times in UTC."""

    labels: Mapping[str, str]
    points: Iterable[tuple[datetime, float]]


def read_queries(body: bytes) -> list[ReadQuery]:
    """Return the queries of a body; an empty body has none. Raises MalformedUploadError."""
    if not body:
        return []
    if unpacked_size(body) > MAX_UNPACKED:
        raise MalformedUploadError(f"The request is over {MAX_UNPACKED} bytes.")
    request: Any = ReadRequest()
    try:
        request.ParseFromString(unpack(body))
    except (DecodeError, RecursionError) as error:
        raise MalformedUploadError(f"The body is not a remote read request: {error}.") from None
    if len(request.queries) > MAX_QUERIES or any(len(query.matchers) > MAX_MATCHERS for query in request.queries):
        raise MalformedUploadError(f"A request has at most {MAX_QUERIES} queries of {MAX_MATCHERS} matchers each.")
    return [
        ReadQuery(
            to_time(query.start_timestamp_ms), to_time(query.end_timestamp_ms),
            [(matcher.name, matcher.type, matcher.value) for matcher in query.matchers],
            timedelta(milliseconds=min(max(query.hints.step_ms, 0), 10**12)),
        )
        for query in request.queries
    ]  # fmt: skip


def to_time(milliseconds: int) -> datetime:
    """Return a time in UTC; clients ask for the beginning and the end of all time."""
    bounds = ((bound - EPOCH) // timedelta(milliseconds=1) for bound in (EARLIEST, LATEST))
    earliest, latest = bounds
    return EPOCH + timedelta(milliseconds=min(max(milliseconds, earliest), latest))


class ReadAnswer:
    """The body of an answer: a result for each query, and in it the series that are added.

    Others have their turn between the samples of a large answer, and its samples are bounded.
    """

    def __init__(self, most: int = MAX_SAMPLES) -> None:
        """`most`: samples of the whole answer."""
        self._response: Any = ReadResponse()
        self._result: Any = None
        self._most = most
        self._samples = 0

    def begin(self) -> None:
        """Begin the result of the next query."""
        self._result = self._response.results.add()

    async def add(self, series: ReadSeries) -> None:
        """Add one series to the result; raises TooManyReadError."""
        added = self._result.timeseries.add()
        for name, value in sorted(series.labels.items()):
            added.labels.add(name=name, value=value)
        points = iter(series.points)
        while piece := list(islice(points, SAMPLES_A_PIECE)):
            self._count(len(piece))
            for time, number in piece:
                added.samples.add(value=number, timestamp=(time - EPOCH) // MILLISECOND)
            await asyncio.sleep(0)

    def _count(self, samples: int) -> None:
        self._samples += samples
        if self._samples > self._most:
            raise TooManyReadError(
                f"This request reaches over {self._most} samples: ask for fewer devices or less time."
            )

    def body(self) -> bytes:
        """Return the answer as a snappy block."""
        return bytes(cramjam.snappy.compress_raw(self._response.SerializeToString()))


def repeated(
    times: Sequence[datetime], values: Sequence[float | None], width: timedelta, end: datetime
) -> Iterable[tuple[datetime, float]]:
    """Yield the values of buckets as samples, so that each is the newest one throughout its bucket."""
    for time, value in zip(times, values, strict=True):
        until = min(time + width, end + timedelta(milliseconds=1))
        while value is not None:
            yield time, value
            time += LOOKBACK
            if time >= until or width <= LOOKBACK + timedelta(seconds=1):
                break
