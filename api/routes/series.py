"""Metrics with instances: those of a device, the highest values of the fleet, and the history of each instance."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from api.auth import CurrentPerson
from api.schemas.agents import AgentId
from api.services import get_services
from core.errors import AgentNotFoundError
from core.micros import SECOND, to_time
from rollups.series_history import QUERIES, Line, SeriesHistory, check_names

router = APIRouter(prefix="/api/agents", tags=["history"])

FRESH = timedelta(hours=1)  # older newest values aren't the fleet's present


class Series(BaseModel):
    """One instance of a metric on a device, with its newest value. Times in UTC."""

    metric: str = Field(examples=["disk.percent"])
    instance: str = Field(examples=["C:"])
    unit: str = Field(examples=["percent"])
    kind: Literal["gauge", "counter"]
    value: float | None = Field(description="newest; of a counter its reading")
    collected_at: datetime | None
    since: datetime
    gone_at: datetime | None = Field(description="set when the series was not sent for a week")


class SeriesList(BaseModel):
    """The series of a device, by metric and instance."""

    series: list[Series]


class TopValue(BaseModel):
    """One of the highest newest values."""

    agent_id: UUID
    device_name: str
    business_id: UUID
    instance: str
    unit: str
    value: float
    collected_at: datetime


class Top(BaseModel):
    """The highest newest values of a metric, highest first."""

    metric: str
    top: list[TopValue]


@router.get("/metrics/top")
async def top(
    request: Request,
    person: CurrentPerson,
    metric: Annotated[str, Query(description="a gauge with instances", examples=["disk.percent"], max_length=100)],
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> Top:
    """List the highest newest values over all devices that the caller may see, none older than an hour."""
    check_names([metric])
    services = get_services(request)
    since = services.clock() - FRESH
    if person.tenant is None:
        rows = await services.pool.fetch(*QUERIES.bind("top_of_fleet", metric=metric, limit=limit, since=since))
    else:
        rows = await services.pool.fetch(
            *QUERIES.bind("top_of_business", metric=metric, limit=limit, since=since, tenant=person.tenant)
        )
    return Top(metric=metric, top=[TopValue(agent_id=row["agent_device_id"], **without_id(row)) for row in rows])


def without_id(row: Any) -> dict[str, Any]:
    """Return a row as values without the device's id."""
    return {name: value for name, value in row.items() if name != "agent_device_id"}


@router.get("/{agent_id}/metrics/series")
async def list_series(request: Request, person: CurrentPerson, agent_id: AgentId) -> SeriesList:
    """List the disks, interfaces, sensors and other instances of a device with their newest values."""
    rows = await get_services(request).pool.fetch(
        *QUERIES.bind("list_series", device_id=agent_id, tenant=person.tenant)
    )
    if not rows:
        raise AgentNotFoundError
    return SeriesList(series=[to_series(row) for row in rows if row["metric"] is not None])


def to_series(row: Any) -> Series:
    """Return one row of the list as the model of the API."""
    return Series(
        metric=row["metric"], instance=row["instance"], unit=row["unit"],
        kind="counter" if row["is_counter"] else "gauge", value=row["value"], collected_at=row["collected_at"],
        since=row["created_at"], gone_at=row["gone_at"],
    )  # fmt: skip


def series_body(history: SeriesHistory, aggregates: Sequence[str], form: str) -> dict[str, Any]:
    """Return the lines of a history as a part of the answer."""
    line = line_columns if form == "columns" else line_rows
    return {"instances": [line_head(one) | line(one, line_aggregates(one, aggregates)) for one in history.lines]}


def line_head(line: Line) -> dict[str, Any]:
    """Return the metric, instance and unit of a line."""
    return {"metric": line.metric, "instance": line.instance, "unit": line.unit}


def line_aggregates(line: Line, aggregates: Sequence[str]) -> list[str]:
    """Return those of `aggregates` that a line has: a counter has only its rate, as avg."""
    return ["avg"] if line.is_counter else list(aggregates)


def line_rows(line: Line, aggregates: Sequence[str]) -> dict[str, Any]:
    """Return a line as one object for each point."""
    names = ["timestamp", *aggregates, "samples", "coverage"]
    columns = [map(to_time, line.times), *(getattr(line, name) for name in aggregates), line.samples, line.coverage]
    return {"points": [dict(zip(names, point, strict=True)) for point in zip(*columns, strict=True)]}


def line_columns(line: Line, aggregates: Sequence[str]) -> dict[str, Any]:
    """Return a line as one array for each column; buckets without samples have no place."""
    arrays = {name: getattr(line, name) for name in aggregates}
    times = [time / SECOND for time in line.times]
    return {"timestamps": times, **arrays, "samples": line.samples, "coverage": line.coverage}
