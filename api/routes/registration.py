"""Registration of a device: POST /registration-tokens (employee) and POST /register (the token itself)."""

from datetime import datetime, timedelta
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from api.auth import MayRegister
from api.fields.text import Name, StorableText
from api.server.asgi import source_address
from api.services import get_services
from core.facts import clean_fact
from core.settings import Settings
from db.pools import database_errors
from devices.registration import SystemInfo, TokenRequest, create_registration_token, register

router = APIRouter(prefix="/api/agents", tags=["registration"])


class NewRegistrationToken(BaseModel):
    """The settings of a new registration token; with `agent_id` it is for an existing device."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"business_id": "0b7f3a52-6a55-4c1e-9d0a-2f6c1e8b7a10", "device_name": "front-desk-1"}]
        },
    )

    business_id: UUID
    agent_id: UUID | None = Field(
        None, description="a device of that business which gets a new token and keeps its id, name, site and history"
    )
    service_location_id: UUID | None = Field(None, description="a site of that business, for a new device")
    device_name: Name | None = Field(None, description="of a new device", validate_default=True)
    expires_in_hours: float = Field(24, gt=0, le=24 * 365)
    metrics_interval_seconds: int | None = Field(
        None, ge=1, le=86_400, description="how often a new device will sample; default 300"
    )

    @field_validator("device_name")
    @classmethod
    def a_new_device_has_a_name(cls, name: str | None, info: ValidationInfo) -> str | None:
        """Refuse a new device without a name."""
        if name is None and info.data.get("agent_id") is None:
            raise ValueError("a new device needs a name")
        return name


class RegistrationToken(BaseModel):
    """A one-use token, shown once, and how to spend it."""

    id: UUID = Field(description="of the token: read its state, or revoke it")
    token: str = Field(examples=["AGT-7KQ2-M9XD-P4TR"])
    expires_at: datetime
    install_command_linux: str
    install_command_windows: str


@router.post("/registration-tokens")
async def new_registration_token(
    request: Request, employee: MayRegister, body: NewRegistrationToken
) -> RegistrationToken:
    """Create a one-use token with which one device registers: a new one, or an existing one again."""
    services = get_services(request)
    requested = TokenRequest(
        body.business_id, body.service_location_id, body.device_name, timedelta(hours=body.expires_in_hours),
        body.metrics_interval_seconds or services.settings.default_metrics_interval_seconds, body.agent_id,
    )  # fmt: skip
    with database_errors():
        token_id, token, expires_at = await create_registration_token(
            services.pool, requested, employee.actor, services.clock()
        )
    command = f"agent --server {services.settings.public_url} --token {token}"
    return RegistrationToken(
        id=token_id, token=token, expires_at=expires_at,
        install_command_linux=f"rts-agents {command}", install_command_windows=f"rts-agents.exe {command}",
    )  # fmt: skip


Short = Annotated[StorableText, StringConstraints(max_length=64)]
# An agent's data about its machine: one odd character or a long text never costs the registration.
Fact64 = Annotated[str | None, BeforeValidator(partial(clean_fact, most=64))]
Fact255 = Annotated[str | None, BeforeValidator(partial(clean_fact, most=255))]


class DeviceInfo(BaseModel):
    """An agent's data about its device."""

    hostname: Fact255 = Field(None, examples=["front-desk-1"])
    os_type: Literal["windows", "linux", "macos"] | None = None
    os_version: Fact255 = Field(None, examples=["11"])
    os_architecture: Fact64 = Field(None, examples=["x86_64"])
    device_type: Literal["desktop", "server", "laptop", "vm"] | None = None
    ip_address: IPv4Address | IPv6Address | None = Field(None, examples=["192.0.2.17"])
    mac_address: Fact64 = Field(None, examples=["00:00:5e:00:53:17"])
    cpu_model: Fact255 = Field(None, examples=["Xeon E-2314"])
    total_memory_gb: float | None = Field(None, ge=0, le=1e6, allow_inf_nan=False)
    total_disk_gb: float | None = Field(None, ge=0, le=1e9, allow_inf_nan=False)
    agent_version: Fact64 = Field(None, examples=["1.4.2"])

    def system(self) -> SystemInfo:
        """Return the agent's data about its machine."""
        values = self.model_dump(include=set(DeviceInfo.model_fields))
        address = values.pop("ip_address")
        return SystemInfo(ip_address=None if address is None else str(address), **values)


class Registration(DeviceInfo):
    """A registration token and the device: its fields beside the token, or inside `system_info`."""

    token: Short = Field(examples=["AGT-7KQ2-M9XD-P4TR"])
    system_info: DeviceInfo | None = None

    @model_validator(mode="after")
    def one_place(self) -> Self:
        """Fields inside `system_info` win over those beside the token."""
        for name in self.system_info.model_fields_set if self.system_info else ():
            setattr(self, name, getattr(self.system_info, name))
        return self


class AgentConfig(BaseModel):
    """The settings of the agent: intervals and the address of the live channel."""

    heartbeat_interval_seconds: int
    metrics_interval_seconds: int
    websocket_url: str


class RegisteredAgent(BaseModel):
    """The agent; its token is shown once."""

    agent_id: UUID
    agent_token: str
    business_id: UUID
    service_location_id: UUID | None
    config: AgentConfig


@router.post("/register")
async def register_agent(request: Request, body: Registration) -> RegisteredAgent:
    """Register with a registration token: the device gets a permanent token, and an id unless it has one."""
    services = get_services(request)
    with database_errors():
        registered = await register(
            services.pool, services.tokens, body.token, body.system(), services.clock(), source_address(request.scope)
        )
    return RegisteredAgent(
        agent_id=registered.agent_id, agent_token=registered.agent_token, business_id=registered.business_id,
        service_location_id=registered.service_location_id,
        config=agent_config(services.settings, registered.metrics_interval_seconds),
    )  # fmt: skip


def agent_config(settings: Settings, metrics_interval_seconds: int) -> AgentConfig:
    """Return an agent's intervals and the address of the live channel."""
    return AgentConfig(
        heartbeat_interval_seconds=settings.heartbeat_interval_seconds,
        metrics_interval_seconds=metrics_interval_seconds,
        websocket_url=settings.public_url.replace("http", "ws", 1) + "/ws",
    )
