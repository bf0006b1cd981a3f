"""Handlers of the messages of clients on the live channel, the same for plain JSON and Socket.IO.

Agents: `event`, `command_started`, `command_progress`, `command_result`. People: `subscribe`, `unsubscribe`. Both:
`ping`. Bodies are those of the HTTP routes; an answer is `ack` with what the route would have answered, or `error`.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec
from pydantic import BaseModel, Field, ValidationError

from api.agent_events import keep_event
from api.errors import InvalidRequestError, list_faults
from api.live.changes import UNCONFIRMED_SECONDS, ChangePoller, format_time
from api.live.clients import FollowedScope, LiveClient, Message
from api.live.hub import MAX_SUBSCRIPTIONS, Hub
from api.live.identity import LiveAgent
from api.live.scopes import Scopes
from api.schemas.command_delivery import CommandResult, Progress
from api.schemas.events import AgentEvent
from api.services import Services
from commands.delivery import finish_command, release_commands, start_command
from core.errors import RateLimitedError, RtsError
from db.pools import CONNECTION_ERRORS, DatabaseUnavailableError
from devices.devices import visible_devices

log = logging.getLogger(__name__)

MAX_SCOPES = 8


class UnknownMessageError(RtsError):
    """This message is unknown, or not allowed for this kind of client: see `details`."""

    code: ClassVar[str] = "unknown_message"
    status: ClassVar[int] = 422


class TooManySubscriptionsError(RtsError):
    """A client follows at most 1,000 devices and eight scopes: unsubscribe from some first."""

    code: ClassVar[str] = "too_many_subscriptions"
    status: ClassVar[int] = 422


class StartedMessage(BaseModel):
    """A command begins."""

    command_id: UUID


class ProgressMessage(Progress):
    """The progress of a command."""

    command_id: UUID


class ResultMessage(CommandResult):
    """The result of a command."""

    command_id: UUID


class WantedScope(BaseModel):
    """A scope to follow or unfollow: the whole fleet or all alerts."""

    scope: Literal["fleet", "alerts"]
    business_id: UUID | None = Field(None, description="only this business's")


class Devices(BaseModel):
    """The devices to follow or unfollow."""

    agent_ids: list[UUID] = Field(min_length=1, max_length=MAX_SUBSCRIPTIONS)


class Handlers:
    """Takes one message of a client and returns the answer."""

    def __init__(
        self, services: Services, hub: Hub, poller: ChangePoller, scopes: Scopes, loop_time: Callable[[], float]
    ) -> None:
        self._services = services
        self._hub = hub
        self._poller = poller
        self._scopes = scopes
        self._loop_time = loop_time
        self._of_agents: dict[str, Callable[[LiveClient, LiveAgent, Any], Awaitable[Message]]] = {
            "event": self._event, "command_started": self._started, "command_progress": self._progress,
            "command_result": self._result,
        }  # fmt: skip
        self._of_people: dict[str, Callable[[LiveClient, Any], Awaitable[Message]]] = {
            "subscribe": self._subscribe, "unsubscribe": self._unsubscribe,
        }  # fmt: skip

    async def take(self, client: LiveClient, name: str, data: Any) -> tuple[str, Message]:
        """Return (`ack`, `pong` or `error`, its content); never raises."""
        try:
            wait = client.wait_seconds()
            if wait:
                raise RateLimitedError("socket", wait)
            clock = {"server_time": format_time(self._services.clock())}
            if name == "ping":
                return "pong", clock
            return "ack", {"of": name, **clock, **await self._dispatch(client, name, {} if data is None else data)}
        except ValidationError as error:
            return "error", error_message(name, InvalidRequestError(details=list_faults(error)))
        except RtsError as error:
            return "error", error_message(name, error)
        except CONNECTION_ERRORS:
            return "error", error_message(name, DatabaseUnavailableError())
        except Exception:
            log.exception("a message %r of the live channel failed", name[:100])
            return "error", error_message(name, RtsError("Something failed on the server; its log has the details."))

    async def on_disconnect(self, client: LiveClient) -> None:
        """Remove a client, and release the leases of commands that were sent to it and have not begun."""
        await self._hub.leave(client)
        recent = self._loop_time() - UNCONFIRMED_SECONDS
        commands = [command for command, at in client.unconfirmed.items() if at > recent]
        if client.agent and commands:
            try:
                await release_commands(self._services.pool, client.agent.agent_id, commands, self._services.clock())
            except CONNECTION_ERRORS as error:  # their lease ends by itself
                log.warning("commands of a broken connection could not be taken back: %r", error)

    async def _dispatch(self, client: LiveClient, name: str, data: Any) -> Message:
        if client.agent:
            if name in self._of_agents:
                self._services.limits.take_agent(client.agent.agent_id)
                return await self._of_agents[name](client, client.agent, data)
            raise UnknownMessageError(details=["ping", *self._of_agents])
        if client.person and name in self._of_people:
            self._services.limits.take_person(client.person.subject, client.person.tenant)
            return await self._of_people[name](client, data)
        raise UnknownMessageError(details=["ping", *self._of_people])

    async def _event(self, client: LiveClient, agent: LiveAgent, data: Any) -> Message:
        del client
        event = AgentEvent.model_validate(data)
        await keep_event(self._services, agent.agent_id, event, len(msgspec.json.encode(event.data)))
        return {"kept": True}

    async def _started(self, client: LiveClient, agent: LiveAgent, data: Any) -> Message:
        begun = StartedMessage.model_validate(data)
        client.unconfirmed.pop(begun.command_id, None)
        services = self._services
        go_on = await start_command(services.pool, agent.actor, begun.command_id, services.clock())
        return {"command_id": str(begun.command_id), "go_on": go_on}

    async def _progress(self, client: LiveClient, agent: LiveAgent, data: Any) -> Message:
        progress = ProgressMessage.model_validate(data)
        client.unconfirmed.pop(progress.command_id, None)
        services = self._services
        go_on = await start_command(
            services.pool, agent.actor, progress.command_id, services.clock(), progress.percent, progress.message
        )
        return {"command_id": str(progress.command_id), "go_on": go_on}

    async def _result(self, client: LiveClient, agent: LiveAgent, data: Any) -> Message:
        ended = ResultMessage.model_validate(data)
        client.unconfirmed.pop(ended.command_id, None)
        services = self._services
        recorded = await finish_command(services.pool, agent.actor, ended.command_id, ended.result(), services.clock())
        return {"command_id": str(ended.command_id), "recorded": recorded}

    async def _subscribe(self, client: LiveClient, data: Any) -> Message:
        if isinstance(data, dict) and "scope" in data:
            return await self._follow_scope(client, parse_scope(data))
        requested = list(dict.fromkeys(Devices.model_validate(data).agent_ids))
        assert client.person
        if len(client.subscribed | set(requested)) > MAX_SUBSCRIPTIONS:
            raise TooManySubscriptionsError
        visible = await visible_devices(self._services.pool, client.person.tenant, requested)
        devices = [device for device in requested if device in visible]
        unfollowed = [device for device in devices if not self._hub.is_followed(device)]
        self._hub.follow(client, devices)  # first: changes from now on are sent
        await self._poller.show(client, devices, unfollowed, self._services.clock())
        return {
            "agent_ids": [str(device) for device in devices],
            "not_found": [str(device) for device in requested if device not in visible],
        }

    async def _follow_scope(self, client: LiveClient, scope: FollowedScope) -> Message:
        if len(client.scopes | {scope}) > MAX_SCOPES:
            raise TooManySubscriptionsError
        as_of = await self._scopes.follow(client, scope)
        return {"scope": scope.name, "as_of": format_time(as_of)}

    async def _unsubscribe(self, client: LiveClient, data: Any) -> Message:
        if isinstance(data, dict) and "scope" in data:
            scope = parse_scope(data)
            client.scopes.discard(scope)
            return {"scope": scope.name}
        devices = Devices.model_validate(data).agent_ids
        self._hub.unfollow(client, devices)
        return {"agent_ids": [str(device) for device in devices]}


def parse_scope(data: Any) -> FollowedScope:
    """Return the scope that a message names; raises ValidationError."""
    requested = WantedScope.model_validate(data)
    return FollowedScope(requested.scope, requested.business_id)


def error_message(name: str, error: RtsError) -> Message:
    """Return an error as a message: the same codes as over HTTP."""
    return {"of": name[:100], **error.as_json()["error"]}
