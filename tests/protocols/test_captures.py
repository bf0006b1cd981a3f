"""Requests of real clients become the expected samples."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from ingest.samples import Sample
from protocols.fold import fold_samples
from protocols.memory import DeviceMemory
from protocols.readings import MeasuredValue, MetricReading
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


def rows_of(readings: Iterable[MetricReading]) -> Rows:
    """Return the rows that these requests make, one after the other."""
    memory, rows = DeviceMemory(), Rows()
    for reading in readings:
        fill(rows, fold_samples(reading.values, memory))
    return rows


@pytest.mark.parametrize("client", CLIENTS)
def test_a_real_clients_requests_become_the_expected_rows(client: str) -> None:
    rows = rows_of(capture.read() for capture in captures_of(client))
    assert rows == GOLDEN[client]


@pytest.mark.parametrize("client", CLIENTS)
def test_requests_of_real_clients_are_not_refused(client: str) -> None:
    for capture in captures_of(client):
        reading = capture.read()
        assert (reading.refused, reading.unparsed) == (0, 0), capture.name
        assert len(reading.hosts) <= 1


def test_the_facts_of_a_capture_keep_their_type() -> None:
    reading = captures_of("influxdb-client-python")[0].read()
    assert all(isinstance(one, MeasuredValue) for one in reading.values)
