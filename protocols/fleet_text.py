"""Devices with their newest sample → metrics for Prometheus to scrape. Samples carry no time: the scrape's counts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from core.metrics import METRICS, Kind
from core.newest_values import newest_values

Row = Mapping[str, Any]  # id, device_name, business_name, os_type, status, current_collected_at, metrics (JSON or null)
LABELS = ("device_id", "device", "business")


class Families(Collector):
    """The metrics of one scrape."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def expose_fleet(rows: Sequence[Row], accept: str) -> tuple[bytes, str]:
    """Return body and content type of a scrape, in the format of `accept`."""
    registry = CollectorRegistry()
    registry.register(Families(metric_families(rows)))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def metric_families(rows: Sequence[Row]) -> Iterator[Metric]:
    """Yield the metrics; a silent device has only its information, status and time."""
    samples = [(labels_of(row), newest_values(row["metrics"])) for row in rows]
    for metric in METRICS:
        is_counter = metric.kind is Kind.COUNTER
        text = f"Newest {metric.name}, in {metric.unit}."
        family: Any = (CounterMetricFamily if is_counter else GaugeMetricFamily)(
            f"rts_{metric.name}", text, None, LABELS
        )
        for labels, values in samples:
            value = values.get(metric.name)
            if value is not None:
                family.add_metric(labels, value)
        yield family
    yield from device_metrics(rows)


def device_metrics(rows: Sequence[Row]) -> Iterator[Metric]:
    """Yield the metrics of every device, also of a silent one."""
    information = InfoMetricFamily("rts_device", "Device and its operating system.", labels=LABELS)
    status = GaugeMetricFamily("rts_device_status", "1 for the device's status.", None, [*LABELS, "status"])
    newest = GaugeMetricFamily("rts_last_sample_timestamp_seconds", "Time of the newest sample.", None, LABELS)
    for row in rows:
        labels = labels_of(row)
        information.add_metric(labels, {"os": row["os_type"] or ""})
        status.add_metric([*labels, row["status"]], 1)
        if row["current_collected_at"]:
            newest.add_metric(labels, row["current_collected_at"].timestamp())
    yield from (information, status, newest)


def labels_of(row: Row) -> list[str]:
    return [str(row["id"]), row["device_name"], row["business_name"] or ""]
