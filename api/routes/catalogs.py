"""The catalogues that forms of the web pages read: metrics with their units, command types with their parameters."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from api.auth import CurrentEmployee, CurrentPerson
from api.services import get_services
from commands.catalog import CATALOG, CommandType
from core.access import ANY, CommandTable
from core.metrics import METRICS, Kind
from core.series import SERIES_METRICS

router = APIRouter(prefix="/api/agents", tags=["catalogues"])

# Windows has no load average; its agents send null.
NOT_ON = {"load_average_1m": ["windows"], "load_average_5m": ["windows"], "load_average_15m": ["windows"]}


class MetricInfo(BaseModel):
    """A metric of samples, charts and rules."""

    name: str = Field(examples=["cpu_percent"])
    unit: str = Field(description="as charts show it: of a counter, its rate", examples=["percent", "bytes/s"])
    kind: Literal["gauge", "counter"]
    maximum: float = Field(description="samples above it are rejected")
    not_on: list[str] = Field(description="os_type of devices that do not have it")
    in_rules: bool = Field(description="whether conditions of alert rules may name it")


class InstanceMetricInfo(BaseModel):
    """A metric with instances: disks, interfaces, sensors. Conditions of alert rules may name it."""

    name: str = Field(examples=["disk.percent"])
    unit: str = Field(description="as charts show it: of a counter, its rate", examples=["percent", "bytes/s"])


class MetricCatalog(BaseModel):
    """Every metric; there are also a device's own, `custom.*`."""

    metrics: list[MetricInfo]
    with_instances: list[InstanceMetricInfo]


class CommandParameter(BaseModel):
    """A parameter of a command type, for a form."""

    name: str
    type: Literal["string", "integer", "boolean"]
    required: bool
    description: str


class CommandInfo(BaseModel):
    """A command type with its parameters and its rule of approval."""

    command_type: str = Field(examples=["restart_service"])
    description: str
    approval_required: bool = Field(description="a second employee must approve it, on one device too")
    dangerous: bool = Field(description="ask again before it is sent")
    params: list[CommandParameter]


class CommandCatalog(BaseModel):
    """The command types of the platform's agents; orders of other types are accepted too."""

    commands: list[CommandInfo]
    free_types: bool = Field(True, description="whether types that are not listed are accepted")


@router.get("/metrics/catalog")
async def read_metric_catalog(person: CurrentPerson) -> MetricCatalog:
    """List the metrics with their units."""
    del person
    metrics = [
        MetricInfo(
            name=metric.name, unit=metric.shown_unit, kind=metric.kind.value, maximum=metric.maximum,
            not_on=NOT_ON.get(metric.name, []), in_rules=metric.kind is Kind.GAUGE,
        )
        for metric in METRICS
    ]  # fmt: skip
    with_instances = [InstanceMetricInfo(name=metric.name, unit=metric.shown_unit) for metric in SERIES_METRICS]
    return MetricCatalog(metrics=metrics, with_instances=with_instances)


@router.get("/commands/catalog")
async def read_command_catalog(request: Request, employee: CurrentEmployee) -> CommandCatalog:
    """List the command types with their parameters and their rule of approval."""
    del employee
    needs = get_services(request).settings.commands
    return CommandCatalog(
        commands=[to_info(one, needs) for one in CATALOG if needs.need_of(one.command_type) != "refused"],
        free_types=needs.need_of(ANY) != "refused",
    )


def to_info(one: CommandType, needs: CommandTable) -> CommandInfo:
    """Return a command type as the model of the API."""
    return CommandInfo(
        command_type=one.command_type, description=one.description, dangerous=one.dangerous,
        approval_required=needs.need_of(one.command_type) == "approval",
        params=[
            CommandParameter(name=part.name, type=part.type, required=part.required, description=part.description)
            for part in one.parameters
        ],
    )  # fmt: skip
