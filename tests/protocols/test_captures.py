"""Requests of real clients become the same samples, however their facts are cut into requests and ordered."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.samples import Sample
from protocols.facts import Fact, Reading
from protocols.fold import samples_of
from protocols.memory import DeviceMemory
from tests.protocols.captures import CLIENTS, captures_of

VALUES = (
    "cpu_percent", "memory_used_gb", "memory_percent", "disk_used_gb", "disk_percent", "load_average", "uptime_seconds",
    "network_rx_bytes", "network_tx_bytes",
)  # fmt: skip
GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
Rows = dict[str, dict[str, Any]]


def fill(rows: Rows, samples: Iterable[Sample]) -> None:
    """Fill rows as the database does: a value that is there stays."""
    for sample in samples:
        row = rows.setdefault(sample.collected_at.isoformat(), {})
        for name in VALUES:
            value = getattr(sample, name)
            if value is not None and row.get(name) is None:
                row[name] = list(value) if isinstance(value, tuple) else value


def rows_of(readings: Iterable[Reading]) -> Rows:
    """Return the rows that these requests make, one after the other."""
    memory, rows = DeviceMemory(), Rows()
    for reading in readings:
        fill(rows, samples_of(reading.facts, memory))
    return rows


@pytest.mark.parametrize("client", CLIENTS)
def test_a_real_clients_requests_become_the_expected_rows(client: str) -> None:
    rows = rows_of(capture.read() for capture in captures_of(client))
    assert rows == GOLDEN[client]


@pytest.mark.parametrize("client", CLIENTS)
def test_nothing_of_a_real_clients_requests_is_refused(client: str) -> None:
    for capture in captures_of(client):
        reading = capture.read()
        assert (reading.refused, reading.unparsed) == (0, 0), capture.name
        assert len(reading.hosts) <= 1


@pytest.mark.parametrize("client", ["prometheus-3.5-rw2-relabelled", "collectd-5.12-write_http-json-percent"])
@settings(max_examples=50)
@given(data=st.data())
def test_requests_cut_anywhere_and_in_any_order_make_the_same_rows(client: str, data: st.DataObject) -> None:
    readings = [capture.read() for capture in captures_of(client)]
    facts = [fact for reading in readings for fact in reading.facts]
    known = DeviceMemory()  # what the device's sets hold, as after its first interval
    samples_of(facts, known)
    whole: Rows = {}
    fill(whole, samples_of(facts, remembering(known)))
    shuffled = data.draw(st.permutations(facts))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(facts)), max_size=6)))
    memory, rows = remembering(known), Rows()
    for start, stop in zip([0, *cuts], [*cuts, len(facts)], strict=True):
        fill(rows, samples_of(shuffled[start:stop], memory))
    assert sums(rows) == sums(whole)


def remembering(known: DeviceMemory) -> DeviceMemory:
    """Return a memory that holds no cell and the sets of another one."""
    return DeviceMemory(
        complete_sets=dict(known.complete_sets),
        has_system_disk=known.has_system_disk,
        has_memory_percent=known.has_memory_percent,
    )


def sums(rows: Rows) -> dict[str, tuple[Any, ...]]:
    """Return of each row what is summed over several facts: a part of it must never be stored."""
    names = ("network_rx_bytes", "network_tx_bytes", "disk_used_gb", "memory_percent")
    return {at: tuple(row.get(name) for name in names) for at, row in rows.items() if any(map(row.get, names))}


def test_the_facts_of_a_capture_keep_their_type() -> None:
    reading = captures_of("influxdb-client-python")[0].read()
    assert all(isinstance(fact, Fact) for fact in reading.facts)
