"""Rows as we pack them are what PostgreSQL reads: every value, every null, every pattern of nulls."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.metrics import METRICS
from ingest.copy_rows import COLUMNS, ROWS_AT_ONCE, copy_data, encode_rows
from ingest.samples import Sample

LOADS = ("load_average_1m", "load_average_5m", "load_average_15m")
times = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
loads = st.none() | st.tuples(*[st.none() | st.floats(0, 1e6)] * 3)
unknowns = st.none() | st.dictionaries(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.integers(0, 9)
)


def value_of(name: str, maximum: float) -> st.SearchStrategy[float | None]:
    whole = next(metric.whole for metric in METRICS if metric.name == name)
    return st.none() | (st.integers(0, int(maximum)) if whole else st.floats(0, maximum))


samples = st.builds(
    Sample, collected_at=times, load_average=loads,
    **{metric.name: value_of(metric.name, metric.maximum) for metric in METRICS if metric.name not in LOADS},
)  # fmt: skip


def as_stored(agent_id: UUID, received_at: datetime, sample: Sample, unknown: Any) -> list[Any]:
    values = dict(zip(LOADS, sample.load_average or (None, None, None), strict=True))
    values |= {metric.name: getattr(sample, metric.name) for metric in METRICS if metric.name not in LOADS}
    return [agent_id, sample.collected_at, received_at, *(values[metric.name] for metric in METRICS), unknown]


@pytest.fixture
async def connection(database: str) -> Any:
    connection = await asyncpg.connect(database)
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    yield connection
    await connection.close()


@given(each=st.lists(st.tuples(samples, times, unknowns), max_size=8))
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
async def test_packed_rows_equal_stored_rows(connection: asyncpg.Connection, each: list[tuple[Any, ...]]) -> None:
    agents = [uuid4() for _ in each]
    rows = [
        row
        for agent_id, (sample, received_at, unknown) in zip(agents, each, strict=True)
        for row in encode_rows(
            agent_id, received_at, [sample], [None if unknown is None else json.dumps(unknown).encode()]
        )
    ]
    await connection.execute("CREATE TEMP TABLE packed (LIKE agent_metrics)")
    try:
        await connection.copy_to_table("packed", columns=COLUMNS, source=copy_data(rows), format="binary")
        stored = {row[0]: list(row) for row in await connection.fetch(f"SELECT {', '.join(COLUMNS)} FROM packed")}
    finally:
        await connection.execute("DROP TABLE packed")
    for agent_id, (sample, received_at, unknown) in zip(agents, each, strict=True):
        assert stored.pop(agent_id) == as_stored(agent_id, received_at, sample, unknown)
    assert not stored


async def test_thousands_of_rows_go_out_in_pieces(connection: asyncpg.Connection) -> None:
    now = datetime(2026, 5, 3, tzinfo=UTC)
    thousands = [Sample(now + timedelta(seconds=number), cpu_percent=0.0) for number in range(ROWS_AT_ONCE + 1)]
    rows = encode_rows(uuid4(), now, thousands, [None] * len(thousands))
    await connection.execute("CREATE TEMP TABLE pieces (LIKE agent_metrics)")
    await connection.copy_to_table("pieces", columns=COLUMNS, source=copy_data(rows), format="binary")
    assert await connection.fetchval("SELECT count(*) FROM pieces WHERE cpu_percent = 0") == len(rows)
    await connection.execute("DROP TABLE pieces")
