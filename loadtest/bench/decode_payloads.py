"""The same samples of one device as each protocol sends them: two cores, two disks, two interfaces."""

from datetime import datetime
from typing import Any

import cramjam
import msgspec
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from protocols.protobuf_messages import RequestV1, RequestV2

DISKS, INTERFACES, MODES = ("/", "/var"), ("eth0", "eth1"), ("user", "system", "idle", "iowait")
Series = list[tuple[dict[str, str], float]]


def native(times: list[datetime]) -> bytes:
    """Return the samples in the product's own format."""
    samples = [
        {
            "collected_at": at, "cpu_percent": 12.5, "memory_used_gb": 6.1, "memory_percent": 38.2,
            "disk_used_gb": 120.4, "disk_percent": 47.0, "load_average": [0.4, 0.5, 0.6], "uptime_seconds": 86400,
            "network_rx_bytes": 123456789, "network_tx_bytes": 98765432,
            "disks": [{"name": name, "percent": 47.0, "used_bytes": 120400000000} for name in DISKS],
            "interfaces": [{"name": name, "rx_bytes": 123456, "tx_bytes": 987654} for name in INTERFACES],
        }
        for at in times
    ]  # fmt: skip
    return msgspec.json.encode({"metrics": samples})


def influx(times: list[datetime]) -> bytes:
    """Return the samples as Telegraf's lines."""
    lines = [
        "cpu,cpu=cpu-total,host=a usage_idle=80.5,usage_iowait=2.5,usage_user=10,usage_system=7",
        "mem,host=a total=8000000000i,available=2000000000i,used=5000000000i,used_percent=75.0",
        "system,host=a load1=0.4,load5=0.5,load15=0.6", "system,host=a uptime=86400i",
        *(f"disk,path={name},fstype=ext4,host=a total=100i,used=60i,free=40i,used_percent=60" for name in DISKS),
        *(f"net,interface={name},host=a bytes_recv=123456i,bytes_sent=987654i" for name in INTERFACES),
    ]  # fmt: skip
    return "".join(f"{line} {int(at.timestamp())}\n" for at in times for line in lines).encode()


def node_series(host: str) -> Series:
    """Return the series of a node_exporter after the relabelling of docs/sources.md."""
    series: Series = [
        ({"__name__": "node_cpu_seconds_total", "cpu": str(core), "mode": mode}, 1000.0)
        for core in range(2) for mode in MODES
    ]  # fmt: skip
    plain = ("memory_MemTotal_bytes", "memory_MemAvailable_bytes", "load1", "load5", "load15", "boot_time_seconds")
    series += [({"__name__": f"node_{name}"}, 1.0) for name in plain]
    for kind in ("size", "free", "avail"):
        labels = {"__name__": f"node_filesystem_{kind}_bytes", "fstype": "ext4", "device": "sda"}
        series += [(labels | {"mountpoint": name}, 1e9) for name in DISKS]
    for way in ("receive", "transmit"):
        series += [({"__name__": f"node_network_{way}_bytes_total", "device": name}, 1e6) for name in INTERFACES]
    return [(labels | {"instance": f"{host}:9100", "job": "node"}, value) for labels, value in series]


def remote_write(times: list[datetime], version: int, hosts: tuple[str, ...] = ("a",)) -> bytes:
    """Return the scrapes of these hosts as a snappy block."""
    request: Any = RequestV1() if version == 1 else RequestV2(symbols=[""])
    symbols: dict[str, int] = {"": 0}
    for labels, value in (one for host in hosts for one in node_series(host)):
        added = request.timeseries.add()
        for name, text in labels.items():
            if version == 1:
                added.labels.add(name=name, value=text)
            else:
                added.labels_refs.extend(symbols.setdefault(one, len(symbols)) for one in (name, text))
        for number, at in enumerate(times):
            added.samples.add(value=value + number, timestamp=int(at.timestamp() * 1000))
    if version == 2:
        request.symbols[:] = list(symbols)
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


def otlp(times: list[datetime]) -> bytes:
    """Return the samples as an export of a Collector's hostmetrics."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.add(key="host.name").value.string_value = "a"
    metrics = resource.scope_metrics.add().metrics
    expected_metrics: list[tuple[str, list[dict[str, str]]]] = [
        ("system.cpu.time", [{"cpu": f"cpu{core}", "state": mode} for core in range(2) for mode in MODES]),
        ("system.memory.usage", [{"state": state} for state in ("used", "free", "cached", "buffered")]),
        ("system.filesystem.usage",
         [{"mountpoint": name, "state": state, "type": "ext4"} for name in DISKS for state in ("used", "free")]),
        ("system.network.io",
         [{"device": name, "direction": way} for name in INTERFACES for way in ("receive", "transmit")]),
        ("system.uptime", [{}]),
    ]  # fmt: skip
    expected_metrics += [(f"system.cpu.load_average.{span}m", [{}]) for span in (1, 5, 15)]
    for name, attributes in expected_metrics:
        points = metrics.add(name=name).gauge.data_points
        for number, at in enumerate(times):
            for one in attributes:
                point = points.add(as_double=100.0 + number, time_unix_nano=int(at.timestamp()) * 10**9)
                for key, text in one.items():
                    point.attributes.add(key=key).value.string_value = text
    return request.SerializeToString()


def collectd(times: list[datetime]) -> bytes:
    """Return the samples as write_http's value lists."""
    lists: list[tuple[str, str, str, str, list[float]]] = [
        *(("cpu", "", "percent", state, [20.0]) for state in ("idle", "user", "system", "wait")),
        *(("memory", "", "memory", state, [1e9]) for state in ("used", "free", "cached", "buffered")),
        *(("df", name, "df_complex", state, [1e9]) for name in ("root", "var") for state in ("used", "free")),
        *(("interface", name, "if_octets", "", [1e6, 2e6]) for name in INTERFACES),
        ("load", "", "load", "", [0.4, 0.5, 0.6]), ("uptime", "", "uptime", "", [86400.0]),
    ]  # fmt: skip
    return msgspec.json.encode(
        [
            {"values": values, "time": at.timestamp(), "interval": 10.0, "host": "a", "plugin": plugin,
             "plugin_instance": instance, "type": kind, "type_instance": state}
            for at in times for plugin, instance, kind, state, values in lists
        ]
    )  # fmt: skip
