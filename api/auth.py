"""Authentication: the one place that turns a bearer token into a person or an agent, or into a 401, 403 or 429.

Routes take one of the types at the end: CurrentPerson (user or employee), CurrentEmployee, CurrentAgent. Every query on
device data takes `person.tenant`, the business that a person may see. All are coroutines: FastAPI would run a plain
function in a thread, which takes longer than to check a token.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.refusals import person_actor
from api.server.asgi import source_address
from api.services import Services, get_services
from auth.tokens import GATEWAY_PREFIX, Person, Sender
from core.access import Right
from core.errors import RtsError, UnauthorizedError, WrongAgentError
from devices.audit import Actor
from devices.devices import check_agent

bearer = HTTPBearer(auto_error=False, description="A platform token (user or employee), or an agent's token")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


class EmployeesOnlyError(RtsError):
    """Only employees of the MSP may do this."""

    code: ClassVar[str] = "employees_only"
    status: ClassVar[int] = 403


class RightMissingError(RtsError):
    """Your role lacks the right in `details.right`; RTS_ROLE_RIGHTS sets the rights of each role."""

    code: ClassVar[str] = "right_missing"
    status: ClassVar[int] = 403

    def __init__(self, right: Right, role: str | None) -> None:
        super().__init__(details={"right": right, "role": role})


class GatewayMayNotReadError(RtsError):
    """This gateway's token is for uploads only: create a gateway with may_read."""

    code: ClassVar[str] = "gateway_may_not_read"
    status: ClassVar[int] = 403


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader of the fleet for another monitoring system: a person, or a gateway with may_read, and its tenant."""

    tenant: UUID | None


@dataclass(frozen=True, slots=True)
class Employee:
    """The employee who calls, and the address of the call for the audit trail."""

    id: UUID
    source: str | None
    role: str | None = None
    rights: frozenset[str] = frozenset()

    @property
    def actor(self) -> Actor:
        """The employee as an actor of the audit trail."""
        return Actor("employee", self.id, self.source)


@dataclass(frozen=True, slots=True)
class CallingAgent:
    """The agent that calls, after its token was found in the database; `business_id` is its tenant."""

    agent_id: UUID
    token_hash: str
    business_id: UUID
    source: str | None

    @property
    def actor(self) -> Actor:
        """The agent as an actor of the audit trail."""
        return Actor("agent", self.agent_id, self.source)


async def current_person(request: Request, credentials: Credentials) -> Person:
    """Return the user or employee who calls; raises 401 errors, or 429 when they call too often."""
    services = get_services(request)
    person = services.tokens.verify_person(bearer_token(credentials))
    await admit_person(services, person)
    return person


async def admit_person(services: Services, person: Person) -> None:
    """Count a call of a person with a verified token; raises AccessEndedError or RateLimitedError."""
    await services.people.check(person)
    services.limits.take_person(person.subject, person.tenant)


async def current_reader(request: Request, credentials: Credentials) -> Reader:
    """Return who reads the fleet; raises 401 errors, GatewayMayNotReadError, or 429 when they call too often."""
    services = get_services(request)
    token = bearer_token(credentials)
    if not token.startswith(GATEWAY_PREFIX):
        return Reader((await current_person(request, credentials)).tenant)
    gateway = services.tokens.verify_gateway(token)
    services.limits.take_agent(gateway.agent_id)
    current = await services.gateways.of(gateway.agent_id, gateway.token_hash)
    if not current.may_read:
        raise GatewayMayNotReadError
    return Reader(current.business_id)


async def current_employee(request: Request, person: Annotated[Person, Depends(current_person)]) -> Employee:
    """Return the employee who calls; customers get 403."""
    if person.employee_id is None:
        raise EmployeesOnlyError
    rights = get_services(request).roles.of(person.role)
    return Employee(person.employee_id, source_address(request.scope), person.role, rights)


def employee_with(right: Right) -> Any:
    """Return the dependency of a call that needs a right of the table RTS_ROLE_RIGHTS."""

    async def current_employee_with_right(
        employee: Annotated[Employee, Depends(current_employee)],
    ) -> Employee:
        if right not in employee.rights:
            raise RightMissingError(right, employee.role)
        return employee

    return Depends(current_employee_with_right)


async def signed_agent(
    request: Request,
    credentials: Credentials,
    agent_id: Annotated[UUID, Path(description="agent_id of the device, from /register")],
) -> Sender:
    """Return the agent of a token with a valid signature, without a query; another agent's path gives 403."""
    services = get_services(request)
    agent = services.tokens.verify_agent(bearer_token(credentials))
    if agent.agent_id != agent_id:
        raise WrongAgentError
    services.limits.take_agent(agent.agent_id, agent.token_hash)
    return agent


async def current_agent(request: Request, signed: Annotated[Sender, Depends(signed_agent)]) -> CallingAgent:
    """Return the agent who calls; one whose token is revoked or whose device is deactivated gets 401."""
    services = get_services(request)
    business_id = await check_agent(services.pool, signed, services.clock())
    services.limits.learn(signed.agent_id, business_id, signed.token_hash)
    return CallingAgent(signed.agent_id, signed.token_hash, business_id, source_address(request.scope))


def bearer_token(credentials: HTTPAuthorizationCredentials | None) -> str:
    """Return the bearer token of a request; raises UnauthorizedError."""
    if credentials is None:
        raise UnauthorizedError
    return credentials.credentials


def calling_person(request: Request, person: Person) -> Actor:
    """Return a person as an actor of the audit trail, with the address of the call."""
    return person_actor(person, source_address(request.scope))


CurrentPerson = Annotated[Person, Depends(current_person)]
CurrentReader = Annotated[Reader, Depends(current_reader)]
CurrentEmployee = Annotated[Employee, Depends(current_employee)]
MayOrder = Annotated[Employee, employee_with("order")]
MayApprove = Annotated[Employee, employee_with("approve")]
MayManage = Annotated[Employee, employee_with("manage")]
MayDecommission = Annotated[Employee, employee_with("decommission")]
MayRevoke = Annotated[Employee, employee_with("revoke")]
MayRegister = Annotated[Employee, employee_with("register")]
MayEditRules = Annotated[Employee, employee_with("rules")]
MayHandleAlerts = Annotated[Employee, employee_with("alerts")]
MayAudit = Annotated[Employee, employee_with("audit")]
MayKeepStorage = Annotated[Employee, employee_with("dba")]
SignedAgent = Annotated[Sender, Depends(signed_agent)]  # the query itself checks the token: heartbeat
CurrentAgent = Annotated[CallingAgent, Depends(current_agent)]
