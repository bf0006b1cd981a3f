"""Series: the CPU of an upload with 40 values a sample beside one without, COPY, bytes a value, a chart, the top 20."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from rich.console import Console

from auth.tokens import token_hash
from core.clock import utc_now
from core.garbage import tune_garbage_collector
from core.series import SERIES_BY_NAME
from db.pools import SERVER_SETTINGS
from db.sql import load_beside
from ingest.copy_rows import END, SIGNATURE, microseconds
from ingest.decode import decode_upload
from ingest.pending import Upload
from ingest.series_rows import COLUMNS, encode_samples, join_rows, make_slot, pack_values
from ingest.writer import Writer
from loadtest.bench.report import show
from loadtest.databases import LoadDatabase
from rollups.refresh import refresh_range
from rollups.series_history import QUERIES as SERIES
from rollups.series_history import SeriesQuery, read_series_history

QUERIES = load_beside(__file__, "series.sql")
MINUTE = timedelta(minutes=1)
DEVICES, WARM_ROUNDS, ROUNDS, SAMPLES = 100, 2, 20, 5
COPIED, PER_SAMPLE = 1_000_000, 40
CHART_COUNT = 50
# Between two samples, devices: so many that the pages which PostgreSQL adds ahead, 512 kB at once, don't matter.
FILLED = {"5min": (5 * MINUTE, 600), "1min": (MINUTE, 60)}
AIMS = {  # the most, or of the values copied the least
    "cpu_ratio": 2.5, "copied_values_per_s": 400_000, "bytes_per_value_5min": 3, "bytes_per_value_1min": 3,
    "chart_ms": 25, "top_20_of_fleet_ms": 50, "top_20_of_business_ms": 50,
}  # fmt: skip
DISK = {"type": "ext4", "used_bytes": 120_400_000_000, "size_bytes": 256_000_000_000, "percent": 47.1,
        "inodes_percent": 3.2, "read_bytes": 123_456_789, "write_bytes": 98_765_432}  # fmt: skip
INTERFACE = {"rx_bytes": 123_456_789, "tx_bytes": 98_765_432, "rx_errors": 0, "tx_errors": 0}
PARTS = {
    "disks": [DISK | {"name": f"/disk{number}", "read_ms": 81_234} for number in range(4)],
    "interfaces": [INTERFACE | {"name": f"eth{number}"} for number in range(3)],
}


async def run(database: LoadDatabase, console: Console) -> dict[str, Any]:
    """Measure each and return settings and figures."""
    tune_garbage_collector()  # as a server process does
    connection = await asyncpg.connect(database.dsn, server_settings=SERVER_SETTINGS)
    now = utc_now().replace(microsecond=0)
    business = await connection.fetchval(*QUERIES.bind("add_business", business_id=uuid4()))
    fleet = 1000 if database.kind == "embedded" else 100_000
    with console.status("Uploading, copying, charting …"):
        figures = await cpu_of_uploads(database, connection, business, now)
        figures["copied_values_per_s"] = round(await copy_values(connection, now))
        figures |= await chart(database, connection, business, now)
        figures |= await top(connection, business, fleet, now)
    await connection.close()
    show(console, "Series", list(against_aims(figures)))
    return {"settings": {"devices": fleet, "values_of_a_sample": PER_SAMPLE}, "results": figures}


def against_aims(figures: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each figure with its aim and whether it is met."""
    for name, aim in AIMS.items():
        is_met = figures[name] >= aim if name == "copied_values_per_s" else figures[name] <= aim
        yield {"figure": name, "measured": figures[name], "aim": aim, "met": "yes" if is_met else "no"}


async def cpu_of_uploads(
    database: LoadDatabase, connection: asyncpg.Connection, business: UUID, now: datetime
) -> dict[str, Any]:
    """Return the CPU of this process for an upload, without and with series by turns, in microseconds."""
    kinds = {"plain": {}, "series": PARTS}
    devices = {
        name: [
            row["id"]
            for row in await connection.fetch(
                *QUERIES.bind("add_devices", business_id=business, count=DEVICES, prefix=name)
            )
        ]
        for name in kinds
    }
    writer = Writer(lambda: asyncpg.connect(database.dsn))
    spent: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(-WARM_ROUNDS, ROUNDS):  # the first registers the series, the second finds the shapes
        for name, parts in kinds.items():
            at = now - timedelta(days=number < 0, minutes=10 * number)
            seconds = await upload_round(writer, devices[name], name, parts, at)
            if number >= 0:
                spent[name].append(seconds)
    await writer.close()
    figures = {f"{name}_cpu_us": round(median(seconds) / DEVICES * 1e6) for name, seconds in spent.items()}
    return figures | {"cpu_ratio": round(median(spent["series"]) / median(spent["plain"]), 2)}


async def upload_round(writer: Writer, devices: list[UUID], name: str, parts: dict[str, Any], now: datetime) -> float:
    """Let each device upload once, from body to COMMIT, and return the seconds of CPU."""
    times = [(now - number * MINUTE).isoformat() for number in range(SAMPLES)]
    columns = {"cpu_percent": 12.5, "memory_percent": 38.2, "disk_percent": 47.0, "network_rx_bytes": 1,
               "network_tx_bytes": 2}  # fmt: skip
    body = json.dumps({"metrics": [{"collected_at": at} | columns | parts for at in times]}).encode()
    began = time.process_time()
    uploads = []
    for number, device in enumerate(devices):
        upload = Upload(device, token_hash(f"{name}{number + 1}"), now, decode_upload(body, utc_now(), 1000))
        upload.make_rows()
        uploads.append(upload)
    await writer.write(uploads)
    assert all(upload.inserted == SAMPLES and upload.error is None and not upload.notes for upload in uploads)
    for upload in uploads:
        upload.rows.clear()  # as the answer to an upload does: they point back at it
    return time.process_time() - began


async def copy_values(connection: asyncpg.Connection, now: datetime) -> float:
    """COPY values as the writer does, and return how many a second."""
    metric, start = SERIES_BY_NAME["disk.percent"], now - timedelta(hours=6)
    templates = [
        join_rows(make_slot(10_000_000 + device * PER_SAMPLE + one, "", metric) for one in range(PER_SAMPLE))
        for device in range(COPIED // PER_SAMPLE // 5)
    ]
    values = [47.5] * PER_SAMPLE
    samples = [(rows, values, microseconds(start + minute * MINUTE)) for minute in range(5) for rows in templates]

    async def source() -> AsyncIterator[bytes]:
        yield SIGNATURE
        for start in range(0, len(samples), 256):
            piece = samples[start : start + 256]
            yield encode_samples([(rows, pack_values(values), at) for rows, values, at in piece])
        yield END

    began = time.perf_counter()
    await connection.copy_to_table("agent_series_samples", columns=COLUMNS, source=source(), format="binary")
    return COPIED / (time.perf_counter() - began)


async def chart(
    database: LoadDatabase, connection: asyncpg.Connection, business: UUID, now: datetime
) -> dict[str, Any]:
    """Return the time of a chart of ten instances over 30 days, and the bytes of a value in the columnstore."""
    (device,) = [
        row["id"]
        for row in await connection.fetch(*QUERIES.bind("add_devices", business_id=business, count=1, prefix="chart"))
    ]
    series = [
        row["id"] for row in await connection.fetch(*QUERIES.bind("add_disks", device_id=device, count=10, now=now))
    ]
    await connection.execute(*QUERIES.bind("fill_history", series=series, now=now))
    await refresh_range(connection, now - timedelta(days=26), now, now)
    figures = await size_of_values(connection, now)
    query = SeriesQuery(device, now - timedelta(days=30), now, ("disk.percent",))
    async with asyncpg.create_pool(database.dsn, min_size=1, max_size=1, server_settings=SERVER_SETTINGS) as pool:
        spent = []
        for _ in range(CHART_COUNT):
            began = time.perf_counter()
            history = await read_series_history(pool, business, query, now)
            spent.append((time.perf_counter() - began) * 1000)
    points = sum(len(line.times) for line in history.lines)
    return figures | {"chart_points": points, "chart_ms": round(median(spent), 1)}


async def size_of_values(connection: asyncpg.Connection, now: datetime) -> dict[str, Any]:
    """Return the bytes of a value in the columnstore, by the time between two samples."""
    today = now.replace(hour=0, minute=0, second=0)
    days = {name: today - timedelta(days=age) for age, name in enumerate(FILLED, 3)}
    for name, day in days.items():
        interval, devices = FILLED[name]
        await connection.execute(*QUERIES.bind("fill_day", day=day, interval=interval, devices=devices))
    await connection.execute(*QUERIES.bind("convert", relation="agent_series_samples"))
    sizes = {name: await connection.fetchval(*QUERIES.bind("bytes_per_value", day=day)) for name, day in days.items()}
    return {f"bytes_per_value_{name}": round(size, 2) for name, size in sizes.items()}


async def top(connection: asyncpg.Connection, business: UUID, fleet: int, now: datetime) -> dict[str, Any]:
    """Return the time of the 20 fullest disks of a fleet: for an employee, and for a user of its business."""
    await connection.execute(*QUERIES.bind("fill_newest", devices=fleet, business_id=business, now=now))
    await connection.execute(QUERIES["analyze"])
    figures = {}
    parameters: dict[str, Any] = {"metric": "disk.percent", "limit": 20, "since": now - timedelta(hours=1)}
    for name, tenant in (("fleet", {}), ("business", {"tenant": business})):
        spent = []
        for _ in range(CHART_COUNT):
            began = time.perf_counter()
            rows = await connection.fetch(*SERIES.bind(f"top_of_{name}", **parameters, **tenant))
            spent.append((time.perf_counter() - began) * 1000)
        assert len(rows) == 20
        figures[f"top_20_of_{name}_ms"] = round(median(spent), 1)
    return figures
