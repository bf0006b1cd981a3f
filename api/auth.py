"""Who calls: the one place that turns a bearer token into a person or an agent, and says 401 or 403."""

from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from agents.tokens import AgentToken, Person
from api.services import services_of
from db.errors import RtsError
from ingest.errors import UnauthorizedError, WrongAgentError

bearer = HTTPBearer(auto_error=False, description="A platform token (user or employee), or an agent's token")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


class EmployeesOnlyError(RtsError):
    """Only employees of the MSP may do this."""

    code: ClassVar[str] = "employees_only"
    status: ClassVar[int] = 403


def current_person(request: Request, credentials: Credentials) -> Person:
    """Return the user or employee who calls; raises 401 errors."""
    return services_of(request).tokens.verify_person(token_of(credentials))


def current_employee(person: Annotated[Person, Depends(current_person)]) -> UUID:
    """Return the id of the employee who calls; customers get 403."""
    if person.employee_id is None:
        raise EmployeesOnlyError
    return person.employee_id


def current_agent(
    request: Request,
    credentials: Credentials,
    agent_id: Annotated[UUID, Path(description="agent_id of the device, from /register")],
) -> AgentToken:
    """Return the agent who calls for itself; another agent's path gives 403."""
    agent = services_of(request).tokens.verify_agent(token_of(credentials))
    if agent.agent_id != agent_id:
        raise WrongAgentError
    return agent


def token_of(credentials: HTTPAuthorizationCredentials | None) -> str:
    """Return the bearer token of a request; raises UnauthorizedError."""
    if credentials is None:
        raise UnauthorizedError
    return credentials.credentials


CurrentPerson = Annotated[Person, Depends(current_person)]
CurrentEmployee = Annotated[UUID, Depends(current_employee)]
CurrentAgent = Annotated[AgentToken, Depends(current_agent)]
