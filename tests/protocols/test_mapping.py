"""The mapping file: metrics that no column takes become series, and a faulty file is named with what to change."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from ingest.samples import Sample
from protocols.collectd import read_collectd
from protocols.fold import fold_samples
from protocols.influx import read_influx
from protocols.mapping import MappingFileError, describe_mapping, read_mapping
from protocols.memory import DeviceMemory
from protocols.otlp import PROTOBUF, read_otlp
from protocols.protobuf_messages import RequestV1, RequestV2
from protocols.readings import MetricReading
from protocols.remote_write import read_remote_write

DOCUMENTED = Path(__file__).parents[2] / "docs" / "sources" / "mapping.md"
NOW = int(datetime(2026, 11, 28, tzinfo=UTC).timestamp())


@pytest.fixture
def documented(tmp_path: Path) -> Path:
    """The file of the documentation."""
    (block,) = re.findall(r"```toml\n(.*?)```", DOCUMENTED.read_text(), re.DOTALL)
    file = tmp_path / "mapping.toml"
    file.write_text(block)
    return file


def series_of(reading: MetricReading) -> dict[tuple[str, str], float]:
    (sample,) = fold_samples(reading.values, DeviceMemory())
    assert isinstance(sample, Sample)
    return {(one.metric, one.instance): one.value for one in sample.series or []}


def test_telegrafs_fields_become_series_beside_the_columns(documented: Path) -> None:
    lines = f"swap,host=a used_percent=12.5 {NOW}\nsystem,host=a load1=3 {NOW}\nswap,host=a other=1 {NOW}"
    reading = read_influx(lines.encode(), "s", 0, read_mapping(documented))
    assert series_of(reading) == {("swap.percent", ""): 12.5}
    (sample,) = fold_samples(reading.values, DeviceMemory())
    assert sample.load_average == (3, None, None)


@pytest.mark.parametrize("version", [1, 2])
def test_prometheus_labels_name_the_instance(documented: Path, version: int) -> None:
    labels = {"__name__": "node_hwmon_temp_celsius", "chip": "coretemp", "sensor": "temp1", "instance": "a:9100"}
    if version == 1:
        request = RequestV1()
        series = request.timeseries.add()
        for name, value in labels.items():
            series.labels.add(name=name, value=value)
    else:
        request = RequestV2()
        request.symbols.extend(["", *(part for label in labels.items() for part in label)])
        series = request.timeseries.add()
        series.labels_refs.extend(range(1, 2 * len(labels) + 1))
    series.samples.add(timestamp=NOW * 1000, value=51.0)
    reading = read_remote_write(request.SerializeToString(), version, read_mapping(documented))
    assert series_of(reading) == {("temperature.celsius", "coretemp temp1"): 51}
    assert reading.hosts == {"a"}


def test_otlp_points_that_do_not_fit_are_left_out(documented: Path) -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="system.filesystem.inodes.usage")
    for state in ("used", "free"):
        point = metric.gauge.data_points.add(time_unix_nano=NOW * 10**9, as_double=5)
        for name, value in (("state", state), ("mountpoint", "/data")):
            point.attributes.add(key=name).value.string_value = value
    reading = read_otlp(request.SerializeToString(), PROTOBUF, 0, read_mapping(documented))
    assert series_of(reading) == {("custom.inodes.used", "/data"): 5}


def test_collectds_plugin_and_type_are_the_name(documented: Path) -> None:
    body = (
        b'[{"values": [7, null], "dsnames": ["value", "x"], "time": %d, "interval": 10, "host": "a", "plugin": "nginx",'
        b' "type": "nginx_requests"}]' % NOW
    )
    reading = read_collectd(body, read_mapping(documented))
    assert series_of(reading) == {("custom.nginx.requests", ""): 7}


def test_a_value_is_scaled(tmp_path: Path) -> None:
    file = tmp_path / "scaled.toml"
    file.write_text('[[metric]]\nfrom = "t.f"\nto = "temperature.celsius"\nscale = 0.5\noffset = -16.0\n')
    reading = read_influx(f"t f=100 {NOW}".encode(), "s", 0, read_mapping(file))
    assert series_of(reading) == {("temperature.celsius", ""): 34}


def test_without_a_file_nothing_is_mapped() -> None:
    assert describe_mapping(read_mapping(None)) == []


def test_parts_of_a_sample_bring_all_their_series(documented: Path) -> None:
    memory, mapping = DeviceMemory(), read_mapping(documented)
    first = read_influx(f"system load1=3 {NOW}".encode(), "s", 0, mapping)
    second = read_influx(f"swap used_percent=2 {NOW}".encode(), "s", 0, mapping)
    fold_samples(first.values, memory)
    (sample,) = fold_samples(second.values, memory)
    assert [one.value for one in sample.series or []] == [2]


CUSTOM = '[[metric]]\nfrom = "a.b"\nto = "custom.x"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("metric = 1", "metric"), ("[[metric]", "line 1"), ('[[metric]]\nfrom = "a"', "`to`"),
        ('[[metric]]\nfrom = "a"\nto = "cpu_percent"', "no metric of the catalogue"), (CUSTOM, "needs unit and kind"),
        ('[[metric]]\nfrom = "a"\nto = "custom.Bad name"\nunit = "x"\nkind = "gauge"', "lower-case words"),
        ('[[metric]]\nfrom = "a"\nto = "swap.percent"\nunit = "x"', "leave them out"),
        ('[[metric]]\nfrom = "a"\nto = "swap.percent"\nscale = 0.0', "scale not 0"),
        ('[[metric]]\nfrom = "a"\nto = "swap.percent"\nscale = inf', "finite"),
        ('[[metric]]\nfrom = "a"\nto = "swap.percent"\n' * 2, "twice"),
        ('[[metric]]\nfrom = "a"\nto = "swap.percent"\nprotocol = "graphite"', "protocol"),
        ('[[metric]]\nfrom = "a"\nto = "swap.percent"\nscael = 2', "scael"),
    ],
)  # fmt: skip
def test_a_faulty_file_is_named_with_what_to_change(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "mapping.toml"
    file.write_text(text)
    with pytest.raises(MappingFileError, match=re.escape(reason)) as failed:
        read_mapping(file)
    assert str(file) in str(failed.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappingFileError, match=re.escape("mapping.toml")):
        read_mapping(tmp_path / "mapping.toml")
