"""Response models of devices: list and detail."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, Field

Status = Literal["online", "warning", "offline", "error", "disabled"]
OsType = Literal["windows", "linux", "macos"]
DeviceType = Literal["desktop", "server", "laptop", "vm"]
AgentId = Annotated[UUID, Path(description="agent_id of the device, from /register")]


class Business(BaseModel):
    """The customer that a device belongs to."""

    id: UUID
    business_name: str


class Location(BaseModel):
    """The site of a device."""

    id: UUID
    location_name: str | None


class ListedAgent(BaseModel):
    """A device in a list; percentages are those of its newest sample, null when not measured. Times in UTC."""

    id: UUID
    device_name: str
    business: Business
    service_location: Location | None
    status: Status
    last_heartbeat: datetime | None
    last_metrics_received: datetime | None
    os_type: str | None
    os_version: str | None
    device_type: str | None
    cpu_percent: float | None
    memory_percent: float | None
    disk_percent: float | None
    hostname: str | None
    ip_address: str | None
    agent_version: str | None
    open_alerts: int = Field(description="open alerts that are not snoozed")
    worst_severity: Literal["info", "warning", "critical"] | None = Field(description="of these alerts")
    created_at: datetime
    status_changed_at: datetime | None
    is_active: bool = Field(description="false: deactivated or decommissioned, its calls are refused")
    clone_suspected: bool = Field(description="two devices seem to use its token")
    decommissioned_at: datetime | None
    metrics_interval_seconds: int


class AgentList(BaseModel):
    """A page of devices in the order of their names."""

    agents: list[ListedAgent]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")
    as_of: datetime = Field(description="the server's clock: pass it as `changed_since` to read what changed")


class AgentColumns(BaseModel):
    """A page of devices as rows of values, for thousands at once: a third of the size. Times in UTC."""

    columns: list[str] = Field(description="the names of the values of a row, as in the other form; flat")
    rows: list[list[Any]]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")
    as_of: datetime = Field(description="the server's clock: pass it as `changed_since` to read what changed")
    total: int | None = Field(description="how many devices match; on the first page")


class MonitoredService(BaseModel):
    """The newest state of a service, and its expected state. Times in UTC."""

    id: UUID
    name: str
    status: Literal["running", "stopped", "starting", "error"]
    pid: int | None
    should_be_running: bool
    auto_restart: bool
    last_checked: datetime = Field(description="time of the sample with this state")
    last_state_change: datetime
    restart_count: int = Field(description="how often it came back after a stop, or under another pid")
    state_changes: int = Field(description="how often its status differed from that in the previous sample")
    missing_since: datetime | None = Field(
        None, description="the newest complete list no longer has it: its status is then stopped"
    )


class AgentDetail(BaseModel):
    """A device with everything that its page shows. Sizes in gigabytes, intervals in seconds, times in UTC."""

    id: UUID
    device_name: str
    device_type: str | None
    business: Business
    service_location: Location | None
    status: Status
    hostname: str | None
    os_type: str | None
    os_version: str | None
    os_architecture: str | None
    agent_version: str | None
    agent_last_updated: datetime | None
    last_heartbeat: datetime | None
    last_metrics_received: datetime | None
    cpu_model: str | None
    total_memory_gb: float | None
    total_disk_gb: float | None
    ip_address: str | None
    mac_address: str | None
    monitoring_enabled: bool
    alerts_enabled: bool
    auto_remediation_enabled: bool
    metrics_interval_seconds: int
    is_active: bool = Field(description="false: deactivated or decommissioned, its calls are refused")
    created_at: datetime
    enrolled_at: datetime | None = Field(description="its first heartbeat; null before")
    status_changed_at: datetime | None
    clone_suspected_at: datetime | None = Field(description="since when two devices seem to share its token")
    clock_off_since: datetime | None = Field(
        None, description="since when its clock is more than two minutes off; rules are evaluated by the device's clock"
    )
    clock_offset_seconds: float | None = Field(None, description="its clock minus ours, when it is off")
    same_machine_as: UUID | None = Field(None, description="a device of the business that seems to be the same machine")
    decommissioned_at: datetime | None
    decommission_reason: str | None = Field(None, description="the remark of an employee; null for customers")
    rotation_requested_at: datetime | None = Field(description="since when its agent is asked for a new token")
    token_state: Literal["active", "revoked"] = Field(description="revoked: it needs a registration token for itself")
    current_metrics: dict[str, Any] = Field(description="the newest sample and its collected_at; {} before the first")
    active_alerts: int
    monitored_services: list[MonitoredService]
