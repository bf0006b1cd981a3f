"""Samples of a known shape are stored as if each value were looked up; the rows are what PostgreSQL reads."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.metrics import EXACT, Kind
from core.series import SERIES_METRICS, custom_metric
from ingest.copy_rows import EPOCH, microseconds
from ingest.pending import Row, Upload
from ingest.samples import Decoded, Sample
from ingest.series_newest import COLUMNS as NEWEST_COLUMNS
from ingest.series_registry import DeviceSeries
from ingest.series_rows import SeriesSlot, make_slot
from ingest.series_types import DISK_FIELDS, INTERFACE_FIELDS, Disk, Interface, Sensor, SeriesValue
from ingest.series_values import Flat, Flattened, find_series, flatten
from ingest.series_writer import copy_values, newest_data

NAMES = ("C:", "/var", "eth0", " eth0", "\u202eeth0", "Größe", "new")  # two of them are stored as eth0, one is unknown
INSTANCES = ("", *NAMES[:-1])
OWN = custom_metric("custom.queue", "messages", Kind.GAUGE)
NOW = datetime(2026, 3, 4, 5, 6, 7, 89, UTC)

names = st.sampled_from(NAMES)
amounts = st.none() | st.integers(0, int(EXACT)) | st.floats(0, EXACT)
percents = st.none() | st.floats(0, 100)


def entries(entry_type: type, fields: tuple[str, ...]) -> st.SearchStrategy[list[Any] | None]:
    values = {field: percents if "percent" in field else amounts for field in fields}
    return st.none() | st.lists(st.builds(entry_type, name=names, **values), max_size=3)


general = st.builds(
    SeriesValue, metric=st.sampled_from(("custom.queue", "disk.percent", "disk.none", "custom.other")),
    value=st.floats(-1e16, 1e16) | st.integers(0, 100).map(float), instance=st.sampled_from(("", *NAMES)),
    unit=st.sampled_from((None, "messages", "mails")), kind=st.sampled_from((None, "gauge", "counter")),
)  # fmt: skip
sensors = st.builds(Sensor, name=names, celsius=st.none() | st.floats(-200, 1000))
lists = st.fixed_dictionaries({
    "disks": entries(Disk, DISK_FIELDS), "interfaces": entries(Interface, INTERFACE_FIELDS),
    "sensors": st.none() | st.lists(sensors, max_size=3),
    "series": st.none() | st.lists(general, max_size=4),
})  # fmt: skip
some_samples = st.lists(lists, min_size=1, max_size=4)


def known_series() -> DeviceSeries:
    """Return a device whose series are registered, but for one name and one metric."""
    metrics = [*SERIES_METRICS, OWN]
    slots = {
        (metric.name, instance): make_slot(number, instance.strip(), metric)
        for number, (metric, instance) in enumerate(product(metrics, ("", "C:", "/var", "eth0", "Größe")), 1)
    }
    return DeviceSeries(0.0, slots)


def rows_of(parts: list[dict[str, Any]], device: UUID) -> list[Row]:
    """Return the rows of one upload, a minute between them."""
    samples = [Sample(NOW + timedelta(minutes=number), **each) for number, each in enumerate(parts)]
    upload = Upload(device, "", NOW, Decoded(len(samples), samples, [None] * len(samples), []))
    upload.make_rows()
    return upload.rows


def flattened(rows: list[Row], series: DeviceSeries) -> Flattened:
    result = Flattened()
    for row in rows:
        flatten(row, series, result)
    return result


def values_by_series(flats: list[Flat]) -> list[tuple[int, dict[int, float]]]:
    return [(flat.at, {slot.id: value for slot, value in zip(flat.slots, flat.values, strict=True)}) for flat in flats]


@given(some_samples)
def test_a_known_shape_changes_nothing(parts: list[dict[str, Any]]) -> None:
    rows, series = rows_of(parts * 2, uuid4()), known_series()
    result, expected = flattened(rows, series), Flattened()
    looked_up: list[tuple[list[SeriesSlot], list[float]]] = [find_series(row, series, expected) for row in rows]
    assert [(list(flat.slots), list(flat.values)) for flat in result.flats] == looked_up
    assert (result.wanted, result.faults) == (expected.wanted, expected.faults)


def test_values_that_move_from_one_field_to_another_have_another_shape() -> None:
    series = known_series()
    disks = [
        [Disk("C:", type="NTFS", used_bytes=1)],
        [Disk("C:", type="NTFS", size_bytes=2)],
        [Disk("C:", type="NTFS", used_bytes=3)],
    ]
    result = flattened(rows_of([{"disks": each} for each in disks], uuid4()), series)
    metrics = [(flat.slots[0].metric.name, flat.values[0]) for flat in result.flats]
    assert metrics == [("disk.used_bytes", 1), ("disk.size_bytes", 2), ("disk.used_bytes", 3)]
    assert result.flats[2].shape
    assert not result.flats[1].shape


@pytest.fixture
async def connection(database: str) -> Any:
    connection = await asyncpg.connect(database)
    await connection.execute("CREATE TEMP TABLE values_read (LIKE agent_series_samples)")
    await connection.execute("CREATE TEMP TABLE newest_read AS SELECT * FROM agent_series_newest WITH NO DATA")
    yield connection
    await connection.execute("DROP TABLE values_read, newest_read")
    await connection.close()


@given(some_samples)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_postgresql_reads_each_value_with_its_series_and_time(
    connection: asyncpg.Connection, parts: list[dict[str, Any]]
) -> None:
    flats = [flat for flat in flattened(rows_of(parts * 2, uuid4()), known_series()).flats if flat.values]
    await connection.execute("TRUNCATE values_read")
    await copy_values(connection, "values_read", flats)
    read = {(row["series_id"], row["collected_at"]): tuple(row) for row in await connection.fetch("TABLE values_read")}
    expected = [
        (slot.id, slot.metric.is_counter, time_of(flat.at), value)
        for flat in flats
        for slot, value in zip(flat.slots, flat.values, strict=True)
    ]
    assert sorted(read.values()) == sorted(expected)


@given(some_samples)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_postgresql_reads_the_newest_value_of_each_series(
    connection: asyncpg.Connection, parts: list[dict[str, Any]]
) -> None:
    devices = [uuid4(), uuid4()]
    series = {device: known_series() for device in devices}
    flats = [
        flat for device in devices for flat in flattened(rows_of(parts, device), series[device]).flats if flat.values
    ]
    flats.sort(key=lambda flat: flat.at)
    await connection.execute("TRUNCATE newest_read")
    if flats:
        data = newest_data(flats)
        await connection.copy_to_table("newest_read", columns=NEWEST_COLUMNS, source=data, format="binary")
    read = {(row["agent_device_id"], row["metric"]): row for row in await connection.fetch("TABLE newest_read")}
    assert {key: as_newest(row) for key, row in read.items()} == dict(newest_of(flats))


def newest_of(flats: list[Flat]) -> Iterator[tuple[tuple[UUID, str], dict[str, Any]]]:
    """Yield what each row should hold, found one value after the other."""
    newest_values: dict[tuple[UUID, str], dict[int, tuple[float, datetime]]] = {}
    kinds = {}
    for flat in flats:
        for slot, value in zip(flat.slots, flat.values, strict=True):
            key = flat.row.upload.agent_id, slot.metric.name
            kinds[key] = slot.metric.is_counter
            newest_values.setdefault(key, {})[slot.id] = value, time_of(flat.at)
    for key, values in newest_values.items():
        newest, highest = max(at for _, at in values.values()), max(value for value, _ in values.values())
        yield key, {"is_counter": kinds[key], "collected_at": newest, "highest": highest, "values": values}


def as_newest(row: asyncpg.Record) -> dict[str, Any]:
    assert row["series_ids"] == sorted(row["series_ids"])
    times = row["series_times"] or [row["collected_at"]] * len(row["series_ids"])
    pairs = zip(row["series_values"], times, strict=True)
    values = dict(zip(row["series_ids"], pairs, strict=True))
    return {name: row[name] for name in ("is_counter", "collected_at", "highest")} | {"values": values}


def time_of(at: int) -> datetime:
    time = EPOCH + timedelta(microseconds=at)
    assert microseconds(time) == at
    return time
