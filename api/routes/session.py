"""Browser sessions: the cookie with the platform token, and the sign-in of the demo."""

from datetime import timedelta
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from api.auth import Credentials, admit_person
from api.errors import ErrorAnswer
from api.routes.me import Me, whole_person
from api.server.sessions import COOKIE, CrossSiteError, headers_by_name, is_loopback, is_own_origin
from api.services import Services, get_services
from auth.tokens import Person
from core.errors import RtsError, UnauthorizedError
from devices.directory import list_logins

router = APIRouter(prefix="/api/session", tags=["session"])

MAX_TOKEN = 3800  # bytes; a browser keeps a cookie of up to 4,096 with name and attributes
DEMO_LIFETIME = timedelta(hours=12)


class DemoOffError(RtsError):
    """The demo sign-in is off: it requires RTS_DEMO_LOGIN=true and a caller on the server's own machine."""

    code: ClassVar[str] = "not_found"
    status: ClassVar[int] = 404


class UnknownLoginError(RtsError):
    """There is no such demo login: GET /api/session/demo lists the keys."""

    code: ClassVar[str] = "unknown_login"
    status: ClassVar[int] = 422


class TokenTooLongError(RtsError):
    """This token is too long for a cookie: a token for a session has at most 3,800 characters."""

    code: ClassVar[str] = "token_too_long"
    status: ClassVar[int] = 422


class NewSession(BaseModel):
    """The platform token of the session, where no Authorization header carries it."""

    token: str | None = Field(None, max_length=4096)


class DemoLogin(BaseModel):
    """A person who may sign in to the demo."""

    key: str
    label: str = Field(description="their e-mail address")
    kind: Literal["employee", "customer"]
    business_name: str | None


class DemoLogins(BaseModel):
    """The people who may sign in to the demo."""

    logins: list[DemoLogin]


class DemoChoice(BaseModel):
    """The choice of a demo login by its key."""

    key: str = Field(max_length=60, examples=["employee:00000000-0000-0000-0000-000000000000"])


REFUSED: dict[int | str, dict[str, Any]] = {
    403: {"model": ErrorAnswer, "description": "the call comes from another site"}
}


def own_pages_only(request: Request) -> None:
    """Refuse a request from a page of another site, which could sign its user in as another person."""
    if not is_own_origin(headers_by_name(request.scope), get_services(request).settings.public_url, required=False):
        raise CrossSiteError


def demo_only(request: Request) -> None:
    """Refuse unless this is the demo and the caller is on this machine, by address and by requested host."""
    caller = request.client.host if request.client else ""
    host = request.headers.get("host", "")
    if not (get_services(request).settings.demo_login and is_loopback(caller) and is_loopback(host)):
        raise DemoOffError


OwnPages, InDemo = Depends(own_pages_only), Depends(demo_only)


@router.post("", dependencies=[OwnPages], responses=REFUSED)
async def open_session(
    request: Request, response: Response, credentials: Credentials, body: NewSession | None = None
) -> Me:
    """Keep a platform token, from the Authorization header or the body, in a cookie that scripts cannot read."""
    # The body first: the header may be that of a cookie whose token has ended.
    token = (body and body.token) or (credentials and credentials.credentials)
    if not token:
        raise UnauthorizedError
    services = get_services(request)
    person = services.tokens.verify_person(token)
    await admit_person(services, person)
    return await begin(request, response, token, person)


@router.delete("", status_code=204)
async def close_session(request: Request, response: Response) -> None:
    """Delete the session's cookie; the token itself stays valid until it expires."""
    response.delete_cookie(COOKIE, path="/", secure=is_secure(request), httponly=True, samesite="strict")


@router.get("/demo", dependencies=[InDemo])
async def list_demo_logins(request: Request) -> DemoLogins:
    """List the people who may sign in without a password: only in the demo, and only on its own machine."""
    rows = await list_logins(get_services(request).pool)
    return DemoLogins(
        logins=[
            DemoLogin(key=key_of(row), label=row["email"], kind=row["kind"], business_name=row["business_name"])
            for row in rows
        ]
    )


@router.post("/demo", dependencies=[InDemo, OwnPages], responses=REFUSED)
async def open_demo_session(request: Request, response: Response, choice: DemoChoice) -> Me:
    """Sign in with a login of the demo."""
    services = get_services(request)
    for row in await list_logins(services.pool):
        if key_of(row) == choice.key:
            token = token_for(services, row["kind"], row["id"], row["business_id"])
            return await begin(request, response, token, services.tokens.verify_person(token))
    raise UnknownLoginError


async def begin(request: Request, response: Response, token: str, person: Person) -> Me:
    """Set the cookie for the lifetime of the token; return the person who signed in."""
    if len(token) > MAX_TOKEN:
        raise TokenTooLongError
    services = get_services(request)
    seconds_left = max(0, int((person.expires_at - services.clock()).total_seconds()))
    response.set_cookie(
        COOKIE, token, max_age=seconds_left, path="/", secure=is_secure(request), httponly=True, samesite="strict"
    )
    return await whole_person(services, person)


def is_secure(request: Request) -> bool:
    """Return whether the cookie needs TLS: always, except on this machine without TLS."""
    https = urlsplit(get_services(request).settings.public_url).scheme == "https" or request.url.scheme == "https"
    return https or not is_loopback(request.headers.get("host", ""))


def key_of(row: asyncpg.Record) -> str:
    """Return the key by which a login is chosen."""
    return f"{'employee' if row['kind'] == 'employee' else 'user'}:{row['id']}"


def token_for(services: Services, kind: str, person_id: UUID, business_id: UUID | None) -> str:
    """Return a platform token of a login of the demo, as the platform would issue it."""
    claims = {"sub": str(person_id)}
    if kind == "employee":
        claims |= {"employee_id": str(person_id), "role": "technician"}
    else:
        claims |= {"user_id": str(person_id), "business_id": str(business_id)}
    return services.tokens.issue_person(claims, services.clock(), DEMO_LIFETIME)
