"""/api/agents/maintenance-windows: times in which no rule begins to fire. Customers see their own windows."""

from datetime import datetime, time, timedelta
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from alerts.manage.scope import ScopeOfRule
from alerts.manage.windows import (
    Window,
    WindowFilter,
    create_window,
    delete_window,
    list_windows,
    read_window,
    replace_window,
)
from alerts.silences.occurrences import TimeRange
from api.auth import CurrentPerson, MayEditRules
from api.fields.cursors import Cursor, Limit, make_page, read_cursor
from api.fields.local_times import Clock, TimeZone, Weekdays
from api.fields.text import Name
from api.fields.times import Time
from api.routes.annotations import BadRangeError
from api.schemas.maintenance import MaintenanceWindow, WindowList, to_window
from api.services import get_services
from devices.event_log import check_known

router = APIRouter(prefix="/api/agents/maintenance-windows", tags=["maintenance"])

WindowId = Annotated[UUID, Path(description="id of the window")]
ONCE = ("starts_at", "ends_at")
LONGEST = timedelta(days=366)
WEEKLY = ("weekdays", "local_start", "duration_minutes", "time_zone")


class NewWindow(BaseModel):
    """A window: its scope, and either two times or weekly a local time with a duration."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "window_name": "Patch night", "business_id": "7c9a4f0e-2f8e-4f57-9d0b-0c9d3a4b5e6f",
                    "weekdays": [6], "local_start": "22:00", "duration_minutes": 240, "time_zone": "Europe/Berlin",
                }
            ]
        },
    )  # fmt: skip

    window_name: Name
    business_id: UUID | None = Field(None, description="null: that of the device or site")
    service_location_id: UUID | None = Field(None, description="only devices at this site")
    agent_device_id: UUID | None = Field(None, description="only this device")
    starts_at: Time | None = None
    ends_at: Time | None = None
    weekdays: Weekdays | None = Field(None, description="on which it begins; 1 is Monday")
    local_start: Clock | None = Field(None, examples=["22:00"])
    duration_minutes: int | None = Field(None, ge=1, le=10_080)
    time_zone: TimeZone | None = Field(None, examples=["Europe/Berlin"])

    @model_validator(mode="after")
    def is_whole(self) -> Self:
        """Raise ValueError for a window without a scope, or that is neither once nor weekly."""
        if not (self.business_id or self.service_location_id or self.agent_device_id):
            raise ValueError("give a business_id, service_location_id or agent_device_id")
        present = {name for name in (*ONCE, *WEEKLY) if getattr(self, name) is not None}
        if present not in (set(ONCE), set(WEEKLY)):
            raise ValueError(f"give either {' and '.join(ONCE)}, or {', '.join(WEEKLY)}")
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError("ends_at must be after starts_at")
        return self

    def window(self) -> Window:
        place = ScopeOfRule(self.business_id, self.service_location_id, self.agent_device_id)
        start = time.fromisoformat(self.local_start) if self.local_start else None
        return Window(
            self.window_name, place, self.starts_at, self.ends_at, self.weekdays, start, self.duration_minutes,
            self.time_zone,
        )  # fmt: skip


@router.get("")
async def list_maintenance_windows(
    request: Request,
    person: CurrentPerson,
    business_id: Annotated[UUID | None, Query(description="only this business's")] = None,
    agent_id: Annotated[UUID | None, Query(description="only those that reach this device")] = None,
    start: Annotated[Time | None, Query(description="with `end`: list the runs of each window in this range")] = None,
    end: Annotated[Time | None, Query(description="end of the range, at most 366 days after `start`")] = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> WindowList:
    """List the maintenance windows that the caller may see, past ones too."""
    services, within = get_services(request), parse_range(start, end)
    if agent_id is not None:
        await check_known(services.pool, person.tenant, agent_id, deleted_too=False)
    only = WindowFilter(business_id, agent_id, read_cursor(cursor, str, UUID))
    rows = await list_windows(services.pool, person.tenant, only, limit + 1)
    page, more = make_page(rows, limit, "window_name", "id")
    now = services.clock()
    return WindowList(windows=[to_window(row, now, person, within) for row in page], next_cursor=more)


@router.post("", status_code=201)
async def create_maintenance_window(request: Request, employee: MayEditRules, body: NewWindow) -> MaintenanceWindow:
    """Create a window: alerts that are firing continue in it, but no rule begins to fire."""
    services = get_services(request)
    now = services.clock()
    return to_window(await create_window(services.pool, body.window(), employee.actor, now), now)


@router.get("/{window_id}")
async def read_maintenance_window(request: Request, person: CurrentPerson, window_id: WindowId) -> MaintenanceWindow:
    """Read one window; a customer gets 404 for another business's."""
    services = get_services(request)
    return to_window(await read_window(services.pool, person.tenant, window_id), services.clock(), person)


@router.put("/{window_id}")
async def replace_maintenance_window(
    request: Request, employee: MayEditRules, window_id: WindowId, body: NewWindow
) -> MaintenanceWindow:
    """Replace every field of a window."""
    services = get_services(request)
    now = services.clock()
    return to_window(await replace_window(services.pool, window_id, body.window(), employee.actor, now), now)


@router.delete("/{window_id}", status_code=204)
async def delete_maintenance_window(request: Request, employee: MayEditRules, window_id: WindowId) -> Response:
    """Delete a window; rules that it silenced may fire at the next evaluation."""
    services = get_services(request)
    await delete_window(services.pool, window_id, employee.actor, services.clock())
    return Response(status_code=204)


def parse_range(start: datetime | None, end: datetime | None) -> TimeRange | None:
    """Return the range whose runs are asked for, None for none; raises BadRangeError."""
    if start is None and end is None:
        return None
    if start is None or end is None or not timedelta(0) < end - start <= LONGEST:
        raise BadRangeError("Give both `start` and `end`; `start` must be before `end`, by at most 366 days.")
    return TimeRange(start, end)
