"""The table of storage values: every rule that keeps rollups from being lost, and that the danger is real."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from core.clock import utc_now
from db.hypertables.policies import (
    DAY,
    HOUR,
    LEVELS,
    MAX_SAMPLE_AGE,
    MINUTE,
    SLACK,
    YEAR,
    Level,
    find_faults,
)
from rollups.refresh import RefreshBehindRetentionError, list_jobs, refresh_range, run_job
from tests.databases import migrated_database


def changed(relation: str, **values: Any) -> tuple[Level, ...]:
    """The default table with other values at one level."""
    return tuple(replace(level, **values) if level.relation == relation else level for level in LEVELS)


def test_the_default_values_are_safe() -> None:
    assert find_faults() == []


@pytest.mark.parametrize(
    ("relation", "values", "reason"),
    [
        ("agent_metrics", {"columnstore_after": 12 * HOUR}, "needs chunk <= columnstore_after < keep"),
        ("agent_metrics", {"columnstore_after": 30 * DAY}, "needs chunk <= columnstore_after < keep"),
        ("agent_metrics_5m", {"columnstore_after": 6 * DAY}, "needs chunk <= columnstore_after < keep"),
        ("agent_metrics_5m", {"refresh_to": 4 * MINUTE}, "refresh_to must leave alone at least one bucket"),
        ("agent_metrics_1d", {"refresh_from": 29 * DAY, "refresh_to": 28 * DAY}, "must hold at least two buckets"),
        ("agent_metrics_1h", {"chunk": 30 * DAY + MINUTE}, "the chunk must be a multiple of the bucket"),
        ("agent_metrics_1d", {"source": "agent_metrics_5m"}, "must be the level below, agent_metrics_1h"),
        ("agent_metrics_5m", {"refresh_from": 28 * DAY + MINUTE}, "would replace good rollups with nothing"),
        ("agent_metrics_1h", {"refresh_from": 83 * DAY}, "agent_metrics_5m drops chunks of 7 days after 90"),
        ("agent_metrics_1d", {"refresh_from": 700 * DAY}, "agent_metrics_1h drops chunks of 30 days after 730"),
        ("agent_metrics_1h", {"refresh_from": 28 * DAY}, "at least a bucket further than agent_metrics_5m"),
        ("agent_metrics_1d", {"refresh_from": 29 * DAY + 23 * HOUR}, "at least a bucket further than agent_metrics_1h"),
        ("agent_metrics_1h", {"bucket": 62 * MINUTE}, "its bucket must be a multiple of that of agent_metrics_5m"),
    ],
)  # fmt: skip
def test_a_value_that_would_lose_data_is_refused(relation: str, values: dict[str, Any], reason: str) -> None:
    faults = find_faults(changed(relation, **values))
    assert any(fault.startswith(f"{relation}: ") and reason in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("relation", "values"),
    [
        ("agent_metrics", {"columnstore_after": DAY}),
        ("agent_metrics_5m", {"refresh_to": 5 * MINUTE}),
        ("agent_metrics_1h", {"refresh_from": 28 * DAY + HOUR}),
        ("agent_metrics_1h", {"refresh_from": 30 * DAY}),
        ("agent_metrics_1d", {"refresh_from": 30 * DAY}),
        ("agent_metrics_1d", {"refresh_from": 699 * DAY}),
        ("agent_metrics_1h", {"keep": 62 * DAY}),  # less than its source: charts go on with that
    ],
)
def test_a_value_at_its_limit_is_accepted(relation: str, values: dict[str, Any]) -> None:
    assert find_faults(changed(relation, **values)) == []


def test_levels_in_another_order_are_refused() -> None:
    raw, five, hour, day = LEVELS
    assert any("its source must be the level below" in fault for fault in find_faults((raw, hour, five, day)))


def test_samples_older_than_the_first_refresh_looks_back_are_refused() -> None:
    assert find_faults(max_sample_age=MAX_SAMPLE_AGE) == []
    (fault,) = find_faults(max_sample_age=MAX_SAMPLE_AGE + MINUTE)
    assert "agent_metrics_5m looks back only 28 days" in fault


def test_a_shorter_retention_of_raw_than_the_refresh_looks_back_is_a_fault() -> None:
    (fault,) = find_faults(changed("agent_metrics", keep=7 * DAY))
    assert "agent_metrics_5m: refresh looks back 28 days, but agent_metrics drops" in fault


# A chunk, an age or a bucket at any level becomes another one, once or several times over.
days = st.integers(1, 1500).map(lambda count: count * DAY)
ages = st.one_of(days, st.sampled_from([5 * MINUTE, HOUR, 12 * HOUR, DAY, 10 * YEAR]))
changes = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(["chunk", "columnstore_after", "keep", "refresh_from", "refresh_to"]), ages
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


@given(changes=changes)
def test_in_any_accepted_table_no_refresh_reaches_dropped_chunks(changes: list[tuple[int, str, timedelta]]) -> None:
    levels = list(LEVELS)
    for index, name, age in changes:
        if index or not name.startswith("refresh"):
            levels[index] = replace(levels[index], **cast("Any", {name: age}))
    if find_faults(tuple(levels)):
        event("refused")
        return
    event("accepted")
    by_name = {level.relation: level for level in levels}
    for level in levels[1:]:
        assert level.source
        assert level.refresh_from
        source = by_name[level.source]
        assert level.refresh_from <= source.keep - source.chunk - SLACK


@pytest.fixture(scope="module")
def own_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated database whose chunks may be dropped."""
    with migrated_database(tmp_path_factory.mktemp("dropped")) as url:
        yield url


async def count_rollups(connection: asyncpg.Connection) -> dict[str, int]:
    relations = [level.relation for level in LEVELS[1:]]
    return {name: await connection.fetchval(f"SELECT sum(sample_count) FROM {name}") for name in relations}


async def refresh_unguarded(connection: asyncpg.Connection) -> None:
    for level in LEVELS[1:]:
        query = "CALL refresh_continuous_aggregate($1::text::regclass, now() - INTERVAL '50 days', now())"
        await connection.execute(query, level.relation)


async def test_only_an_unguarded_refresh_behind_dropped_samples_deletes_rollups(own_database: str) -> None:
    connection = await asyncpg.connect(own_database, timeout=10)
    await connection.execute(
        "INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent) "
        "SELECT $1, date_trunc('day', now()) - INTERVAL '40 days' + n * INTERVAL '1 minute', now(), 50 "
        "FROM generate_series(1, 600) n",
        uuid4(),
    )
    await refresh_unguarded(connection)
    rolled_up = await count_rollups(connection)
    assert set(rolled_up.values()) == {600}

    await connection.execute("SELECT drop_chunks('agent_metrics', older_than => INTERVAL '30 days')")
    assert await connection.fetchval("SELECT count(*) FROM agent_metrics") == 0
    now = utc_now()
    with pytest.raises(RefreshBehindRetentionError, match="agent_metrics may be dropped before"):
        await refresh_range(connection, now - 45 * DAY, now, now)
    await refresh_range(connection, now - 27 * DAY, now, now)
    for job in await list_jobs(connection):
        await run_job(connection, job)
    assert await count_rollups(connection) == rolled_up

    await refresh_unguarded(connection)
    assert set((await count_rollups(connection)).values()) == {None}
    await connection.close()


@pytest.mark.parametrize(("back", "refused"), [(27 * DAY, False), (29 * DAY, True), (60 * DAY, True)])
async def test_a_range_is_guarded_by_what_its_source_still_holds(
    own_database: str, back: timedelta, refused: bool
) -> None:
    connection = await asyncpg.connect(own_database, timeout=10)
    now = utc_now()
    if refused:
        with pytest.raises(RefreshBehindRetentionError):
            await refresh_range(connection, now - back, now, now)
    else:
        await refresh_range(connection, now - back, now, now)
    await connection.close()
