"""A capture that is cut anywhere into requests gives the same rows: each column, disk and interface of each client."""

import gzip
import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.metrics import LOADS, METRICS
from ingest.samples import Sample
from protocols.collectd import read_collectd
from protocols.fold import fold_samples
from protocols.influx import PRECISIONS, add_point, choose_cell
from protocols.line_protocol import Point, parse_lines
from protocols.memory import DeviceMemory
from protocols.readings import MeasuredValue, MetricReading
from tests.protocols.captures import CLIENTS, Capture, captures_of

Piece = list[MeasuredValue]  # what no client cuts: the values of a line, a value list, or a data point
Values = dict[tuple[int, str, str], Any]  # by time, column, and the name of the disk or interface
COLUMNS = tuple(metric.name for metric in METRICS if metric not in LOADS)
# What a set of instances is complete by needs the order of time: two cells that lack the same instance say it is gone.
ORDERED = ("memory_used_gb", "memory_percent", "cpu_percent")


def pieces_of(capture: Capture) -> list[Piece]:
    """Return what a request can be cut into."""
    body = gzip.decompress(capture.body) if capture.encoding == "gzip" else capture.body
    path = urlsplit(capture.path).path
    if path.endswith("/collectd"):
        return [read_collectd(json.dumps([values]).encode()).values for values in json.loads(body)]
    if path.endswith(("/v1/metrics", "/v1/write")):
        return [[one] for one in capture.read().values]
    return [read_point(point, capture) for point in parse_lines(body.decode()) if isinstance(point, Point)]


def read_point(point: Point, capture: Capture) -> Piece:
    reading, unit = MetricReading(), PRECISIONS[capture.query.get("precision") or "ns"]
    add_point(reading, point, choose_cell(point.time, unit, capture.received_at))
    return reading.values


def distinct(pieces: Iterable[Piece]) -> list[Piece]:
    """Leave out the second value of one thing at one time: the first one stays, so their order counts."""
    seen: set[tuple[object, ...]] = set()
    kept = []
    for piece in pieces:
        new = [one for one in piece if one[:3] not in seen]
        seen |= {one[:3] for one in new}
        kept.append(new)
    return [piece for piece in kept if piece]


PIECES = {
    client: distinct(piece for capture in captures_of(client) for piece in pieces_of(capture)) for client in CLIENTS
}


# This client sends both a share and cumulative seconds: the one that arrives first is stored.
TWO_WAYS = {"otel-python-otlp-proto", "otel-python-otlp-json"}


def values_of(sample: Sample, at: int) -> Values:
    """Return every value of a sample."""
    named = {(at, name, ""): getattr(sample, name) for name in COLUMNS}
    named |= {(at, load.name, ""): value for load, value in zip(LOADS, sample.load_average or (), strict=False)}
    for disk in sample.disks or []:
        named |= {(at, name, disk.name): getattr(disk, name) for name in ("used_bytes", "size_bytes", "percent")}
    for interface in sample.interfaces or []:
        named |= {(at, name, interface.name): getattr(interface, name) for name in ("rx_bytes", "tx_bytes")}
    return {key: value for key, value in named.items() if value is not None}


def stored(requests: Iterable[list[Piece]], known: DeviceMemory) -> Values:
    """Return what is stored of these requests: as in the database, a value that is there stays."""
    memory, rows = remembering(known), Values()
    for request in requests:
        for sample in fold_samples([one for piece in request for one in piece], memory):
            rows = values_of(sample, round(sample.collected_at.timestamp() * 1_000_000)) | rows
    return rows


def remembering(memory: DeviceMemory) -> DeviceMemory:
    """Return a memory that holds no cell and the sets of another one."""
    return DeviceMemory(
        complete_sets=dict(memory.complete_sets),
        has_system_disk=memory.has_system_disk,
        has_memory_percent=memory.has_memory_percent,
    )


def uncut(pieces: list[Piece]) -> tuple[Values, DeviceMemory]:
    """Return the values of one request with everything, and what the device's memory holds after it."""
    memory = DeviceMemory()
    fold_samples([one for piece in pieces for one in piece], memory)
    return stored([pieces], memory), memory


def cut(pieces: list[Piece], data: st.DataObject) -> list[list[Piece]]:
    places = sorted(data.draw(st.lists(st.integers(0, len(pieces)), max_size=6)))
    return [pieces[start:stop] for start, stop in pairwise([0, *places, len(pieces)])]


def without(values: Values, *columns: str) -> Values:
    return {key: value for key, value in values.items() if key[1] not in columns}


@pytest.mark.parametrize("client", CLIENTS)
@settings(max_examples=50)
@given(data=st.data())
def test_parts_of_each_time_in_any_order_make_the_same_rows(client: str, data: st.DataObject) -> None:
    whole, memory = uncut(PIECES[client])
    shuffled = sorted(data.draw(st.permutations(PIECES[client])), key=lambda piece: piece[0].cell)
    ignored = ("cpu_percent",) if client in TWO_WAYS else ()
    assert without(stored(cut(shuffled, data), memory), *ignored) == without(whole, *ignored)


@pytest.mark.parametrize("client", CLIENTS)
@settings(max_examples=50)
@given(data=st.data())
def test_parts_of_all_times_in_any_order_make_the_same_rows(client: str, data: st.DataObject) -> None:
    whole, memory = uncut(PIECES[client])
    shuffled = data.draw(st.permutations(PIECES[client]))
    assert without(stored(cut(shuffled, data), memory), *ORDERED) == without(whole, *ORDERED)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_cell_is_cut_exactly_once(client: str) -> None:
    whole = {one[:3] for capture in captures_of(client) for one in capture.read().values}
    pieces = [one[:3] for piece in PIECES[client] for one in piece]
    assert len(pieces) == len(whole)
    assert set(pieces) == whole
