"""/api/agents/registration-tokens: tokens with their state and device; revocation. Employees only."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from api.auth import CurrentEmployee, MayRegister
from api.errors import conflicts
from api.fields.cursors import Cursor, Limit, make_page, read_cursor
from api.fields.times import parse_time
from api.schemas.agents import Business, Location
from api.services import get_services
from devices.errors import RegistrationTokenSpentError
from devices.registration_tokens import TokenFilter, get_token, list_tokens, revoke_token

router = APIRouter(prefix="/api/agents/registration-tokens", tags=["registration"])

State = Literal["open", "spent", "expired", "revoked"]
TokenId = Annotated[UUID, Path(description="id of the registration token")]


class IssuedToken(BaseModel):
    """A registration token without the token itself, which is shown once. Times in UTC."""

    id: UUID
    state: State
    business: Business
    service_location: Location | None
    device_name: str
    created_at: datetime
    expires_at: datetime
    spent_at: datetime | None
    created_by_name: str | None
    agent_id: UUID | None = Field(description="the device that registered with it, or that it is for")
    hostname: str | None
    os_type: str | None
    first_heartbeat_at: datetime | None
    first_sample_at: datetime | None = Field(description="looked for in the two days after it was spent")

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Return the model of a row; the token itself is not in the database."""
        values = dict(row)
        location_id, location_name = values.pop("service_location_id"), values.pop("location_name")
        location = Location(id=location_id, location_name=location_name) if location_id else None
        business = Business(id=values.pop("business_id"), business_name=values.pop("business_name"))
        return cls(business=business, service_location=location, **values)


class IssuedTokenList(BaseModel):
    """A page of tokens, newest first."""

    tokens: list[IssuedToken]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")


@router.get("")
async def list_registration_tokens(
    request: Request,
    _employee: CurrentEmployee,
    state: Annotated[State | None, Query(description="only those in this state")] = None,
    business_id: Annotated[UUID | None, Query(description="only this business's")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> IssuedTokenList:
    """List registration tokens, newest first."""
    services = get_services(request)
    after = read_cursor(cursor, parse_time, UUID)
    filters = TokenFilter(state, business_id, (after[0], after[1]) if after else None)
    rows = await list_tokens(services.pool, filters, services.clock(), limit + 1)
    page, next_cursor = make_page(rows, limit, "created_at", "id")
    return IssuedTokenList(tokens=[IssuedToken.of(row) for row in page], next_cursor=next_cursor)


@router.get("/{token_id}")
async def read_registration_token(request: Request, _employee: MayRegister, token_id: TokenId) -> IssuedToken:
    """Read one registration token: poll it to see the device join."""
    services = get_services(request)
    return IssuedToken.of(await get_token(services.pool, token_id, services.clock()))


@router.post("/{token_id}/revoke", responses=conflicts(RegistrationTokenSpentError))
async def revoke_registration_token(request: Request, employee: MayRegister, token_id: TokenId) -> IssuedToken:
    """Revoke an unspent token; a second call changes nothing."""
    services = get_services(request)
    return IssuedToken.of(await revoke_token(services.pool, token_id, employee.actor, services.clock()))
