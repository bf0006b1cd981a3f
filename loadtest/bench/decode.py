"""The CPU time to decode each protocol, and its ratio to the product's own format for the same samples."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from core.clock import utc_now
from ingest.decode import accepted_by_time, decode_upload
from ingest.pending import Upload
from ingest.samples import Decoded
from loadtest.bench import decode_payloads as payloads
from loadtest.databases import LoadDatabase
from protocols.collectd import read_collectd
from protocols.fold import fold_samples
from protocols.influx import read_influx
from protocols.memory import DeviceMemory
from protocols.otlp import PROTOBUF, read_otlp
from protocols.readings import MetricReading
from protocols.remote_write import read_remote_write, unpack

SAMPLES = (1, 60)  # in a request: a usual one, and one that catches up
ROUNDS, REPEATS = 5, 30
GATEWAY_HOSTS, GATEWAY_SECONDS = 500, 15  # node_exporters behind one gateway, scraped this often
HOSTS_A_REQUEST = 80  # 2,000 series, as many as Prometheus sends at once

Read = Callable[[bytes], MetricReading]
PROTOCOLS: dict[str, tuple[Callable[[list[datetime]], bytes], Read]] = {
    "influx": (payloads.influx, lambda body: read_influx(body, "s", 0)),
    "otlp": (payloads.otlp, lambda body: read_otlp(body, PROTOBUF, 0)),
    "remote write 1.0": (lambda at: payloads.remote_write(at, 1), lambda body: read_remote_write(unpack(body), 1)),
    "remote write 2.0": (lambda at: payloads.remote_write(at, 2), lambda body: read_remote_write(unpack(body), 2)),
    "collectd": (payloads.collectd, read_collectd),
}


async def run(database: LoadDatabase, console: Console) -> dict[str, Any]:
    """Measure each protocol from the body to rows for COPY; the database is not used."""
    del database
    now = utc_now().replace(microsecond=0)
    result: dict[str, Any] = {"protocols": {}}
    table = Table("protocol", title="CPU from the body to rows for COPY, unpacked", title_justify="left")
    for column in ("samples", "bytes", "µs/sample", "ratio to native"):
        table.add_column(column, justify="right")
    for count in SAMPLES:
        times = [now - number * timedelta(minutes=1) for number in range(count, 0, -1)]
        body = payloads.native(times)
        base = measure_cpu(partial(decode_native, body, now))
        for name, (sent, seconds) in {"native": (body, base), **foreign(times, now)}.items():
            cost = {"bytes": len(sent), "us_per_sample": 1e6 * seconds / count, "ratio": seconds / base}
            result["protocols"][f"{name}, {count}"] = cost
            table.add_row(name, str(count), str(len(sent)), f"{cost['us_per_sample']:.0f}", f"{cost['ratio']:.1f}")
    console.print(table)
    result["gateway"] = gateway(now)
    share = result["gateway"]["share_of_a_core"]
    console.print(f"{GATEWAY_HOSTS} node_exporters every {GATEWAY_SECONDS} s by one gateway: {share:.1%} of a core")
    return result


def foreign(times: list[datetime], now: datetime) -> dict[str, tuple[bytes, float]]:
    """Return body and seconds of each protocol for the same times."""
    seconds = {}
    for name, (make, read) in PROTOCOLS.items():
        body = make(times)
        assert len(fold_samples(read(body).values, DeviceMemory())) == len(times), name
        seconds[name] = body, measure_cpu(partial(decode_foreign, read, body, now))
    return seconds


def gateway(now: datetime) -> dict[str, float]:
    """Return what the scrapes of many hosts cost that one gateway sends."""
    hosts = tuple(f"node-{number}" for number in range(HOSTS_A_REQUEST))
    body = payloads.remote_write([now - timedelta(minutes=1)], 1, hosts)
    seconds = measure_cpu(lambda: fold(read_remote_write(unpack(body), 1), now), REPEATS // 10)
    requests = GATEWAY_HOSTS / HOSTS_A_REQUEST
    share = requests * seconds / GATEWAY_SECONDS
    return {"bytes": len(body), "ms_per_request": seconds * 1000, "share_of_a_core": share}


def decode_native(body: bytes, now: datetime) -> None:
    """Make the rows of an upload in the product's own format."""
    make_rows(decode_upload(body, now, 10_000), now)


def decode_foreign(read: Read, body: bytes, now: datetime) -> None:
    """Make the rows of an upload in another format."""
    fold(read(body), now)


def fold(reading: MetricReading, now: datetime) -> None:
    """Make the rows of a reading, those of each host apart."""
    for values in reading.by_host.values():
        make_rows(accepted_by_time(fold_samples(values, DeviceMemory()), now, 10_000), now)


def make_rows(decoded: Decoded, now: datetime) -> None:
    """Make the rows of an upload."""
    upload = Upload(uuid4(), "", now, decoded)
    upload.make_rows()
    upload.rows.clear()


def measure_cpu(work: Callable[[], None], repeats: int = REPEATS) -> float:
    """Return the least CPU time of one call among several rounds."""
    work()
    values = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(repeats):
            work()
        values.append((time.process_time() - began) / repeats)
    return min(values)
