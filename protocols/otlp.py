"""OTLP/HTTP metrics, protobuf and JSON → values.

Points of one collection differ by milliseconds: the times of a request are clustered, and a gap of more than a second
begins a new cell. Delta sums are refused: a counter can't be rebuilt from them after one lost request.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from protocols import otlp_json
from protocols.errors import MalformedUploadError, UnsupportedUploadError
from protocols.mapping import EMPTY, MetricMapping
from protocols.otlp_names import NAMES, OtlpPoint, add_point
from protocols.readings import MetricReading, floor

SECOND = 1_000_000
DELTA = 1
NO_RECORDED_VALUE = 1
HOST_ATTRIBUTES = ("host.name",)
PROTOBUF, JSON = "application/x-protobuf", "application/json"
# ValueError and OverflowError: numbers as text that are none, or too large for a float.
UNREADABLE = (DecodeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, OverflowError)


@dataclass(slots=True)
class RawPoint:
    """A point before its cell is known; `time` is in microseconds."""

    host: str
    name: str
    attributes: dict[str, str]
    time: int
    value: float


def read_otlp(body: bytes, content_type: str, received_at: int, mapping: MetricMapping = EMPTY) -> MetricReading:
    """Return the values of a request; `received_at` (microseconds) is the time of points that have none.

    Raises MalformedUploadError, UnsupportedUploadError.
    """
    media = content_type.partition(";")[0].strip().lower()
    if media not in (PROTOBUF, JSON):
        raise UnsupportedUploadError(f"Send {PROTOBUF} or {JSON}.")
    reading = MetricReading(mapping=mapping)
    try:
        read = protobuf_points(body, reading) if media == PROTOBUF else json_points(body, reading)
        points = list(read)
    except UNREADABLE as error:
        raise MalformedUploadError(f"The body is not an export request: {error}.") from None
    for point in points:
        point.time = point.time or received_at
    for host, host_points in by_host(points).items():
        reading.enter(host)
        starts = cell_starts(point.time for point in host_points)
        for point in host_points:
            cell = floor(starts[bisect_right(starts, point.time) - 1], SECOND)
            add_point(reading, OtlpPoint(point.name, point.attributes, cell, point.value))
    return reading


def by_host(points: Iterable[RawPoint]) -> dict[str, list[RawPoint]]:
    """Group points by host: each host collects at times of its own."""
    points_by_host: dict[str, list[RawPoint]] = {}
    for point in points:
        points_by_host.setdefault(point.host, []).append(point)
    return points_by_host


def cell_starts(times: Iterable[int]) -> list[int]:
    """Return where the cells of a request begin: at each time more than a second after the one before."""
    starts: list[int] = []
    before = -2 * SECOND
    for time in sorted(set(times)):
        if time - before > SECOND:
            starts.append(time)
        before = time
    return starts


def protobuf_points(body: bytes, reading: MetricReading) -> Iterator[RawPoint]:
    """Yield the points of names that a column takes; counts all of them."""
    request: Any = ExportMetricsServiceRequest()
    request.ParseFromString(body)
    for resource in request.resource_metrics:
        host = enter_host(reading, {one.key: one.value.string_value for one in resource.resource.attributes})
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            kind = metric.WhichOneof("data")
            if kind not in ("gauge", "sum"):
                continue
            data = getattr(metric, kind)
            reading.points += len(data.data_points)
            if kind == "sum" and data.aggregation_temporality == DELTA:
                refuse_delta(reading, metric.name, len(data.data_points))
            elif is_wanted(metric.name, reading):
                yield from (
                    protobuf_point(host, metric.name, point) for point in data.data_points if has_value(point.flags)
                )


def is_wanted(name: str, reading: MetricReading) -> bool:
    """Return whether a column or the mapping file takes a metric."""
    return name in NAMES or bool(reading.mapping.find("otlp", name))


def protobuf_point(host: str, name: str, point: Any) -> RawPoint:
    attributes = {one.key: attribute_text(one.value) for one in point.attributes}
    value = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
    return RawPoint(host, name, attributes, point.time_unix_nano // 1000, value)


def attribute_text(value: Any) -> str:
    """Return the value of an attribute as text, "" for lists and maps."""
    kind = value.WhichOneof("value")
    return str(getattr(value, kind)) if kind in ("string_value", "int_value", "bool_value", "double_value") else ""


def json_points(body: bytes, reading: MetricReading) -> Iterator[RawPoint]:
    """Yield the points of names that a column takes; counts all of them."""
    for resource in otlp_json.decode(body, reading.cannot_parse):
        host = enter_host(reading, {one.key: one.value.text() or "" for one in resource.resource.attributes})
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            data = metric.gauge or metric.sum
            if data is None:
                continue
            reading.points += len(data.data_points)
            if metric.sum is data and data.aggregation_temporality == DELTA:
                refuse_delta(reading, metric.name, len(data.data_points))
            elif is_wanted(metric.name, reading):
                yield from good_points(host, metric.name, data.data_points, reading)


def good_points(
    host: str, name: str, points: Iterable[otlp_json.DataPoint], reading: MetricReading
) -> Iterator[RawPoint]:  # fmt: skip
    """Yield the points that have a value; one whose number can't be read is refused alone."""
    for point in points:
        if has_value(point.flags):
            try:
                yield json_point(host, name, point)
            except (ValueError, OverflowError) as error:
                reading.refuse(f"{name[:120]}: {str(error)[:120]}")


def json_point(host: str, name: str, point: otlp_json.DataPoint) -> RawPoint:
    attributes = {one.key: one.value.text() or "" for one in point.attributes}
    value = point.as_double if point.as_int is None else point.as_int
    return RawPoint(host, name, attributes, int(point.time_unix_nano) // 1000, float("nan" if value is None else value))


def has_value(flags: int) -> bool:
    """Return whether a point has a value: the sender may flag it as not recorded."""
    return not flags & NO_RECORDED_VALUE


def enter_host(reading: MetricReading, attributes: dict[str, str]) -> str:
    """Set the host of the next points and note facts about it; returns its name."""
    host = resource_host(attributes)
    reading.enter(host)
    system = attributes.get("os.version") or attributes.get("os.description")
    reading.describe(
        host, hostname=attributes.get("host.name"), os_version=system, os_architecture=attributes.get("host.arch")
    )
    return host


def resource_host(attributes: dict[str, str]) -> str:
    """Return which host a resource is, "" when it names none."""
    return next((attributes[name] for name in HOST_ATTRIBUTES if attributes.get(name)), "")


def refuse_delta(reading: MetricReading, name: str, points: int) -> None:
    """Refuse the points of a delta sum."""
    if points:
        reading.refuse(f"{name[:120]}: delta temporality is not taken, set temporality to cumulative", points)
