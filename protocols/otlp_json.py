"""OTLP metrics as JSON, typed: lowerCamelCase, 64-bit integers as text or number, unknown fields ignored."""

from typing import Any

import msgspec

Integer = int | str


class AnyValue(msgspec.Struct, rename="camel", frozen=True):
    """A value of an attribute; lists and maps are no names of anything here."""

    string_value: str | None = None
    int_value: Integer | None = None
    bool_value: bool | None = None
    double_value: float | str | None = None

    def text(self) -> str | None:
        """Return the value as text, None for lists and maps."""
        for value in (self.string_value, self.int_value, self.bool_value, self.double_value):
            if value is not None:
                return str(value)
        return None


class KeyValue(msgspec.Struct):
    """An attribute."""

    key: str
    value: AnyValue = AnyValue()


class DataPoint(msgspec.Struct, rename="camel"):
    """A point of a gauge or a sum."""

    attributes: list[KeyValue] = []
    time_unix_nano: Integer = 0
    as_double: float | str | None = None
    as_int: Integer | None = None
    flags: int = 0


class Points(msgspec.Struct, rename="camel"):
    """A gauge or a sum; temporality 1 is delta, 2 cumulative."""

    data_points: list[DataPoint] = []
    aggregation_temporality: int = 0


class Metric(msgspec.Struct, rename="camel"):
    """A metric; other kinds than these are not read."""

    name: str = ""
    gauge: Points | None = None
    sum: Points | None = None
    histogram: Any = None


class ScopeMetrics(msgspec.Struct, rename="camel"):
    """The metrics of one instrumentation scope."""

    metrics: list[Metric] = []


class Resource(msgspec.Struct, frozen=True):
    """What the metrics are of."""

    attributes: list[KeyValue] = []


class ResourceMetrics(msgspec.Struct, rename="camel"):
    """The metrics of one resource."""

    resource: Resource = Resource()
    scope_metrics: list[ScopeMetrics] = []


class Request(msgspec.Struct, rename="camel"):
    """ExportMetricsServiceRequest."""

    resource_metrics: list[ResourceMetrics] = []


_decoder = msgspec.json.Decoder(Request)


def decode(body: bytes) -> Request:
    """Return a request; a byte that isn't UTF-8 costs only its character. Raises msgspec.DecodeError."""
    try:
        return _decoder.decode(body)
    except UnicodeDecodeError:
        return _decoder.decode(body.decode("utf-8", "replace"))
