"""The services of a device: their state, and the expectations that employees set."""

from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from api.auth import CurrentPerson, MayManage
from api.fields.patches import Patch
from api.schemas.agents import AgentId, MonitoredService
from api.schemas.inventory import Text255
from api.services import get_services
from inventory.services import change_service, read_services

router = APIRouter(prefix="/api/agents", tags=["services"])

ServiceId = Annotated[UUID, Path(description="id of the service")]


class Service(MonitoredService):
    """A service of a device with its names and settings. Times in UTC."""

    service_display_name: str | None
    service_type: str | None = Field(description="systemd, windows_service, launchd …")


class ServiceList(BaseModel):
    """The services of a device in the order of their names."""

    services: list[Service]


class ServiceSettings(Patch):
    """Changes of the settings of a service; absent fields stay."""

    clearable: ClassVar[frozenset[str]] = frozenset({"service_display_name"})

    should_be_running: bool | None = Field(None, description="whether it should be running: it is a fault if it is not")
    auto_restart: bool | None = Field(None, description="it may be restarted without asking")
    service_display_name: Text255 | None = Field(None, description="a name for people; null: none")


@router.get("/{agent_id}/services")
async def list_services(request: Request, person: CurrentPerson, agent_id: AgentId) -> ServiceList:
    """List the services of a device; a customer gets 404 for another business's device."""
    rows = await read_services(get_services(request).pool, person.tenant, agent_id)
    return ServiceList(services=[Service(**row) for row in rows])


@router.patch("/{agent_id}/services/{service_id}")
async def change_service_settings(
    request: Request, employee: MayManage, agent_id: AgentId, service_id: ServiceId, body: ServiceSettings
) -> Service:
    """Change the expected state, the automatic restart or the display name of a service."""
    services = get_services(request)
    row = await change_service(services.pool, agent_id, service_id, body.changes(), employee.actor, services.clock())
    return Service(**row)
