"""Backtests: what a rule would have done in the last days. Employees only."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from alerts.backtest import MOST_DAYS, MOST_THRESHOLDS, Answer, Outcome, Wanted, backtest, read_wanted
from alerts.conditions import Condition, parse_condition
from alerts.leaves import Reach
from alerts.replay import Transition
from alerts.tally import Tally
from api.auth import CurrentEmployee
from api.json_values import JsonObject
from api.services import services_of

router = APIRouter(prefix="/api/agents/alerts", tags=["alerts"])

MOST_DEVICES = 20  # in an answer, for each threshold
State = Literal["inactive", "pending", "firing", "recovering", "no_data"]
Threshold = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]


def readable(value: dict[str, Any]) -> dict[str, Any]:
    """Return conditions that can be read; raises ValueError."""
    parse_condition(value)
    return value


class BacktestOrder(BaseModel):
    """A rule that there is (`rule_id`), or one that may be: its conditions and its reach."""

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
    conditions: Annotated[JsonObject, AfterValidator(readable)] | None = Field(None, description="as of a rule")
    business_id: UUID | None = Field(None, description="null: all businesses")
    service_location_id: UUID | None = None
    agent_device_id: UUID | None = None
    device_type: Literal["desktop", "server", "laptop", "vm"] | None = None
    keep_firing_minutes: float = Field(5, ge=0, le=1440, allow_inf_nan=False)
    thresholds: list[Threshold] = Field([], max_length=MOST_THRESHOLDS, description="empty: that of the conditions")
    days: int = Field(7, ge=1, le=MOST_DAYS, description="up to now")

    @model_validator(mode="after")
    def names_one_rule(self) -> Self:
        """Refuse neither and both."""
        if (self.rule_id is None) == (self.conditions is None):
            raise ValueError("name either rule_id or conditions")
        return self

    def condition(self) -> Condition:
        """Return the conditions as they are evaluated."""
        return parse_condition(self.conditions)


class BacktestTransition(BaseModel):
    """A change of the rule's state."""

    at: datetime
    from_state: State
    to_state: State
    reason: str
    value: float | None


class BacktestDevice(BaseModel):
    """What the rule would have done on one device."""

    agent_id: UUID
    device_name: str
    alerts: int
    tickets: int
    first: datetime
    last: datetime = Field(description="when its last alert began")
    firing_minutes: float = Field(description="from an alert's beginning to its end, or to now")
    is_flapping: bool = Field(description="more than 4 alerts on one day (UTC)")


class BacktestOutcome(BaseModel):
    """What the rule would have done with one threshold."""

    threshold: float | None
    in_words: str
    alerts: int
    tickets: int = Field(description="an alert within 24 hours after the last one ended opens the same ticket again")
    devices: int
    flapping: int
    firing_minutes: float
    worst: list[BacktestDevice] = Field(description="the 20 devices with the most alerts")
    transitions: list[BacktestTransition] = Field(description="of the worst device, the first 100")


class BacktestAnswer(BaseModel):
    """What the rule would have done in the last days, for each threshold. Times in UTC."""

    begin: datetime
    end: datetime
    step_minutes: float
    level: str = Field(description="the rollups that were read", examples=["5m"])
    devices: int = Field(description="in reach")
    outcomes: list[BacktestOutcome]
    notes: list[str] = Field(description="what is judged otherwise than live evaluation would")


@router.post("/backtest")
async def run_backtest(request: Request, employee: CurrentEmployee, body: BacktestOrder) -> BacktestAnswer:
    """Tell how many alerts and tickets a rule would have made in the last days, and on which devices.

    It runs the evaluation itself over the rollups. Conditions on services and forecasts can't be tested on the past.
    """
    del employee
    services = services_of(request)
    if body.rule_id:
        wanted = await read_wanted(services.pool, body.rule_id, body.thresholds, body.days)
    else:
        reach = Reach(body.business_id, body.service_location_id, body.agent_device_id, body.device_type)
        keep = timedelta(minutes=body.keep_firing_minutes)
        wanted = Wanted(body.condition(), reach, body.thresholds, body.days, keep)
    return shown(await backtest(services.pool, wanted, services.clock()))


def shown(answer: Answer) -> BacktestAnswer:
    """Return an answer as the API shows it."""
    plan = answer.plan
    return BacktestAnswer(
        begin=plan.begin, end=plan.end, step_minutes=plan.step / timedelta(minutes=1), level=plan.level.name,
        devices=plan.devices, outcomes=[outcome_of(one, answer.names) for one in answer.outcomes], notes=answer.notes,
    )  # fmt: skip


def outcome_of(outcome: Outcome, names: dict[UUID, str]) -> BacktestOutcome:
    """Return what came of one threshold."""
    tallies = outcome.tallies
    return BacktestOutcome(
        threshold=outcome.threshold, in_words=outcome.condition.in_words(), alerts=outcome.alerts,
        tickets=outcome.tickets, devices=len(tallies), flapping=outcome.flapping,
        firing_minutes=sum(tally.firing_minutes for tally in tallies),
        worst=[device_of(tally, names) for tally in tallies[:MOST_DEVICES]],
        transitions=[transition_of(one) for tally in tallies[:1] for one in tally.transitions],
    )  # fmt: skip


def device_of(tally: Tally, names: dict[UUID, str]) -> BacktestDevice:
    """Return one device."""
    assert tally.first
    assert tally.last
    return BacktestDevice(
        agent_id=tally.device_id, device_name=names.get(tally.device_id, "?"), alerts=tally.alerts,
        tickets=tally.tickets, first=tally.first, last=tally.last, firing_minutes=tally.firing_minutes,
        is_flapping=tally.is_flapping,
    )  # fmt: skip


def transition_of(transition: Transition) -> BacktestTransition:
    """Return one change of state."""
    made = transition.step
    return BacktestTransition(
        at=transition.at, from_state=made.before.state, to_state=made.after.state, reason=made.why,
        value=transition.fact.value,
    )  # fmt: skip
