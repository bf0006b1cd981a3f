"""A device's history: its state → a plan (`plans.py`) → the rows of one query → points (`points.py`)."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from core import micros
from core.errors import RtsError
from core.metrics import BY_NAME, Metric
from db.hypertables.values import DEFAULTS, StorageValues
from db.pools import Connection
from db.sql import load_beside
from rollups.charted_devices import ChartedDevice, ChartMemory, parse_device, read_device, still_holds
from rollups.choose import MAX_POINTS, Choice
from rollups.errors import TooManyPointsError, UnknownMetricError
from rollups.plans import ROLLUPS, ChartWindow, HistoryPlan, HistoryQuery, plan_for
from rollups.points import Grid, Points, make_points

QUERIES = load_beside(__file__)


@dataclass(frozen=True, slots=True)
class ChartSegment:
    """A part of the answer and the level that it was read from."""

    level: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class History:
    """The answer: points, the grid they lie on, and where they come from."""

    choice: Choice
    grid: Grid
    segments: list[ChartSegment]
    points: Points


def find_metrics(names: Sequence[str]) -> tuple[Metric, ...]:
    """Return the metrics of these names, each once; raises UnknownMetricError naming all unknown ones."""
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        message = f"Unknown metrics: {', '.join(unknown)}; `details` lists all metrics."
        raise UnknownMetricError(message, details=list(BY_NAME))
    return tuple(BY_NAME[name] for name in dict.fromkeys(names))


async def read_history(
    pool: asyncpg.Pool,
    tenant: UUID | None,
    history_query: HistoryQuery,
    now: datetime,
    values: StorageValues = DEFAULTS,
    memory: ChartMemory | None = None,
) -> History:
    """Return the history of a device that `tenant` may see (None: an employee).

    Raises AgentNotFoundError, InvalidRangeError or TooManyPointsError.
    """
    async with pool.acquire() as connection:
        plan, rows = await read_points(connection, tenant, history_query, now, values, memory or ChartMemory())
    choice, window = plan.choice, plan.window
    if plan.days:
        days = [micros.from_time(day) for day in plan.days]
        rows = [dict(row) | {"bucket": days[row["bucket"] - 1]} for row in rows]
    if not choice.width and len(rows) > MAX_POINTS:
        raise TooManyPointsError
    # A device's clock may be a little ahead.
    newest = rows[-1]["bucket"] + micros.from_span(choice.width) if rows else 0
    grid = make_grid(choice, window, plan.sample_every, now, newest, plan.former, plan.days)
    return History(choice, grid, list_segments(choice, window), make_points(rows, history_query.metrics, grid))


def make_grid(
    choice: Choice,
    window: ChartWindow,
    sample_every: timedelta,
    now: datetime,
    newest: int,
    former: Sequence[tuple[datetime, timedelta]],
    days: Sequence[datetime],
) -> Grid:
    """Return the grid of a chart whose newest bucket ends at `newest` (microseconds)."""
    present = micros.from_time(now)
    return Grid(
        micros.from_time(window.shown),
        min(micros.from_time(window.end), max(present, newest)),
        micros.from_span(choice.width),
        micros.from_span(sample_every),
        present,
        [(micros.from_time(until), micros.from_span(every)) for until, every in former],
        [micros.from_time(day) for day in days],
    )


async def read_points(
    connection: Connection,
    tenant: UUID | None,
    history_query: HistoryQuery,
    now: datetime,
    values: StorageValues,
    memory: ChartMemory,
) -> tuple[HistoryPlan, Sequence[Any]]:
    """Return the rows of a chart and the plan that they were read by; raises as `read_history` does."""
    key = (tenant, history_query.device_id)

    def plan_with(device: ChartedDevice) -> HistoryPlan:
        return plan_for(device, tenant, history_query, now, values, with_device=True)

    planned, plan = memory.recall(key, now), None
    if planned is not None:
        with suppress(RtsError):  # perhaps only what is remembered is refused
            plan = plan_with(planned)
    while True:
        if planned is None or plan is None:
            planned = await read_device(connection, tenant, history_query.device_id, ROLLUPS)
            plan = plan_with(planned)
        state, *rows = await connection.fetch(*plan.query)
        memory.forget(key)
        present = parse_device(state["device"])
        memory.keep(key, present, now)
        if still_holds(planned, present):
            return plan, rows
        planned, plan = present, plan_with(present)


async def plan_history(
    connection: Connection,
    tenant: UUID | None,
    history_query: HistoryQuery,
    now: datetime,
    values: StorageValues = DEFAULTS,
) -> HistoryPlan:
    """Return how a question is answered; raises as `read_history` does."""
    device = await read_device(connection, tenant, history_query.device_id, ROLLUPS)
    return plan_for(device, tenant, history_query, now, values)


async def read_watermarks(connection: Connection | asyncpg.Pool) -> dict[str, datetime]:
    """Return how far each rollup is materialised, by relation, in UTC."""
    return {
        row["relation"]: row["watermark"]
        for row in await connection.fetch(*QUERIES.bind("get_watermarks", relations=ROLLUPS))
    }


def list_segments(choice: Choice, window: ChartWindow) -> list[ChartSegment]:
    """Return the level of each part of the answer."""
    cut = max(window.cut, window.shown)
    segments = []
    if cut > window.shown:
        segments.append(ChartSegment(choice.level.name, window.shown, cut))
    if window.end > cut:
        segments.append(ChartSegment("raw", cut, window.end))
    return segments
