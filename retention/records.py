"""Kinds of records that grow besides samples and rollups, and their retention.

The values are rows of `agent_record_ages`; a change of retention sets them like those of the levels. A new table that
grows needs a kind here and in `records.sql`, or a line in NOT_GROWING: a test compares both with the schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from db.hypertables.policies import DAY
from db.pools import Connection
from db.sql import load_beside
from retention.ages import FOR_EVER

QUERIES = load_beside(__file__, "records.sql")


@dataclass(frozen=True, slots=True)
class RecordKind:
    """One kind: its table, its minimum age, the deleted rows in words, and tables whose rows are deleted with them."""

    name: str
    relation: str
    least: timedelta
    what: str
    also: tuple[str, ...] = ()


KINDS = (
    RecordKind("audit", "agent_audit", 30 * DAY, "rows of the audit trail", ("agent_audit_seals",)),
    RecordKind("alerts", "agent_alert_history", 30 * DAY, "closed alerts, since they were resolved"),
    RecordKind("alert_transitions", "agent_alert_transitions", 30 * DAY, "changes of alert states"),
    RecordKind("notifications", "agent_alert_notifications", 7 * DAY, "notifications and webhooks of closed alerts"),
    RecordKind("tickets", "agent_alert_tickets", 30 * DAY, "closed entries of the outbox of tickets"),
    RecordKind("commands", "agent_commands", 30 * DAY, "commands that have ended"),
    RecordKind("command_outputs", "agent_commands", DAY, "outputs of commands that have ended; the commands stay"),
    RecordKind("events", "agent_events", 7 * DAY, "events of devices"),
    RecordKind("registration_tokens", "agent_registration_tokens", DAY, "expired, used and revoked tokens"),
    RecordKind("gateways", "agent_gateways", 30 * DAY, "revoked gateways without devices", ("agent_gateway_hosts",)),
    RecordKind("software", "agent_software_inventory", 30 * DAY, "software since it was removed"),
    RecordKind("deleted_rules", "agent_alerts", 30 * DAY, "deleted alert rules without alerts"),
    RecordKind("end_of_life_rules", "agent_software_eol", 30 * DAY, "deleted end-of-life rules"),
    RecordKind("maintenance_windows", "agent_maintenance_windows", 60 * DAY, "windows of one time that have ended"),
    RecordKind("intervals", "agent_device_intervals", 90 * DAY, "former sampling intervals of devices"),
    RecordKind("erasures", "agent_erasures", 365 * DAY, "certificates of erasures", ("agent_erasure_devices",)),
    RecordKind("legal_holds", "agent_legal_holds", 365 * DAY, "legal holds since they were released"),
    RecordKind("retention_changes", "agent_retention_changes", 365 * DAY, "changes of retention"),
    RecordKind("backups", "agent_backup_log", 30 * DAY, "the log of backups and restores"),
    RecordKind("sizes", "agent_storage_sizes", 30 * DAY, "sizes of the storage by day"),
    RecordKind("faults", "agent_isolated_faults", DAY, "faults of the worker that did not come again"),
)
NAMES = {kind.name: kind for kind in KINDS}

# Tables that do not grow with time, or that something else keeps short.
NOT_GROWING: Mapping[str, str] = {
    "agent_alert_late_looks": "one row a device",
    "agent_alert_passes": "one row",
    "agent_alert_states": "one row for a rule and a device, while the rule is not inactive there",
    "agent_baselines": "computed again each day; others are deleted",
    "agent_custom_metrics": "one row for each metric that a business has named",
    "agent_device_owners": "one row when a device moves; erasures of former owners read it; it goes with the device",
    "agent_devices": "a device stays until it is erased; a deleted one can be restored",
    "agent_forecasts": "computed again each hour",
    "agent_job_runs": "one row a job of TimescaleDB that the worker had to run",
    "agent_metrics": "a level of retention",
    "agent_monitored_services": "one row a service; missing ones go after a week",
    "agent_presence": "one row",
    "agent_record_ages": "one row a kind",
    "agent_saved_views": "one row for each name that a person gives",
    "agent_series": "a series goes when the level 1d has nothing of it",
    "agent_series_baselines": "computed again each day; others are deleted",
    "agent_series_counts": "one row a business",
    "agent_series_forecasts": "computed again each hour",
    "agent_series_newest": "one row for a device and a metric",
    "agent_series_refusals": "one row a device, for a day",
    "agent_series_samples": "a level of retention",
    "agent_storage_levels": "one row a level",
    "agent_tenant_ages": "one row for a business and a level",
    "agent_tenant_trims": "one row for a business and a level",
    "agent_time_zones": "one row for a business or a site",
    "rts_agents_alembic_version": "one row",
}


@dataclass(frozen=True, slots=True)
class RecordAge:
    """The retention of a kind. `bytes` is the size of its table; `purged_at` (UTC) the time of the last deletion."""

    kind: RecordKind
    keep: timedelta
    version: int
    bytes: int
    purged_at: datetime | None
    purged_rows: int


@dataclass(frozen=True, slots=True)
class RecordEffect:
    """The rows of a kind that a shorter age deletes, about how many bytes they take, and their times (UTC)."""

    kind: RecordKind
    rows: int
    bytes: int
    table_bytes: int
    oldest: datetime
    until: datetime


async def read_record_ages(connection: Connection) -> list[RecordAge]:
    """Return the values in force, in the order of KINDS."""
    bound = QUERIES.bind(
        "read_record_ages", names=[kind.name for kind in KINDS], relations=[kind.relation for kind in KINDS]
    )
    return [
        RecordAge(
            NAMES[row["name"]], row["keep"], row["version"] or 0, row["bytes"], row["purged_at"], row["purged_rows"]
        )
        for row in await connection.fetch(*bound)
    ]


def record_days(ages: list[RecordAge]) -> dict[str, float]:
    """Return the retention of each kind in days."""
    return {age.kind.name: age.keep / DAY for age in ages}


async def find_record_effects(
    connection: Connection, before: Mapping[str, float], after: Mapping[str, float], at: datetime
) -> list[RecordEffect]:
    """Return the rows that ages `after` (days) delete at `at` (UTC) and `before` would keep, by kind."""
    effects = []
    for statement in await connection.fetch(QUERIES["compose_records"]):
        kind = NAMES[statement["name"]]
        since, until = (at - days[kind.name] * DAY for days in (before, after))
        if until <= since:
            continue
        row = await connection.fetchrow(statement["counts"], since, until)
        assert row is not None
        if row["rows"]:
            effects.append(RecordEffect(kind, row["rows"], row["bytes"], row["table_bytes"], row["oldest"], until))
    return effects


def record_faults(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    """Return a sentence for each kind that a change keeps for less than its least age."""
    return [
        f"{kind.name} kept for {after[kind.name]:g} days is too short: {kind.least / DAY:g} days are the least"
        for kind in KINDS
        if before[kind.name] != after[kind.name] < kind.least / DAY
    ]


def record_losses(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    """Return a sentence for each kind with the effect of a change of ages."""
    return [
        f"{kind.name} ({kind.what}): kept for {age_words(after[kind.name])} instead of {age_words(before[kind.name])}"
        for kind in KINDS
        if before[kind.name] != after[kind.name]
    ]


def age_words(days: float) -> str:
    """Return an age in words: `30 days`, or `ever` at the maximum (as in "kept for ever")."""
    return "ever" if days >= FOR_EVER / DAY else "1 day" if days == 1 else f"{days:g} days"
