"""Exposes counters and the state of the fleet to Prometheus. docs/operations.md explains each metric; a test compares.

prometheus_client only formats: its counters cost 5 µs an upload in one process and 11 µs in its multiprocess mode,
plain numbers less than 1 µs (decision 0015). No label ever names a tenant or a device.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from core.histogram import Histogram
from health.counts import Gauges, ProcessCounts, WebCounters, add_up
from health.fleet import FleetHealth
from health.fleet_metrics import fleet_metrics
from health.process import is_alive
from ingest.counters import IngestCounters


class Once(Collector):
    """The metrics of one scrape."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def expose(
    processes: Mapping[int, ProcessCounts], fleet: FleetHealth | None, now: float, accept: str
) -> tuple[bytes, str]:
    """Return the body and content type of a scrape, in the format of `accept`."""
    registry = CollectorRegistry()
    registry.register(Once(all_metrics(processes, fleet, now)))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def all_metrics(processes: Mapping[int, ProcessCounts], fleet: FleetHealth | None, now: float) -> Iterator[Metric]:
    """Yield every metric; `now` in seconds since 1970. Those of the database are absent while it can't be read."""
    yield from upload_metrics(add_up(counts.uploads for counts in processes.values()))
    yield from web_metrics(add_up(counts.web for counts in processes.values()))
    cpu = sum(counts.cpu_seconds for counts in processes.values())
    yield CounterMetricFamily("rts_cpu_seconds", "CPU time of the server processes.", value=cpu)
    alive = {number: counts for number, counts in processes.items() if is_alive(counts, now)}
    yield GaugeMetricFamily("rts_processes", "Server processes on this port that serve.", value=len(alive))
    yield from process_metrics(alive)
    yield from fleet_metrics(fleet)


def upload_metrics(tally: IngestCounters) -> Iterator[Metric]:
    """Yield the counters of the upload path."""
    yield CounterMetricFamily("rts_uploads", "Uploads answered with 200.", value=tally.uploads)
    yield by_label("rts_uploads_refused", "Uploads answered with an error, by its code.", "code", tally.refused)
    samples = {"accepted": tally.accepted, "duplicate": tally.duplicates, "rejected": sum(tally.rejected.values())}
    yield by_label("rts_samples", "Samples of uploads answered with 200, by outcome.", "outcome", samples)
    yield by_label("rts_rejections", "Samples rejected, by the code of the fault.", "code", tally.rejected)
    yield by_label("rts_notes", "Parts of accepted samples that were at fault, by code.", "code", tally.noted)
    yield histogram(
        "rts_upload_seconds", "From an upload's head to its receipt, COMMIT included.", tally.upload_seconds
    )
    yield histogram("rts_flush_seconds", "Time the writer takes for a group of uploads.", tally.flush_seconds)
    yield histogram("rts_flush_rows", "Samples of a group of uploads.", tally.flush_samples)
    steps = {"around_duplicates": tally.around_duplicates, "one_by_one": tally.one_by_one, "again": tally.again}
    yield by_label("rts_flush_fallbacks", "Fallbacks of the writer, by step.", "step", steps)
    yield CounterMetricFamily("rts_flush_failures", "Transactions that failed all their uploads.", value=tally.failed)


def web_metrics(tally: WebCounters) -> Iterator[Metric]:
    """Yield the counters of all other requests."""
    yield by_label("rts_http_requests", "Requests other than uploads, by class of status.", "status", tally.answers)
    refused = tally.quota_refusals
    yield by_label("rts_quota_refusals", "Calls of devices refused by a quota, by quota.", "quota", refused)
    yield histogram("rts_http_request_seconds", "Time of requests other than uploads.", tally.seconds)


# Of each process: name, help, value.
PROCESS_GAUGES: tuple[tuple[str, str, Callable[[Gauges], float]], ...] = (
    ("rts_buffered_samples", "Samples waiting for COMMIT.", lambda gauges: gauges.buffered_samples),
    ("rts_buffered_samples_max", "Samples that may wait.", lambda gauges: gauges.buffered_samples_max),
    ("rts_body_bytes", "Bodies of uploads in memory.", lambda gauges: gauges.body_bytes),
    ("rts_agent_sockets", "Open live channels of agents.", lambda gauges: gauges.agent_sockets),
    ("rts_person_sockets", "Open live channels of people.", lambda gauges: gauges.person_sockets),
    ("rts_pool_connections", "Open connections of the API's pool.", lambda gauges: gauges.pool_connections),
    ("rts_pool_connections_used", "Of these, in use.", lambda gauges: gauges.pool_connections_used),
    ("rts_pool_connections_max", "Connections that the pool may open.", lambda gauges: gauges.pool_connections_max),
)


def process_metrics(alive: Mapping[int, ProcessCounts]) -> Iterator[Metric]:
    """Yield the present values of each process."""
    for name, text, value in PROCESS_GAUGES:
        yield by_process(name, text, {number: value(counts.gauges) for number, counts in alive.items()})
    delays = {number: counts.loop_delay_seconds for number, counts in alive.items()}
    yield by_process("rts_loop_delay_seconds", "How late the event loop woke from its last second of sleep.", delays)
    memory = {number: counts.memory_bytes for number, counts in alive.items()}
    yield by_process("rts_memory_bytes", "Resident memory.", memory)
    started = {number: counts.started_at for number, counts in alive.items()}
    yield by_process("rts_start_time_seconds", "When the process started, since 1970.", started)


def by_process(name: str, text: str, values: Mapping[int, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["process"])
    for number, value in sorted(values.items()):
        family.add_metric([str(number)], value)
    return family


def by_label(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """Return a counter with one sample for each entry of `values` (value of the label → count)."""
    family = CounterMetricFamily(name, text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def histogram(name: str, text: str, counted: Histogram) -> Metric:
    """Return a histogram; Prometheus counts up to each bound, not between two."""
    names = [*(f"{bound:g}" for bound in counted.bounds), "+Inf"]
    return HistogramMetricFamily(
        name, text, buckets=list(zip(names, accumulate(counted.counts), strict=True)), sum_value=counted.total
    )
