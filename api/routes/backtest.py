"""Backtests: the alerts that a rule would have caused in the last days. Employees only."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from alerts.errors import FaultyAlertRuleError
from alerts.manage.scope import ScopeOfRule, business_of
from alerts.replay.backtest import (
    MAX_DAYS,
    MAX_THRESHOLDS,
    BacktestResult,
    BacktestSpec,
    ThresholdOutcome,
    backtest,
    read_spec,
)
from alerts.replay.report import BacktestSummary
from alerts.rules.terms import Scope
from alerts.state.machine import Transition
from api.auth import CurrentEmployee
from api.errors import conflicts
from api.fields.conditions import Conditions
from api.schemas.alert_rules import BUSINESS, DeviceType, Minutes, State
from api.services import Services, get_services

router = APIRouter(prefix="/api/agents/alerts", tags=["alerts"])

MAX_DEVICES = 20  # in an answer, for each threshold
Threshold = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]


class BacktestOrder(BaseModel):
    """An existing rule (`rule_id`), or the conditions and the scope of a new one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "business_id": "6f1c2d3e-0000-4000-8000-000000000001",
                    "conditions": {"metric": "cpu_percent", "operator": ">", "threshold": 90, "duration_minutes": 10},
                    "thresholds": [85, 90, 95], "days": 7,
                }
            ]
        },
    )  # fmt: skip

    rule_id: UUID | None = Field(None, description="instead of conditions, reach, keep_firing_minutes")
    conditions: Conditions | None = Field(None, description="as of a rule")
    business_id: UUID | None = Field(None, description=BUSINESS)
    service_location_id: UUID | None = None
    agent_device_id: UUID | None = None
    device_type: DeviceType | None = None
    keep_firing_minutes: Minutes = 5
    thresholds: list[Threshold] = Field([], max_length=MAX_THRESHOLDS, description="empty: that of the conditions")
    days: int = Field(7, ge=1, le=MAX_DAYS, description="up to now")
    sample_devices: int | None = Field(
        None, ge=1, le=99, description="test at most so many devices of the reach, the same ones each time"
    )

    @model_validator(mode="after")
    def names_one_rule(self) -> Self:
        """Raise ValueError unless exactly one of rule_id and conditions is given."""
        if (self.rule_id is None) == (self.conditions is None):
            raise ValueError("give either rule_id or conditions")
        return self


class BacktestTransition(BaseModel):
    """A change of the rule's state."""

    at: datetime
    from_state: State
    to_state: State
    reason: str
    value: float | None


class BacktestDevice(BaseModel):
    """The alerts of the rule on one device or instance."""

    agent_id: UUID
    device_name: str
    instance: str = Field(description="empty: the device itself", examples=["C:"])
    alerts: int
    tickets: int
    first: datetime
    last: datetime = Field(description="when its last alert began")
    firing_minutes: float = Field(description="from an alert's beginning to its end, or to now")
    is_flapping: bool = Field(description="more than 4 alerts on one day (UTC)")


class BacktestOutcome(BaseModel):
    """The alerts and tickets of one threshold."""

    threshold: float | None
    in_words: str
    alerts: int
    tickets: int = Field(description="an alert within 24 hours after the last one ended opens the same ticket again")
    devices: int
    flapping: int
    firing_minutes: float
    worst: list[BacktestDevice] = Field(description="the 20 devices, or instances of devices, with the most alerts")
    transitions: list[BacktestTransition] = Field(description="of the worst device, the first 100")


class BacktestAnswer(BaseModel):
    """The result of a backtest for each threshold. Times in UTC."""

    begin: datetime
    end: datetime
    step_minutes: float
    level: str = Field(description="the rollups that were read", examples=["5m"])
    devices: int = Field(description="that were tested")
    reach_devices: int = Field(description="in reach")
    sampled: bool = Field(description="fewer devices were tested than are in reach")
    outcomes: list[BacktestOutcome]
    notes: list[str] = Field(description="differences from live evaluation, in sentences")


@router.post("/backtest", responses=conflicts(FaultyAlertRuleError))
async def run_backtest(request: Request, employee: CurrentEmployee, body: BacktestOrder) -> BacktestAnswer:
    """Return how many alerts and tickets a rule would have caused in the last days, and on which devices.

    It runs the real evaluation over the rollups. Services and forecasts of columns cannot be tested.
    """
    del employee
    services = get_services(request)
    spec = replace(await build_spec(services, body), sample_devices=body.sample_devices)
    return to_answer(await backtest(services.pool, spec, services.clock()))


async def build_spec(services: Services, order: BacktestOrder) -> BacktestSpec:
    """Return the specification of the test; raises the same errors for its scope as the creation of a rule."""
    if order.rule_id:
        return await read_spec(services.pool, order.rule_id, order.thresholds, order.days)
    assert order.conditions is not None
    place = ScopeOfRule(order.business_id, order.service_location_id, order.agent_device_id)
    async with services.pool.acquire() as connection:
        business = await business_of(connection, place)
    reach = Scope(business, order.service_location_id, order.agent_device_id, order.device_type)
    keep = timedelta(minutes=order.keep_firing_minutes)
    return BacktestSpec(order.conditions, reach, order.thresholds, order.days, keep)


def to_answer(answer: BacktestResult) -> BacktestAnswer:
    """Return a result as the model of the API."""
    plan = answer.plan
    return BacktestAnswer(
        begin=plan.begin, end=plan.end, step_minutes=plan.step / timedelta(minutes=1), level=plan.level.name,
        devices=plan.devices, reach_devices=plan.reach_devices, sampled=plan.devices < plan.reach_devices,
        outcomes=[to_outcome(one, answer.names) for one in answer.outcomes], notes=answer.notes,
    )  # fmt: skip


def to_outcome(outcome: ThresholdOutcome, names: dict[UUID, str]) -> BacktestOutcome:
    """Return the outcome of one threshold as the model of the API."""
    tallies = outcome.tallies
    return BacktestOutcome(
        threshold=outcome.threshold, in_words=outcome.condition.in_words(), alerts=outcome.alerts,
        tickets=outcome.tickets, devices=outcome.devices, flapping=outcome.flapping,
        firing_minutes=sum(tally.firing_minutes for tally in tallies),
        worst=[to_device(tally, names) for tally in tallies[:MAX_DEVICES]],
        transitions=[to_transition(one) for tally in tallies[:1] for one in tally.transitions],
    )  # fmt: skip


def to_device(tally: BacktestSummary, names: dict[UUID, str]) -> BacktestDevice:
    """Return the summary of one device as the model of the API."""
    assert tally.first
    assert tally.last
    return BacktestDevice(
        agent_id=tally.device_id, device_name=names.get(tally.device_id, "?"), instance=tally.instance,
        alerts=tally.alerts, tickets=tally.tickets, first=tally.first, last=tally.last,
        firing_minutes=tally.firing_minutes, is_flapping=tally.is_flapping,
    )  # fmt: skip


def to_transition(transition: Transition) -> BacktestTransition:
    """Return one change of state as the model of the API."""
    return BacktestTransition(
        at=transition.at, from_state=transition.before.state, to_state=transition.after.state, reason=transition.why,
        value=transition.result.value,
    )  # fmt: skip
