"""OTLP metrics as JSON, typed: lowerCamelCase, 64-bit integers as text or number, unknown fields ignored."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

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
    """An attribute; protobuf's JSON leaves out an empty key."""

    key: str = ""
    value: AnyValue = AnyValue()


class DataPoint(msgspec.Struct, rename="camel"):
    """A point of a gauge or a sum."""

    attributes: list[KeyValue] = []
    time_unix_nano: Integer = 0
    as_double: float | str | None = None
    as_int: Integer | None = None
    flags: int = 0


class OtlpPoints(msgspec.Struct, rename="camel"):
    """A gauge or a sum; temporality 1 is delta, 2 cumulative."""

    data_points: list[DataPoint] = []
    aggregation_temporality: int = 0


class OtlpMetric(msgspec.Struct, rename="camel"):
    """A metric; other kinds than these are not read."""

    name: str = ""
    gauge: OtlpPoints | None = None
    sum: OtlpPoints | None = None
    histogram: Any = None


class ScopeMetrics(msgspec.Struct, rename="camel"):
    """The metrics of one instrumentation scope."""

    metrics: list[OtlpMetric] = []


class Resource(msgspec.Struct, frozen=True):
    """The resource of the metrics."""

    attributes: list[KeyValue] = []


class ResourceMetrics(msgspec.Struct, rename="camel"):
    """The metrics of one resource."""

    resource: Resource = Resource()
    scope_metrics: list[ScopeMetrics] = []


class OtlpRequest(msgspec.Struct, rename="camel"):
    """ExportMetricsServiceRequest."""

    resource_metrics: list[ResourceMetrics] = []


class RawRequest(msgspec.Struct, rename="camel"):
    """A request whose resources are decoded one by one."""

    resource_metrics: list[msgspec.Raw] = []


class RawResourceMetrics(msgspec.Struct, rename="camel"):
    """A resource whose scopes are decoded one by one."""

    resource: Resource = Resource()
    scope_metrics: list[msgspec.Raw] = []


class RawScopeMetrics(msgspec.Struct, rename="camel"):
    """A scope whose metrics are decoded one by one."""

    metrics: list[msgspec.Raw] = []


_decoder = msgspec.json.Decoder(OtlpRequest)
_raw_request, _raw_resource, _raw_scope, _metric = (
    msgspec.json.Decoder(RawRequest), msgspec.json.Decoder(RawResourceMetrics), msgspec.json.Decoder(RawScopeMetrics),
    msgspec.json.Decoder(OtlpMetric),
)  # fmt: skip
T = TypeVar("T")
Refuse = Callable[[str], None]


def decode(body: bytes, refuse: Refuse) -> Iterable[ResourceMetrics]:
    """Return the resources of a request; `refuse` gets the reason of each resource, scope or metric that is left out.

    A byte that isn't UTF-8 costs only its character. Raises msgspec.DecodeError when the body is no request.
    """
    try:
        return _decoder.decode(body).resource_metrics
    except UnicodeDecodeError:
        return decode(body.decode("utf-8", "replace").encode(), refuse)
    except msgspec.ValidationError:
        return decode_apart(_raw_request.decode(body).resource_metrics, refuse)


def decode_apart(resources: Iterable[msgspec.Raw], refuse: Refuse) -> Iterator[ResourceMetrics]:
    """Yield the resources, without the parts that do not fit."""
    for resource in each(_raw_resource, resources, refuse):
        metrics = [
            metric
            for scope in each(_raw_scope, resource.scope_metrics, refuse)
            for metric in each(_metric, scope.metrics, refuse)
        ]
        yield ResourceMetrics(resource.resource, [ScopeMetrics(metrics)])


def each(decoder: "msgspec.json.Decoder[T]", parts: Iterable[msgspec.Raw], refuse: Refuse) -> Iterator[T]:
    """Yield the parts that can be decoded."""
    for part in parts:
        try:
            yield decoder.decode(part)
        except msgspec.DecodeError as error:
            refuse(str(error)[:200])
