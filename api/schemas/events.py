"""Request and response models of device events."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from api.fields.json_values import JsonObject
from api.fields.text import Word
from api.fields.times import Time


class DeviceEvent(BaseModel):
    """An event: reported by the agent (`service_crashed`) or detected by the server (`status_changed`)."""

    id: int
    event_type: str = Field(examples=["status_changed"])
    occurred_at: datetime = Field(description="by the device's clock, if the agent sent a time")
    received_at: datetime
    data: dict[str, Any] = Field(description="of status_changed: from, to, why")


class EventList(BaseModel):
    """A page of events, newest first."""

    events: list[DeviceEvent]
    next_before: int | None = Field(description="pass as `before` for the next page; null on the last")


class AgentEvent(BaseModel):
    """An event on a device, reported by its agent."""

    event_type: Word = Field(examples=["service_crashed"])
    timestamp: Time = Field(description="by the device's clock")
    data: JsonObject = Field(default_factory=dict, description="at most 64 KiB as JSON")
