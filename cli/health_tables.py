"""Tables of the product's own health: waiting work, alerting, the database server."""

from collections.abc import Mapping
from datetime import datetime

from rich.filesize import decimal
from rich.table import Table

from health.fleet import FleetFacts, WorkQueue
from health.tables import words


def fleet_table(facts: FleetFacts, now: datetime) -> Table:
    """Return devices, alerts and the work that waits."""
    table = two_columns("Fleet")
    table.add_row("devices", counted(facts.devices))
    table.add_row("open alerts", counted(facts.open_alerts))
    table.add_row("commands not ended", counted(facts.commands))
    table.add_row("tickets to do", outbox_in_words(facts.tickets, now))
    table.add_row("notifications to do", outbox_in_words(facts.notifications, now))
    table.add_row("last evaluation of alerts", pass_in_words(facts, now))
    return table


def server_table(facts: FleetFacts, now: datetime) -> Table:
    """Return the state of the database server. It does not report free disk space."""
    server = facts.database
    table = two_columns("Database server")
    table.add_row("version", f"PostgreSQL {server.postgres}, TimescaleDB {server.timescaledb}")
    table.add_row("size of this database", decimal(server.bytes))
    table.add_row("connections", f"{server.connections} of {server.connections_max}")
    oldest = server.oldest_transaction_at
    table.add_row("oldest transaction", f"{words(max(now, oldest) - oldest)} old" if oldest else "none")
    for kind, name in (("backup", "last `db backup`"), ("drill", "last proven restore (`db drill`)")):
        at = facts.backups.get(kind)
        table.add_row(name, f"{words(max(now, at) - at)} ago" if at else "never")
    table.add_row("oldest row not frozen", f"{server.freeze_age:,} transactions")
    return table


def two_columns(title: str) -> Table:
    """Return an empty table of names and values."""
    table = Table("what", title=title, title_justify="left")
    table.add_column("now", justify="right")
    return table


def counted(by_kind: Mapping[str, int]) -> str:
    """Return counts in words: `3 online, 1 offline`."""
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(by_kind.items())) or "none"


def outbox_in_words(outbox: WorkQueue, now: datetime) -> str:
    """Return the numbers of waiting and failed items, and since when the oldest is due."""
    parts = [f"{outbox.waiting:,}"]
    if outbox.failing:
        parts.append(f"{outbox.failing:,} failed before")
    if outbox.due_since:
        parts.append(f"due for {words(now - outbox.due_since)}")
    return ", ".join(parts)


def pass_in_words(facts: FleetFacts, now: datetime) -> str:
    """Return the time and the duration of the last evaluation of all alert rules."""
    last = facts.alert_pass
    if last.at is None:
        return "never"
    took = f", {last.rules} rules in {last.seconds:.2f} s" if last.seconds is not None else ""
    return f"{words(max(now, last.at) - last.at)} ago{took}"
