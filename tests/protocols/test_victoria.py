"""What the adapters decode of real requests equals what another decoder, VictoriaMetrics, read from the same bytes."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from protocols.line_protocol import Point, parse_lines
from protocols.mapping import Entry, MetricMapping
from protocols.otlp import protobuf_points
from protocols.protobuf_messages import RequestV1
from protocols.readings import MetricReading
from protocols.remote_write import series_v1, unpack
from tests.protocols.captures import FOLDER, captures_of

Value = tuple[frozenset[tuple[str, str]], int, float]  # labels with the name, milliseconds (0: not compared), value


@dataclass(frozen=True, slots=True)
class EveryName(MetricMapping):
    """A mapping that wants everything, so that nothing is skipped."""

    def find(self, protocol: str, name: str) -> list[Entry]:
        return [Entry(name, "custom.any.name")]


def exported(client: str, *, timed: bool = True) -> Counter[Value]:
    """Return what VictoriaMetrics read, each value with its labels."""
    values: Counter[Value] = Counter()
    for line in (FOLDER / client / "victoria-export.jsonl").read_text().splitlines():
        series = json.loads(line)
        for value, time in zip(series["values"], series["timestamps"], strict=True):
            values[frozenset(series["metric"].items()), time if timed else 0, rounded(value)] += 1
    return values


def rounded(value: float) -> float:
    """Return 12 digits: VictoriaMetrics stores decimal numbers."""
    return float(f"{value:.12g}")


def remote_write_values(client: str) -> Iterator[Value]:
    for capture in captures_of(client):
        request = RequestV1()
        request.ParseFromString(unpack(capture.body))
        for labels, samples in series_v1(request, EveryName()):
            for sample in samples:
                yield frozenset(labels.items()), sample.timestamp, rounded(sample.value)


def influx_values(client: str) -> Iterator[Value]:
    for capture in captures_of(client):
        body = gzip.decompress(capture.body) if capture.encoding == "gzip" else capture.body
        for point in parse_lines(body.decode()):
            assert isinstance(point, Point)
            for name, value in point.fields.items():
                yield frozenset({"__name__": f"{point.measurement}_{name}", **point.tags}.items()), 0, rounded(value)


@pytest.mark.parametrize("client", ["prometheus-2.42-rw1-relabelled", "vmagent-1.145"])
def test_every_series_of_remote_write_is_read_as_by_victoriametrics(client: str) -> None:
    assert Counter(remote_write_values(client)) == exported(client)


def test_every_number_of_glances_is_read_as_by_victoriametrics() -> None:
    ours, theirs = Counter(influx_values("glances-4.5-influxdb2")), exported("glances-4.5-influxdb2", timed=False)
    assert ours - theirs == Counter()
    assert {value for _, _, value in theirs - ours} == {0}  # texts, which it takes as 0
    assert ours.total() >= 1000


def test_influxdb_clients_lines_are_read_where_victoriametrics_read_them() -> None:
    """It refused the lines with a raw newline in a string, which are legal: so these are more."""
    ours = Counter(influx_values("influxdb-client-python"))
    assert exported("influxdb-client-python", timed=False) - ours == Counter()


def test_every_point_of_opentelemetry_is_read_as_by_victoriametrics() -> None:
    theirs = Counter(
        (dict(labels)["__name__"], time, value) for labels, time, value in exported("otel-python-otlp-proto").elements()
    )
    points = []
    for capture in captures_of("otel-python-otlp-proto"):
        body = gzip.decompress(capture.body) if capture.encoding == "gzip" else capture.body
        points += list(protobuf_points(body, MetricReading(mapping=EveryName())))
    ours = Counter((point.name, point.time // 1000, rounded(point.value)) for point in points)
    assert ours
    assert ours - theirs == Counter()
