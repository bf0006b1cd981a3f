"""Tables and lines of `rts-agents retention`: levels, effects, changes, holds."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.filesize import decimal
from rich.table import Table

from db.hypertables.policies import DAY
from health.tables import words
from retention.overview import Overview
from retention.records import age_words


def retention_table(overview: Overview) -> Table:
    """Return a table of the levels with their retention, sizes, growth per day and next drop; times in UTC."""
    table = Table("level", title="Retention", title_justify="left")
    for name in ("kept", "oldest", "next drop", "on disk", "columnstore", "per day"):  # 80 characters wide
        table.add_column(name, justify="right")
    for level in overview.levels:
        status, drop = level.status, "held" if level.held else "-"
        table.add_row(
            status.level.name, words(level.keep), f"{status.oldest:%Y-%m-%d}" if status.oldest else "-",
            f"{level.next_drop:%Y-%m-%d}" if level.next_drop else drop, decimal(status.bytes),
            f"{status.columnstore_chunks} of {status.chunks}",
            "-" if level.growth is None else format_bytes(level.growth),
        )  # fmt: skip
    return table


def records_table(overview: Overview, *, with_descriptions: bool = True) -> Table:
    """Return a table of the kinds of records with their retention; times in UTC. Without descriptions it is narrow."""
    table = Table("records", title="Records", title_justify="left")
    for name in ("kept for", "at least", "size", "deleted", "last"):
        table.add_column(name, justify="right")
    if with_descriptions:
        table.add_column("what")
    for age in overview.records:
        table.add_row(
            age.kind.name, age_words(age.keep / DAY), age_words(age.kind.least / DAY), decimal(age.bytes),
            f"{age.purged_rows:,}", f"{age.purged_at:%Y-%m-%d}" if age.purged_at else "-",
            *([age.kind.what] if with_descriptions else []),
        )  # fmt: skip
    return table


def format_bytes(count: float) -> str:
    """Return bytes in their largest fitting unit; negative if the size shrinks."""
    return f"-{decimal(round(-count))}" if count < 0 else decimal(round(count))


def show_lines(overview: Overview) -> Iterator[str]:
    """Yield the lines below the table."""
    full = f"; the disk is full in {overview.full_in.days} days at this rate" if overview.full_in is not None else ""
    oldest = f"Samples are accepted until they are {words(overview.max_sample_age)} old."
    yield f"database {decimal(overview.growth.bytes)}{full}. {oldest}"
    for change in overview.waiting:
        ages = ", ".join(ages_changed(change["before"], change["after"]))
        yield f"change {change['id']} waits until {change['due_at']:%Y-%m-%d %H:%M} UTC: {ages}"
        if change["error_message"]:
            yield f"! change {change['id']} failed and is tried again: {change['error_message']}"
    for hold in overview.holds:
        until = f" until {hold['ends_at']:%Y-%m-%d}" if hold["ends_at"] else ""
        description = f"hold {hold['id']}: {hold['kind']} {hold['subject']}, {hold['devices']} devices"
        yield f'{description}, since {hold["placed_at"]:%Y-%m-%d}{until}: "{hold["reason"]}"'
        if hold["error_message"]:
            yield f"! hold {hold['id']} cannot be released and is tried again: {hold['error_message']}"
    for tenant in overview.tenants:
        keep = f"{tenant['keep'] / DAY:g} d" if tenant["keep"] else "as for all"
        yield f"{tenant['name']}: {tenant['level']} is kept for {keep}, {tenant['trimmed_rows']:,} rows were deleted"
    for drift in overview.drifts:
        yield f"! {'UNSAFE, the worker pauses it' if drift.unsafe else 'differs'}: {drift.advice}"


def ages_changed(before: dict[str, float], after: dict[str, float]) -> Iterator[str]:
    """Yield each level or kind of records that changes, with both ages in days."""
    for level, days in before.items():
        if after[level] != days:
            yield f"{level} {days:g} d -> {after[level]:g} d"


def effects_table(effects: Sequence[dict[str, Any]]) -> Table:
    """Return a table of the data that a plan drops, by relation."""
    table = Table("dropped of", title="Would be dropped", title_justify="left")
    for name in ("chunks", "rows", "freed", "share", "from", "until"):
        table.add_column(name, justify="right")
    for effect in effects:
        table.add_row(
            effect["relation"], str(effect["chunks"] or "-"), format_rows(effect), decimal(effect["bytes"]),
            f"{effect['share']:.0%}", effect["oldest"][:10], effect["until"][:10],
        )  # fmt: skip
    return table


def format_rows(effect: dict[str, Any]) -> str:
    """Return the rows of an effect; a plan of an older version has counted all."""
    return f"{'' if effect.get('exact', True) else 'about '}{effect['rows']:,}"


def plan_lines(document: dict[str, Any]) -> Iterator[str]:
    """Yield the changes of a plan, its losses, and the reasons why it is refused."""
    yield f"{document['database']}: {', '.join(ages_changed(document['before'], document['after'])) or 'no change'}"
    freed = sum(effect["bytes"] for effect in document["effects"])
    if freed:
        yield f"frees {decimal(freed)}, not before {document['drops_from'][:16].replace('T', ' ')} UTC"
    for loss in document["losses"]:
        yield f"- {loss}"
    for objection in document["objections"]:
        yield f"REFUSED: {objection}"


def changes_table(changes: Sequence[dict[str, Any]]) -> Table:
    """Return the history of changes; times in UTC."""
    table = Table("number", "state", "ages", "requested", "by", "reason", "in force", "undone", "planned to free")
    for row in changes:
        times = [
            f"{row[name]:%Y-%m-%d %H:%M}" if row[name] else "-" for name in ("requested_at", "applied_at", "undone_at")
        ]
        in_force = f"due {row['due_at']:%Y-%m-%d %H:%M}" if row["state"] == "waiting" else times[1]
        table.add_row(
            str(row["id"]), row["state"], ", ".join(ages_changed(row["before"], row["after"])), times[0],
            row["requested_by"], row["reason"], in_force, times[2], decimal(row["planned_bytes"]),
        )  # fmt: skip
    return table


def holds_table(holds: Sequence[dict[str, Any]]) -> Table:
    """Return legal holds; times in UTC."""
    table = Table("number", "state", "of", "devices", "reason", "placed", "by", "ends", "released")
    for row in holds:
        dates = [f"{row[name]:%Y-%m-%d}" if row[name] else "-" for name in ("placed_at", "ends_at", "released_at")]
        table.add_row(
            str(row["id"]), "released" if row["released_at"] else "in force", f"{row['kind']} {row['subject']}",
            str(row["devices"]), row["reason"], dates[0], row["placed_by"], dates[1], dates[2],
        )  # fmt: skip
    return table
