"""Prometheus remote write 1.0 and 2.0: snappy blocks of series → values.

A 2.0 body read as 1.0 is an empty, valid request, so the media type decides. Stale markers and other NaN are no values.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import cramjam
from google.protobuf.message import DecodeError

from protocols.errors import MalformedUploadError, UnsupportedUploadError
from protocols.mapping import EMPTY, MetricMapping
from protocols.prometheus_names import NAMES, series_host
from protocols.protobuf_messages import RequestV1, RequestV2
from protocols.readings import MetricReading

MILLISECOND = 1000
V1_TYPE, V2_TYPE = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"


def choose_version(content_type: str) -> int:
    """Return 1 or 2 by the media type; raises UnsupportedUploadError."""
    media, *parameters = (part.strip() for part in content_type.split(";"))
    values = dict(part.partition("=")[::2] for part in parameters)
    proto = values.get("proto", V1_TYPE).strip('"')
    if media.lower() != "application/x-protobuf" or proto not in (V1_TYPE, V2_TYPE):
        raise UnsupportedUploadError(f"Send application/x-protobuf; proto={V1_TYPE} or {V2_TYPE}.")
    return 2 if proto == V2_TYPE else 1


def unpacked_size(body: bytes) -> int:
    """Return the size that a snappy block announces, before it is unpacked; raises MalformedUploadError."""
    size = shift = 0
    for byte in body[:5]:
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            return size
        shift += 7
    raise MalformedUploadError("The body is not a snappy block: it announces no size.")


def unpack(body: bytes) -> bytes:
    """Decompress a snappy block after checking its announced size; raises MalformedUploadError."""
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise MalformedUploadError(f"The body is not a snappy block: {error}.") from None


def read_remote_write(message: bytes, version: int, mapping: MetricMapping = EMPTY) -> MetricReading:
    """Return the values of an unpacked body; raises MalformedUploadError."""
    request: Any = (RequestV1 if version == 1 else RequestV2)()
    try:
        request.ParseFromString(message)
    except (DecodeError, RecursionError) as error:
        raise MalformedUploadError(f"The body is not a remote write message: {error}.") from None
    reading = MetricReading(mapping=mapping)
    for labels, samples in series_v1(request, mapping) if version == 1 else series_v2(request):
        add_series(reading, labels, samples)
    return reading


def series_v1(request: Any, mapping: MetricMapping) -> Iterable[tuple[Mapping[str, str], Any]]:
    """Yield the labels and samples of each series; labels only where the name is one that a column takes."""
    for series in request.timeseries:
        name = next((label.value for label in series.labels if label.name == "__name__"), "")
        is_known = name in NAMES or mapping.find("prometheus", name)
        yield {label.name: label.value for label in series.labels} if is_known else {"__name__": name}, series.samples


def series_v2(request: Any) -> Iterable[tuple[Mapping[str, str], Any]]:
    """Yield the labels and samples of each series; raises MalformedUploadError for a symbol that isn't there."""
    symbols = list(request.symbols)
    for series in request.timeseries:
        refs = list(series.labels_refs)
        if len(refs) % 2 or (refs and max(refs) >= len(symbols)):
            raise MalformedUploadError("A label refers to a symbol that the request does not have.")
        yield {symbols[name]: symbols[value] for name, value in zip(refs[::2], refs[1::2], strict=True)}, series.samples


def add_series(reading: MetricReading, labels: Mapping[str, str], samples: Any) -> None:
    """Add the samples of one series; those of an unknown name are understood and left out."""
    name = labels.get("__name__", "")
    add, is_mapped = NAMES.get(name), bool(reading.mapping.find("prometheus", name))
    reading.points += len(samples)
    if add is None and not is_mapped:
        return
    reading.enter(series_host(labels))
    for sample in samples:
        if add is not None:
            add(reading, labels, sample.timestamp * MILLISECOND, sample.value)
        if is_mapped:
            reading.add_mapped("prometheus", name, labels, sample.timestamp * MILLISECOND, sample.value)
