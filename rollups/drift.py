"""Compare the storage policies in TimescaleDB with the values in force, and find runs that would destroy data.

Policies can be changed by SQL. A refresh that begins before the oldest chunk of its source would replace good rollups
with nothing: the procedure `agent_refresh_rollup` never does, a policy of TimescaleDB could. Retention that runs during
a legal hold drops what must stay. `repair.py` pauses both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from db.hypertables.policies import DAY, HOUR, SLACK, Level
from db.hypertables.values import StorageValues, read_values
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "drift.sql")


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy's job as the database has it; `invalid` names values that are no length of time."""

    relation: str
    job_id: int
    kind: (
        str  # retention, columnstore, refresh, or unbounded refresh: a policy that TimescaleDB offers and we don't use
    )
    scheduled: bool
    drop_after: timedelta | None
    compress_after: timedelta | None
    start_offset: timedelta | None
    end_offset: timedelta | None
    every: timedelta
    invalid: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class StorageState:
    """The values in force, the policies by (relation, kind), and where the oldest chunk of each relation begins (UTC).

    `held`: a legal hold is in force, retention must not run.
    """

    values: StorageValues
    policies: dict[tuple[str, str], Policy]
    oldest: dict[str, datetime]
    held: bool = False


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference, as a sentence; `unsafe` when the next run of the policy would destroy data.

    `statement` is the SQL that mends it; `is_repaired` whether `rts-agents retention repair` does.
    """

    relation: str
    policy: str  # retention, columnstore, refresh, or chunks for their time range
    sentence: str
    unsafe: bool = False
    statement: str = ""
    is_repaired: bool = False

    @property
    def advice(self) -> str:
        """The sentence with the next step: the SQL, the command, or nothing where the sentence has it already."""
        step = self.statement or ("`rts-agents retention repair`" if self.is_repaired else "")
        return f"{self.sentence}: {step}" if step else self.sentence


async def read_storage(connection: Connection) -> StorageState:
    """Return values, policies, holds and the oldest chunks of every level."""
    values = await read_values(connection)
    names = [level.relation for level in values.levels]
    listed = [Policy(**dict(row)) for row in await connection.fetch(*QUERIES.bind("list_policies", relations=names))]
    policies = {(one.relation, one.kind): one for one in listed}
    rows = await connection.fetch(*QUERIES.bind("list_oldest_chunks", relations=names))
    oldest = {row["relation"]: row["oldest"] for row in rows}
    return StorageState(values, policies, oldest, await connection.fetchval(QUERIES["is_held"]))


async def find_drift(connection: Connection, now: datetime) -> list[Drift]:
    """Return every difference between TimescaleDB's policies and the values in force, unsafe ones first."""
    storage = await read_storage(connection)
    unsafe = [drift for _, drift in await find_unsafe(connection, storage, now)]
    differences = [drift for level in storage.values.levels for drift in _differences(level, storage)]
    return [*unsafe, *differences, *await _find_layouts(connection, storage.values.levels)]


async def find_unsafe(connection: Connection, storage: StorageState, now: datetime) -> list[tuple[Policy, Drift]]:
    """Return each policy whose next run would destroy data, paused or not, and why."""
    unsafe = [
        (job, drift)
        for below, level in storage.values.steps
        if (job := storage.policies.get((level.relation, "refresh")))
        and (drift := await _find_unsafe(connection, below, level, storage, now))
    ]
    return [*unsafe, *_unbounded(storage), *_unheld(storage)]


def _unbounded(storage: StorageState) -> Iterator[tuple[Policy, Drift]]:
    for (relation, kind), job in storage.policies.items():
        if kind == "unbounded refresh":
            remove = f"SELECT remove_continuous_aggregate_policy('{relation}')"
            sentence = f"{relation}: a refresh policy of TimescaleDB may begin before its source's chunks: {remove}"
            yield job, Drift(relation, "refresh", sentence, unsafe=True)


def _unheld(storage: StorageState) -> Iterator[tuple[Policy, Drift]]:
    for (relation, kind), job in storage.policies.items():
        if storage.held and kind == "retention" and job.scheduled:
            sentence = f"{relation}: retention is scheduled although a legal hold is in force: chunks would be dropped"
            yield job, Drift(relation, kind, sentence, unsafe=True, is_repaired=True)


async def _find_unsafe(
    connection: Connection, below: Level, level: Level, storage: StorageState, now: datetime
) -> Drift | None:
    refresh = storage.policies.get((level.relation, "refresh"))
    if refresh is None or "start_offset" in refresh.invalid:  # then its procedure raises, before it changes anything
        return None
    retention = storage.policies.get((below.relation, "retention"))
    keep = retention.drop_after if retention else None
    back = refresh.start_offset
    lost = "the refresh would replace good rollups with nothing"
    if keep and (back is None or back > keep - below.chunk - SLACK):
        looks = f"looks back {words(back)}" if back else "looks back without limit"
        drops = f"{below.relation} drops chunks after {words(keep)}"
        sentence = f"{level.relation}: refresh {looks}, but {drops}: {lost}"
        return Drift(level.relation, "refresh", sentence, unsafe=True, is_repaired=True)
    start = now - back if back else datetime.fromtimestamp(0, UTC)
    if await holds_behind(connection, below, level, storage, start, now):
        since = storage.oldest.get(below.relation)
        held = f"{below.relation} has no chunk" + (f" before {since:%Y-%m-%d}" if since else "")
        begins = f"refresh begins on {start:%Y-%m-%d}, but {held}"
        sentence = f"{level.relation}: {begins}: {lost}"
        return Drift(level.relation, "refresh", sentence, unsafe=True, is_repaired=True)
    return None


async def holds_behind(
    connection: Connection, below: Level, level: Level, storage: StorageState, start: datetime, now: datetime
) -> bool:
    """Whether the rollup has rows from `start` on that its source has no chunks for any more."""
    oldest = storage.oldest.get(below.relation, now)
    return start < oldest and bool(
        await connection.fetchval(*QUERIES.bind(f"holds_{level.relation}", start=start, end=oldest))
    )


def _differences(level: Level, storage: StorageState) -> Iterator[Drift]:
    for kind, expected in _wanted(level, storage.values.drop_after(level)).items():
        job, about = storage.policies.get((level.relation, kind)), f"{level.relation}: the {kind} policy"
        if job is None:
            yield _drift(level, kind, f"{about} is missing", _adds(level, kind), is_repaired=kind == "retention")
            continue
        if not job.scheduled and not (storage.held and kind == "retention"):
            yield _drift(level, kind, f"{about} is switched off", f"SELECT alter_job({job.job_id}, scheduled => true)")
        if kind != "refresh" and job.every > DAY:
            yield Drift(level.relation, kind, f"{about} runs every {words(job.every)} only", statement=_runs(job, DAY))
        for name, value in expected.items():
            yield from _difference(level, job, name, value)


def _difference(level: Level, job: Policy, name: str, value: timedelta) -> Iterator[Drift]:
    """Yield the difference of one value of a policy, if there is one."""
    what, actual = f"{level.relation}: {name} of the {job.kind} policy", getattr(job, name)
    is_repaired = name in ("drop_after", "start_offset")
    if name in job.invalid:
        yield _drift(level, job.kind, f"{what} is not a time span", _sets(job, name, value), is_repaired=is_repaired)
    elif actual != value:
        values = f"{words(actual) if actual is not None else 'unset'}, the value in force is {words(value)}"
        yield _drift(level, job.kind, f"{what} is {values}", _sets(job, name, value), is_repaired=is_repaired)


def _drift(level: Level, kind: str, sentence: str, statement: str, *, is_repaired: bool | None = None) -> Drift:
    """Return a difference with the command that mends it, else with the statement; repair leaves the columnstore."""
    repaired = kind != "columnstore" if is_repaired is None else is_repaired
    return Drift(level.relation, kind, sentence, statement="" if repaired else statement, is_repaired=repaired)


def _adds(level: Level, kind: str) -> str:
    """Return the SQL that adds a columnstore policy again; a refresh needs more than one statement."""
    after = f"INTERVAL '{words(level.columnstore_after)}'"
    return f"CALL add_columnstore_policy('{level.relation}', after => {after})" if kind == "columnstore" else ""


def _runs(job: Policy, every: timedelta) -> str:
    return f"SELECT alter_job({job.job_id}, schedule_interval => INTERVAL '{words(every)}')"


def _sets(job: Policy, name: str, value: timedelta) -> str:
    """Return the SQL that sets a value of a policy."""
    if name == "every":
        return _runs(job, value)
    config = f"jsonb_set(config, '{{{name}}}', '\"{words(value)}\"')"
    jobs = f"timescaledb_information.jobs WHERE job_id = {job.job_id}"
    return f"SELECT alter_job(job_id, config => {config}) FROM {jobs}"  # noqa: S608 - printed, not run


async def _find_layouts(connection: Connection, levels: Sequence[Level]) -> list[Drift]:
    """Return which relations have chunks of another time range, or a columnstore that is off or segmented otherwise."""
    by_relation = {level.relation: level for level in levels}
    rows = await connection.fetch(*QUERIES.bind("list_layouts", relations=list(by_relation)))
    differences: list[Drift] = []
    for relation, chunk, segmented_by in rows:
        if chunk != (right := by_relation[relation].chunk):
            sentence = f"{relation}: new chunks span {words(chunk)}, the value in force is {words(right)}"
            sets = f"SELECT set_chunk_time_interval('{relation}', INTERVAL '{words(right)}')"
            differences.append(Drift(relation, "chunks", sentence, statement=sets))
        key = "series_id" if relation.startswith("agent_series") else "agent_device_id"
        if segmented_by is None or key not in segmented_by.split(","):
            sentence = f"{relation}: its columnstore is off, or not segmented by {key}"
            differences.append(Drift(relation, "columnstore", sentence))
    return differences


def _wanted(level: Level, drop_after: timedelta) -> dict[str, dict[str, timedelta]]:
    """Return the values in force by kind of policy and field of Policy."""
    expected = {"retention": {"drop_after": drop_after}, "columnstore": {"compress_after": level.columnstore_after}}
    if level.refresh_from and level.refresh_to and level.refresh_every:
        expected["refresh"] = {
            "start_offset": level.refresh_from, "end_offset": level.refresh_to, "every": level.refresh_every,
        }  # fmt: skip
    return expected


def words(span: timedelta) -> str:
    """Return a span of time in days, hours or minutes."""
    hours = span / HOUR
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} hours" if hours >= 1 else f"{hours * 60:g} minutes"
