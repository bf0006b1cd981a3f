"""Models of the routes of alert rules."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.fields.conditions import Conditions
from api.fields.local_times import Clock, TimeZone, Weekdays
from api.fields.patches import Patch
from api.fields.recipients import Channels, Recipients, channels_of
from api.fields.text import Name, StorableText, Text2000

Severity = Literal["info", "warning", "critical"]
DeviceType = Literal["desktop", "server", "laptop", "vm"]
State = Literal["inactive", "pending", "firing", "recovering", "no_data", "error"]

AlertType = Annotated[StorableText, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,99}$")]
Minutes = Annotated[float, Field(ge=0, le=1440, allow_inf_nan=False)]

TYPE = "sent to agents in alerts_triggered; if absent, derived from the conditions"
BUSINESS = "null: all businesses, or that of the device or site"
CHANNELS = "left out: those of the recipients"
RECIPIENTS = "e-mail addresses and web addresses (http, https), at most 20"
KEEP = "how long the condition must not hold before the alert ends"
HOURS = "when the rule may begin to fire; null: always"
SHADOW = "evaluated and recorded, but it opens no alert and sends no message"


class ActiveHours(BaseModel):
    """Days of the week, from one local time to another; they span midnight if `from` is after `to`."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)

    days: Weekdays = Field(description="1 is Monday; over midnight, the day on which it begins")
    begin: Clock = Field(alias="from", examples=["08:00"])
    end: Clock = Field(alias="to", examples=["18:00"])
    time_zone: TimeZone = Field(examples=["Europe/Berlin"])

    @model_validator(mode="after")
    def lasts(self) -> Self:
        """Raise ValueError if the hours are empty."""
        if self.begin == self.end:
            raise ValueError("`from` and `to` are the same: leave active_hours out for the whole day")
        return self


class NewAlertRule(BaseModel):
    """A rule: conditions, scope and recipients."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "alert_name": "CPU busy", "severity": "warning",
                    "conditions": {
                        "metric": "cpu_percent", "operator": ">", "threshold": 90, "duration_minutes": 10,
                    },
                    "notification_recipients": ["noc@msp.example", "https://hooks.example/alerts"],
                }
            ]
        },
    )  # fmt: skip

    alert_name: Name
    alert_type: AlertType | None = Field(None, description=TYPE, examples=["cpu_percent_high"])
    severity: Severity = "warning"
    business_id: UUID | None = Field(None, description=BUSINESS)
    agent_device_id: UUID | None = Field(None, description="only this device")
    service_location_id: UUID | None = Field(None, description="only devices at this site")
    device_type: DeviceType | None = Field(None, description="only devices of this type")
    conditions: Conditions = Field(description="one condition, or `all` or `any` of several: see the guide to rules")
    notification_enabled: bool = True
    notification_channels: Channels | None = Field(None, description=CHANNELS)
    notification_recipients: Recipients = Field([], description=RECIPIENTS)
    keep_firing_minutes: Minutes = Field(5, description=KEEP)
    active_hours: ActiveHours | None = Field(None, description=HOURS)
    is_shadow: bool = Field(False, description=SHADOW)
    ticket_enabled: bool = Field(True, description="whether an alert opens a ticket")
    description: Text2000 | None = None

    def values(self) -> dict[str, Any]:
        """Return the rule as column values; its conditions as they were parsed."""
        values = self.model_dump(by_alias=True, exclude={"conditions"}) | {"conditions": self.conditions}
        if self.notification_channels is None:
            values["notification_channels"] = channels_of(self.notification_recipients)
        return values


class AlertRuleChange(Patch):
    """Changes of a rule; absent fields stay. New conditions or another reach reset its states."""

    model_config = ConfigDict(extra="forbid")
    clearable: ClassVar[frozenset[str]] = frozenset(
        {"business_id", "agent_device_id", "service_location_id", "device_type", "active_hours", "description"}
    )

    alert_name: Name | None = None
    alert_type: AlertType | None = Field(
        None, description="left out: derived from new conditions, unless it was set explicitly"
    )
    severity: Severity | None = Field(None, description="of alerts from now on")
    business_id: UUID | None = Field(None, description=BUSINESS)
    agent_device_id: UUID | None = Field(None, description="null: no longer only one device")
    service_location_id: UUID | None = Field(None, description="null: no longer only one site")
    device_type: DeviceType | None = Field(None, description="null: of every type")
    conditions: Conditions | None = None
    notification_enabled: bool | None = None
    notification_channels: Channels | None = Field(None, description="left out: those of new recipients")
    notification_recipients: Recipients | None = Field(None, description=RECIPIENTS)
    keep_firing_minutes: Minutes | None = Field(None, description=KEEP)
    active_hours: ActiveHours | None = Field(None, description=HOURS)
    is_shadow: bool | None = Field(None, description=SHADOW)
    ticket_enabled: bool | None = Field(None, description="whether an alert opens a ticket")
    description: Text2000 | None = Field(None, description="null: none")

    def changes(self) -> dict[str, Any]:
        """Return the changes as column values; new conditions as they were parsed."""
        values = self.model_dump(by_alias=True, exclude_unset=True, exclude={"conditions"})
        if self.conditions is not None:
            values["conditions"] = self.conditions
        if self.notification_recipients is not None:
            values.setdefault("notification_channels", channels_of(self.notification_recipients))
        return values


class AlertRule(BaseModel):
    """A stored rule, and its latest results. Times in UTC."""

    id: UUID
    alert_name: str
    alert_type: str
    severity: Severity
    business_id: UUID | None = Field(description="null: all businesses")
    agent_device_id: UUID | None
    service_location_id: UUID | None
    device_type: DeviceType | None
    conditions: Any
    in_words: str | None = Field(description="the conditions in words; null when they cannot be read")
    notification_enabled: bool
    notification_channels: Any = Field(description="a list, unless another program wrote it")
    notification_recipients: Any = Field(description="a list, unless another program wrote it")
    keep_firing_minutes: float
    active_hours: Any = Field(description=HOURS)
    is_shadow: bool
    ticket_enabled: bool
    description: str | None
    is_active: bool
    open_alerts: int
    last_triggered: datetime | None
    trigger_count: int
    error_message: str | None = Field(description="why it cannot be evaluated; null when it can")
    error_at: datetime | None
    created_at: datetime
    updated_at: datetime
    created_by: UUID | None
    created_by_name: str | None = Field(description="the employee's name when the rule was made")


class RuleChange(BaseModel):
    """A change of a rule: who, when, and the fields with their new and former values. Times in UTC."""

    at: datetime
    actor_kind: Literal["employee", "user", "agent", "system", "unknown"]
    actor_id: UUID | None
    actor_name: str | None = Field(description="the employee's name now; null for one who was deleted")
    action: str = Field(examples=["alert_rule_changed"])
    changed: dict[str, Any] = Field(description="field -> new value; empty when the rule was made")
    before: dict[str, Any] = Field(description="field -> value before the change")


class RuleTrail(BaseModel):
    """The newest changes of a rule, newest first; at most 50."""

    changes: list[RuleChange]


class AlertRuleList(BaseModel):
    """A page of rules in the order of their names."""

    rules: list[AlertRule]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")


class ForBusiness(BaseModel):
    """The business that gets the default rules."""

    business_id: UUID


class Defaults(BaseModel):
    """The default rules of a business: the new ones, and the existing ones of the same types."""

    created: list[AlertRule]
    existing: list[AlertRule]


class AlertTransition(BaseModel):
    """A change of a rule's state on a device, with its reason."""

    id: int
    agent_id: UUID
    device_name: str
    instance: str = Field(description="the disk, interface or sensor; empty: the device itself")
    at: datetime
    from_state: State
    to_state: State
    reason: str = Field(examples=["breached", "muted", "behind the recovery threshold"])
    value: float | None
    threshold: float | None
    is_shadow: bool


class TransitionList(BaseModel):
    """A page of a rule's changes of state, newest first."""

    transitions: list[AlertTransition]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")
