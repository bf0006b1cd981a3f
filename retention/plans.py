"""A plan: the effects of a change of retention, as a document that can be read, signed off and applied later.

Making it writes nothing. A plan is applied only if the database has not changed: same values, policies, holds, needs.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from core.errors import RtsError
from db.hypertables.policies import DAY, find_faults
from db.hypertables.values import StorageValues, longest_windows, with_values
from db.pools import Connection
from db.sql import load_beside
from retention.ages import LEVEL_NAMES, ages_from_days, days_by_level
from retention.effects import Effect, describe_losses, find_effects
from retention.needs import find_unmet, read_needs
from retention.records import (
    NAMES,
    RecordEffect,
    find_record_effects,
    read_record_ages,
    record_days,
    record_faults,
    record_losses,
)
from rollups.drift import StorageState, find_drift, read_storage
from rollups.status import read_status

QUERIES = load_beside(__file__, "changes.sql")
FORMAT = 1
LARGE_SHARE = 0.25  # of a relation's bytes: more is dropped only by a plan made with `large`


class PlanRefusedError(RtsError):
    """This change of retention is not safe: `details` has the reasons."""

    code: ClassVar[str] = "retention_plan_refused"
    status: ClassVar[int] = 409


class UnknownNameError(RtsError):
    """This name is unknown: `rts-agents retention show` lists the names."""

    code: ClassVar[str] = "unknown_retention_name"
    status: ClassVar[int] = 422


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """The effects of a change. Ages in days by level and kind of record, sizes in bytes, times in UTC.

    `objections` refuse it; `losses` describe data that users lose. `fingerprint` identifies the state of the database.
    """

    database: str
    made_at: datetime
    version: int
    before: dict[str, float]
    after: dict[str, float]
    drops_from: datetime
    sample_age_days: dict[str, float]
    effects: list[Effect]
    losses: list[str]
    objections: list[str]
    large: bool
    oldest: dict[str, datetime]
    fingerprint: str

    @property
    def shortens(self) -> bool:
        """Whether a level or a kind of record is kept shorter: such a change waits."""
        return any(self.after[name] < days for name, days in self.before.items())

    @property
    def bytes(self) -> int:
        """The bytes that are dropped."""
        return sum(effect.bytes for effect in self.effects)

    def document(self) -> dict[str, Any]:
        """Return the plan as JSON with a hash over all of it."""
        content: dict[str, Any] = json.loads(json.dumps({"format": FORMAT, **asdict(self)}, default=_text))
        return content | {"hash": hash_document(content)}


def _text(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()


def hash_document(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a document without its own hash."""
    bare = plain({name: value for name, value in content.items() if name != "hash"})
    return hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest()


def plain(value: Any) -> Any:
    """Return a document with whole numbers as integers: a program that rewrites the JSON may turn 30.0 into 30."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


async def make_plan(
    connection: Connection,
    keep: Mapping[str, timedelta],
    now: datetime,
    grace: timedelta,
    *,
    large: bool = False,
    exact: bool = False,
) -> ChangePlan:
    """Return the effects of these ages by name of a level or kind of records; others do not change."""
    storage, records = await read_storage(connection), record_days(await read_record_ages(connection))
    levels, kinds = split_names(keep)
    before, after = storage.values, changed(storage.values, levels)
    ages_in_days = records | {name: age / DAY for name, age in kinds.items()}
    drops_from = now + grace
    effects = await find_effects(connection, before, after, drops_from, exact=exact)
    effects += [
        to_effect(record) for record in await find_record_effects(connection, records, ages_in_days, drops_from)
    ]
    losses = [
        *describe_losses(before, after, drops_from),
        *record_losses(records, ages_in_days),
        *_hold_objections(storage),
    ]
    objections = await find_objections(connection, after, effects, now, large=large)
    objections += record_faults(records, ages_in_days)
    if days_by_level(after) == days_by_level(before) and ages_in_days == records:
        objections.append("nothing changes: everything is kept so long already")
    row = await connection.fetchrow(QUERIES["read_state"])
    assert row is not None
    return ChangePlan(
        row["database"], now, before.version, days_by_level(before) | records, days_by_level(after) | ages_in_days,
        drops_from, {"before": before.max_sample_age / DAY, "after": after.max_sample_age / DAY},
        effects, losses, objections, large, storage.oldest,
        make_fingerprint(storage, dict(row) | {"records": records}, objections),
    )  # fmt: skip


def split_names(keep: Mapping[str, timedelta]) -> tuple[dict[str, timedelta], dict[str, timedelta]]:
    """Return the ages of levels and those of kinds of records; raises UnknownNameError."""
    unknown = [name for name in keep if name not in (*LEVEL_NAMES, *NAMES)]
    if unknown:
        names = ", ".join((*LEVEL_NAMES, *NAMES))
        raise UnknownNameError(f"Nothing is kept by the name {', '.join(unknown)}: the names are {names}.")
    levels = {name: age for name, age in keep.items() if name in LEVEL_NAMES}
    return levels, {name: age for name, age in keep.items() if name in NAMES}


def to_effect(record: RecordEffect) -> Effect:
    """Return the loss of a kind of records in the form of a level's; `share` is that of its table's bytes."""
    share = record.bytes / record.table_bytes if record.table_bytes else 0.0
    return Effect(
        record.kind.name,
        record.kind.relation,
        0,
        record.bytes,
        record.rows,
        share,
        record.oldest,
        record.until,
        exact=True,
    )


def changed(values: StorageValues, keep: Mapping[str, timedelta]) -> StorageValues:
    """Return `values` with other ages; a refresh looks back no further than its source will be kept."""
    ages = ages_from_days(days_by_level(values)) | dict(keep)
    windows = longest_windows(ages)
    shorter = {
        level.name: min(windows[level.name], level.refresh_from) for level in values.metrics if level.refresh_from
    }
    return with_values(values, ages, shorter, values.version)


async def find_objections(
    connection: Connection, after: StorageValues, effects: list[Effect], now: datetime, *, large: bool
) -> list[str]:
    """Return the reasons why a change is refused, in sentences; empty if it is safe."""
    objections = find_faults(after.metrics, after.max_sample_age)
    objections += find_unmet(after, await read_needs(connection))
    objections += [drift.advice for drift in await find_drift(connection, now)]
    waiting = await connection.fetchval(QUERIES["find_waiting"])
    if waiting is not None:
        objections.append(f"change {waiting} waits: undo it, or wait until it is applied")
    if any(effect.chunks for effect in effects):
        objections += [fault for level in await read_status(connection) for fault in level.faults(now)]
    if not large:
        objections += [
            f"{effect.relation} would lose {effect.share:.0%} of its bytes: make the plan with --large if that is meant"
            for effect in effects
            if effect.share > LARGE_SHARE
        ]
    return objections


def _hold_objections(storage: StorageState) -> list[str]:
    objection = "a legal hold is in force: chunks with data under the hold stay until it is released"
    return [objection] if storage.held else []


def make_fingerprint(storage: StorageState, state: dict[str, Any], objections: list[str]) -> str:
    """Return a hash of the state of the database without look-backs, which grow by themselves."""
    policies = sorted(
        (relation, kind, str(job.drop_after), str(job.compress_after), job.scheduled)
        for (relation, kind), job in storage.policies.items()
        if kind != "refresh"
    )
    content = [
        days_by_level(storage.values),
        storage.values.version,
        policies,
        storage.held,
        sorted(state.items()),
        objections,
    ]
    return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()
