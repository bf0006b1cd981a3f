"""The caller and their permissions."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from api.auth import CurrentPerson
from api.schemas.agents import Business
from api.services import Services, get_services
from auth.tokens import Person
from devices.directory import describe_person

router = APIRouter(prefix="/api", tags=["session"])

MAX_LIVE_DEVICES = 1000  # devices that one socket may follow


class Permissions(BaseModel):
    """The permissions that pages use for their controls; the routes check them again."""

    handle_alerts: bool
    order_commands: bool
    approve_commands: bool
    edit_rules: bool
    register_devices: bool = Field(alias="register")
    manage_agents: bool
    see_storage: bool
    keep_storage: bool = Field(description="change retention and place legal holds: the right `dba`")
    maintenance: bool


class Limits(BaseModel):
    """Bounds that the pages must keep."""

    live_devices: int = Field(description="devices that one socket may follow")


class Me(BaseModel):
    """The caller. Times in UTC."""

    kind: Literal["employee", "customer"]
    subject: str
    name: str = Field(examples=["tess.technician@msp.example"])
    role: str | None
    employee_id: UUID | None
    user_id: UUID | None
    business: Business | None = Field(description="of a customer; null for employees")
    expires_at: datetime = Field(description="when the token ends")
    server_time: datetime
    time_zone: str | None = Field(description="always null: the platform keeps no time zone of a person")
    permissions: Permissions
    embed_origins: list[str] = Field(description="origins that may embed a chart (RTS_EMBED_ORIGINS)")
    ticket_url: str | None = Field(description="address of a ticket, with {id} and {number} (RTS_TICKET_URL)")
    approval_above_devices: int = Field(description="a command to more devices needs a second employee")
    limits: Limits


@router.get("/me")
async def read_me(request: Request, person: CurrentPerson) -> Me:
    """Return the caller, their permissions, and the server's clock."""
    return await whole_person(get_services(request), person)


async def whole_person(services: Services, person: Person) -> Me:
    """Return a person with the data that the pages need."""
    name, business_name = await describe_person(services.pool, person)
    business = None
    if person.business_id is not None:
        business = Business(id=person.business_id, business_name=business_name or "")
    settings = services.settings
    return Me(
        kind="customer" if business else "employee", subject=person.subject, name=name, role=person.role,
        employee_id=person.employee_id, user_id=person.user_id, business=business, expires_at=person.expires_at,
        server_time=services.clock(), time_zone=None, permissions=list_permissions(person, services),
        embed_origins=list(settings.embed_origins), ticket_url=settings.ticket_url or None,
        approval_above_devices=settings.approval_above_devices, limits=Limits(live_devices=MAX_LIVE_DEVICES),
    )  # fmt: skip


def list_permissions(person: Person, services: Services) -> Permissions:
    """Return a person's permissions, by the rights of their role; customers only read."""
    may = person.employee_id is not None
    names = [field.alias or name for name, field in Permissions.model_fields.items()]
    keeps = may and "dba" in services.roles.of(person.role)
    return Permissions(**dict.fromkeys(names, may) | {"keep_storage": keeps})
