"""The fleet for other monitoring: GET /api/fleet/metrics to scrape, POST /api/v1/read as Prometheus reads remotely."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Query, Request, Response

from api.auth import CurrentReader, Reader
from api.services import Services, get_services
from api.web_turns import WebTurns
from core.errors import RtsError
from core.metrics import METRICS, Kind, Metric
from core.micros import to_time
from db.hypertables.policies import DAY, HOUR, MINUTE
from devices.fleet import matching_series, newest_samples
from protocols.fleet_text import expose_fleet
from protocols.remote_read import ReadAnswer, ReadQuery, ReadSeries, read_queries, repeated
from rollups.choose import MAX_POINTS, MAX_RANGE
from rollups.plans import HistoryQuery

router = APIRouter(tags=["fleet"])

INFO = "rts_device_info"
# Counters are read as rates: a rollup has no counter to take a rate of.
BY_SERIES = {
    f"rts_{metric.name}{'_per_second' if metric.kind is Kind.COUNTER else ''}": metric for metric in METRICS
}  # fmt: skip
RAW = timedelta()
# The widths of points, and for how long a range each serves.
WIDTHS = ((RAW, 6 * HOUR), (5 * MINUTE, MAX_POINTS * 5 * MINUTE), (HOUR, MAX_POINTS * HOUR), (DAY, MAX_RANGE))
PROTOBUF = "application/x-protobuf"
# Remote reads at once: an answer takes up to 80 MB, and a business with slow reads must not stop the others.
READS, READS_OF_BUSINESS = 4, 2
_turns = WebTurns(READS, READS_OF_BUSINESS)


class NotSnappyError(RtsError):
    """Send a snappy block with Content-Encoding: snappy, as Prometheus does."""

    code: ClassVar[str] = "unsupported_upload"
    status: ClassVar[int] = 415


@router.get(
    "/api/fleet/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": 'rts_cpu_percent{device="front-desk-1"} 12.5\n'}}}},
)
async def scrape_fleet(
    request: Request,
    reader: CurrentReader,
    business_id: Annotated[UUID | None, Query(description="only this business's devices")] = None,
) -> Response:
    """Read the newest sample of each device in Prometheus' text format or OpenMetrics, as Accept asks.

    At most 5,000 devices, by name. A device whose newest sample is older than 5 minutes, or than three of its
    intervals, has only its information, status and time.
    """
    services = get_services(request)
    rows = await newest_samples(services.pool, reader.tenant, business_id, services.clock())
    body, content_type = expose_fleet([dict(row) for row in rows], request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": content_type})


@router.post(
    "/api/v1/read",
    response_class=Response,
    responses={200: {"content": {PROTOBUF: {}}, "description": "a snappy block with the samples"}},
)
async def remote_read(request: Request, reader: CurrentReader) -> Response:
    """Answer Prometheus' remote read: a snappy block of queries, samples in return.

    Series are `rts_cpu_percent` and so on, counters as `rts_network_rx_bytes_per_second`, and `rts_device_info`, with
    the labels device, device_id and business. A query reaches at most 500 series, an answer at most 2,000,000 samples.
    """
    services = get_services(request)
    body = await request.body()
    if body and request.headers.get("content-encoding", "").lower() != "snappy":
        raise NotSnappyError
    queries, answer = read_queries(body), ReadAnswer()
    async with _turns.of(reader.tenant):
        for query in queries:
            answer.begin()
            async for series in find_series(services, reader, query):
                await answer.add(series)
        return Response(answer.body(), media_type=PROTOBUF, headers={"Content-Encoding": "snappy"})


async def find_series(services: Services, reader: Reader, query: ReadQuery) -> AsyncIterator[ReadSeries]:
    """Yield the series of one query, device by device; raises TooManySeriesError, BadMatcherError."""
    now = services.clock()
    start, end = max(query.start, now - MAX_RANGE), min(query.end + timedelta(milliseconds=1), now + 5 * MINUTE)
    if start >= end:
        return
    rows = await matching_series(services.pool, reader.tenant, [*BY_SERIES, INFO], query.matchers)
    for device_id in dict.fromkeys(row["id"] for row in rows):
        labels = {row["name"]: series_labels(row) for row in rows if row["id"] == device_id}
        if INFO in labels:
            yield ReadSeries(labels[INFO], ((time, 1.0) for time in list_times(query, start, end)))
        metrics = {name: BY_SERIES[name] for name in labels if name in BY_SERIES}
        if metrics:
            for series in await read_device(services, reader, device_id, metrics, labels, (start, end, query.step)):
                yield series


async def read_device(
    services: Services,
    reader: Reader,
    device_id: UUID,
    metrics: dict[str, Metric],
    labels: dict[str, dict[str, str]],
    time: tuple[datetime, datetime, timedelta],
) -> list[ReadSeries]:
    """Return the series of one device from the level that fits the client's steps."""
    start, end, step = time
    columns = tuple(metrics.values())
    width = choose_width(end - start, step)
    query = HistoryQuery(device_id, start, end, columns, width, aggregates=("avg",))
    history = await services.charts.read(reader.tenant, query, services.clock())
    points = history.points
    times = list(map(to_time, points.times))
    return [
        ReadSeries(labels[name], repeated(times, points.values[metric.name], history.choice.width, end))
        for name, metric in metrics.items()
        if metric.name in points.values
    ]


def choose_width(span: timedelta, step: timedelta) -> timedelta:
    """Return the width of points: as fine as the steps require, and coarse enough for the range."""
    return next((width for width, longest in WIDTHS if span <= longest and not is_too_fine(width, step)), WIDTHS[-1][0])


def is_too_fine(width: timedelta, step: timedelta) -> bool:
    """Return whether the next coarser width still gives a point for each step."""
    coarser = next((one for one, _ in WIDTHS if one > width), None)
    return coarser is not None and coarser <= step


def list_times(query: ReadQuery, start: datetime, end: datetime) -> Iterable[datetime]:
    """Return times of a series that is always there: the end, and as many before it as the client may look at."""
    last = min(query.end, end)
    every = max(query.step, 4 * MINUTE, (end - start) / MAX_POINTS)
    count = min(int((last - start) / every), MAX_POINTS)
    return (last - every * number for number in range(count, -1, -1))


def series_labels(row: asyncpg.Record | dict[str, Any]) -> dict[str, str]:
    """Return the labels of a series; those without a value are left out."""
    labels = {"__name__": row["name"], "device": row["device_name"], "device_id": str(row["id"])}
    labels |= {"business": row["business_name"] or ""}
    if row["name"] == INFO:
        labels["os"] = row["os_type"] or ""
    return {name: value for name, value in labels.items() if value}
