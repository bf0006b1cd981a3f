"""Identifies the agent or person of a socket by the tokens of the HTTP API, at the handshake and while it is open."""

from dataclasses import dataclass
from uuid import UUID

from api.services import Services
from auth.errors import InvalidTokenError
from auth.tokens import Person, Sender
from core.errors import UnauthorizedError
from devices.audit import Actor
from devices.devices import check_agent


@dataclass(frozen=True, slots=True)
class LiveAgent:
    """The agent of a socket; `business_id` is its tenant."""

    token: Sender
    business_id: UUID
    source: str | None

    @property
    def agent_id(self) -> UUID:
        return self.token.agent_id

    @property
    def actor(self) -> Actor:
        """The agent as an actor of the audit trail."""
        return Actor("agent", self.agent_id, self.source)


Identity = LiveAgent | Person


async def identify(services: Services, token: str | None, source: str | None) -> Identity:
    """Return who presents this token; raises 401 errors, RateLimitedError or DatabaseUnavailableError."""
    if not token:
        raise UnauthorizedError
    try:
        agent = services.tokens.verify_agent(token)
    except InvalidTokenError:
        person = services.tokens.verify_person(token)
        await services.people.check(person)
        services.limits.take_person(person.subject, person.tenant)
        return person
    services.limits.take_agent(agent.agent_id, agent.token_hash)
    business_id = await check_agent(services.pool, agent, services.clock())
    services.limits.learn(agent.agent_id, business_id, agent.token_hash)
    return LiveAgent(agent, business_id, source)
