"""The fleet's health as Prometheus metrics, read from the database, so every process exposes the same values."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from db.server_faults import ServerState
from health.fleet import AlertPass, DatabaseHealth, FleetFacts, FleetHealth
from rollups.drift import Drift
from rollups.status import LevelStatus


def fleet_metrics(fleet: FleetHealth | None) -> Iterator[Metric]:
    """Yield the metrics of the fleet; while the database can't be read, only that."""
    yield gauge("rts_database_up", "1 when the database could be read, 0 otherwise.", fleet is not None)
    if fleet is None:
        return
    yield gauge("rts_fleet_read_seconds", "Time that reading these took; read at most every 15 s.", fleet.seconds)
    yield from rollup_metrics(fleet.levels, fleet.at)
    by_name = {status.level.name: status for status in fleet.levels}
    by_name |= {f"series_{status.level.name}": status for status in fleet.series_levels}
    yield from level_metrics(by_name, fleet.at)
    yield from drift_metrics(fleet.drifts)
    yield from work_metrics(fleet.facts, fleet.at)
    yield from pass_metrics(fleet.facts.alert_pass, fleet.at)
    yield from database_metrics(fleet.facts.database, fleet.at)
    yield from backup_metrics(fleet.facts.backups, fleet.at)
    if fleet.server:
        yield from server_metrics(fleet.server)


def rollup_metrics(levels: list[LevelStatus], now: datetime) -> Iterator[Metric]:
    """Yield how far the rollups are behind."""
    rollups = {status.level.name: status for status in levels if status.allowed_lag is not None}
    yield spans("rts_rollup_lag_seconds", "How far a rollup is behind the newest samples.", "level",
                {name: status.lag(now) for name, status in rollups.items()})  # fmt: skip
    yield spans("rts_rollup_lag_allowed_seconds", "How far behind it may be.", "level",
                {name: status.allowed_lag for name, status in rollups.items()})  # fmt: skip


def level_metrics(by_name: Mapping[str, LevelStatus], now: datetime) -> Iterator[Metric]:
    """Yield sizes and columnstore of the levels of metrics and of series."""
    yield spans("rts_uncompressed_chunk_age_seconds", "Age of the oldest chunk outside the columnstore.", "level",
                {name: status.rowstore_age(now) for name, status in by_name.items()})  # fmt: skip
    yield spans("rts_uncompressed_chunk_age_allowed_seconds", "How old it may be.", "level",
                {name: status.allowed_rowstore_age for name, status in by_name.items()})  # fmt: skip
    yield gauges("rts_level_bytes", "Size on disk.", "level", {name: status.bytes for name, status in by_name.items()})
    yield gauges("rts_level_chunks", "Chunks.", "level", {name: status.chunks for name, status in by_name.items()})
    yield gauges("rts_level_columnstore_chunks", "Of these, in the columnstore.", "level",
                 {name: status.columnstore_chunks for name, status in by_name.items()})  # fmt: skip


def drift_metrics(drifts: list[Drift]) -> Iterator[Metric]:
    """Yield the storage policies that differ from the values in force."""
    unsafe = sum(drift.unsafe for drift in drifts)
    yield gauge("rts_unsafe_refreshes", "Refreshes that would destroy rollups; the worker pauses them.", unsafe)
    counts = Counter(drift.policy for drift in drifts if not drift.unsafe)
    yield gauges("rts_policy_drift", "Values of storage policies that differ from ours, by policy.", "policy",
                 {kind: counts[kind] for kind in ("retention", "columnstore", "refresh", "chunks")})  # fmt: skip


def work_metrics(facts: FleetFacts, now: datetime) -> Iterator[Metric]:
    """Yield devices, alerts, and the work that waits for the worker or for agents."""
    yield gauges("rts_devices", "Devices, by status.", "status", facts.devices)
    yield gauges("rts_open_alerts", "Open alerts, by severity.", "severity", facts.open_alerts)
    yield gauges("rts_open_commands", "Commands that have not ended, by status.", "status", facts.commands)
    outboxes = {"tickets": facts.tickets, "notifications": facts.notifications}
    yield gauges("rts_outbox_waiting", "Tickets and notifications that wait.", "outbox",
                 {name: outbox.waiting for name, outbox in outboxes.items()})  # fmt: skip
    yield gauges("rts_outbox_failing", "Of these, failed at least once.", "outbox",
                 {name: outbox.failing for name, outbox in outboxes.items()})  # fmt: skip
    yield gauges("rts_tickets_put_off", "Tickets whose attempts failed, by reason.", "reason", facts.tickets_put_off)
    yield gauges("rts_isolated_faults", "Items that failed alone and are postponed until their retry, by task.", "task",
                 facts.isolated_faults)  # fmt: skip
    due = {name: outbox.due_since for name, outbox in outboxes.items()} | {"commands": facts.commands_due_since}
    yield spans("rts_overdue_seconds", "How long the oldest due work has waited for the worker.", "what",
                {what: now - since if since else timedelta() for what, since in due.items()})  # fmt: skip


def pass_metrics(last: AlertPass, now: datetime) -> Iterator[Metric]:
    """Yield the last evaluation of all alert rules; nothing where there was none."""
    if last.at is None:
        return
    yield gauge("rts_alert_pass_age_seconds", "Time since the last evaluation of all alert rules.",
                (now - last.at).total_seconds())  # fmt: skip
    if last.seconds is not None:
        yield gauge("rts_alert_pass_seconds", "Time that it took.", last.seconds)
        yield gauge("rts_alert_pass_statements", "Statements that it ran.", last.statements or 0)
        yield gauge("rts_alert_pass_rules", "Rules that it evaluated.", last.rules or 0)


def database_metrics(database: DatabaseHealth, now: datetime) -> Iterator[Metric]:
    """Yield the state of the database server."""
    yield gauge("rts_database_bytes", "Size of the database.", database.bytes)
    yield gauge("rts_database_connections", "Connections to the server, of all programs.", database.connections)
    yield gauge("rts_database_connections_max", "Connections that it accepts.", database.connections_max)
    oldest = now - database.oldest_transaction_at if database.oldest_transaction_at else timedelta()
    yield gauge("rts_database_oldest_transaction_seconds", "Age of the oldest transaction.",
                max(0.0, oldest.total_seconds()))  # fmt: skip
    yield gauge("rts_database_freeze_age", "Transactions since the oldest row was frozen.", database.freeze_age)


def backup_metrics(newest: dict[str, datetime], now: datetime) -> Iterator[Metric]:
    """Yield how old the newest good backup and the newest good restore drill are; nothing where there was none."""
    yield spans("rts_backup_age_seconds", "Time since the newest successful run of `db backup` and `db drill`.", "kind",
                {kind: now - at for kind, at in newest.items() if kind != "restore"})  # fmt: skip


def server_metrics(state: ServerState) -> Iterator[Metric]:
    """Yield the server's settings for jobs, and jobs with faults."""
    yield gauge("rts_clock_offset_seconds", "This process's clock minus the database's.", state.clock_offset_seconds)
    yield gauge("rts_job_slots", "Jobs that TimescaleDB can run at once.", max(0, state.job_slots))
    yield gauge("rts_jobs_failing", "Storage policies whose last run failed.", sum(j.is_failing for j in state.jobs))
    yield CounterMetricFamily("rts_jobs_run_by_worker", "Runs of policies that the server had marked failed.",
                              value=state.jobs_run_by_worker)  # fmt: skip
    yield gauge("rts_jobs_late", "Storage policies that are due for an hour.", sum(bool(j.late) for j in state.jobs))


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def spans(name: str, text: str, label: str, values: Mapping[str, timedelta | None]) -> Metric:
    """Return a gauge in seconds for each entry with a value."""
    seconds = {key: span.total_seconds() for key, span in values.items() if span is not None}
    return gauges(name, text, label, seconds)
