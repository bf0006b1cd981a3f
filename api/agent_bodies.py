"""How the bodies of agents are read: within the budget, the share of the agent and its business, and the pace."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from api.bodies import BodyReader
from api.rate_limits import CallLimits
from api.server.asgi import Receive
from api.server.body_budget import BodyBudget, Holder, Room, charge_slow_body
from api.server.body_pace import PacedReceive, PaceRule


@dataclass(frozen=True, slots=True)
class Sender:
    """The device, or the gateway, and the token of an upload.

    Whether the token is revoked shows in the transaction of the rows.
    """

    agent_id: UUID
    token_hash: str
    is_gateway: bool = False


@dataclass(frozen=True, slots=True)
class AgentBodies:
    """Opens the bodies of uploads.

    `is_still_good` asks the database about a sender whose body does not come at once; raises RevokedTokenError.
    """

    budget: BodyBudget
    pace: PaceRule
    limits: CallLimits
    is_still_good: Callable[[Sender], Awaitable[None]]

    def open(self, sender: Sender, receive: Receive, encoding: bytes) -> BodyReader:
        """Return the reader of one body: a context manager, which gives its room back."""
        agent_id = sender.agent_id
        allowance = self.budget.room_for(Holder("agent", agent_id, self.limits.business_of(agent_id)))
        paced = PacedReceive(receive, self.pace, partial(self._check_slow_body, sender, allowance))
        return BodyReader(paced, encoding, self.budget.one, allowance)

    async def _check_slow_body(self, sender: Sender, allowance: Room) -> None:
        await charge_slow_body(allowance, partial(self.is_still_good, sender))
