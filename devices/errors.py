"""Errors of the registry; each class has a stable code."""

from typing import ClassVar

from core.errors import RtsError


class RegistrationRefusedError(RtsError):
    """This registration token is unknown, used or expired: ask for a new one."""

    code: ClassVar[str] = "registration_token_invalid"
    status: ClassVar[int] = 401


class AgentInactiveError(RtsError):
    """This device is deactivated or decommissioned: activate it first."""

    code: ClassVar[str] = "agent_inactive"
    status: ClassVar[int] = 409


class DecommissionedError(RtsError):
    """This device is decommissioned: restore it first, then register it again."""

    code: ClassVar[str] = "agent_decommissioned"
    status: ClassVar[int] = 409


class NoAgentTokenError(RtsError):
    """This device's token is revoked: create a registration token for its agent_id and register it again."""

    code: ClassVar[str] = "agent_token_revoked"
    status: ClassVar[int] = 409


class SupersededTokenError(RtsError):
    """A newer token of this device is already in use: use that one."""

    code: ClassVar[str] = "token_superseded"
    status: ClassVar[int] = 409


class RegistrationTokenNotFoundError(RtsError):
    """There is no registration token with this id."""

    code: ClassVar[str] = "registration_token_not_found"
    status: ClassVar[int] = 404


class RegistrationTokenSpentError(RtsError):
    """This registration token is already used: revoke the token of its device instead."""

    code: ClassVar[str] = "registration_token_spent"
    status: ClassVar[int] = 409


class TooManyViewsError(RtsError):
    """A person has at most 100 views of a page: delete one first."""

    code: ClassVar[str] = "too_many_views"
    status: ClassVar[int] = 409


class GatewayNotFoundError(RtsError):
    """There is no gateway with this id."""

    code: ClassVar[str] = "gateway_not_found"
    status: ClassVar[int] = 404


class HostNotFoundError(RtsError):
    """This gateway's business has no host with this id."""

    code: ClassVar[str] = "host_not_found"
    status: ClassVar[int] = 404


class DeviceTakenError(RtsError):
    """This device already belongs to another host: refuse that host first."""

    code: ClassVar[str] = "device_taken"
    status: ClassVar[int] = 409


class AgentHasTokenError(RtsError):
    """This device has an agent whose samples would mix with the gateway's: set replace_agent to refuse that agent."""

    code: ClassVar[str] = "agent_has_token"
    status: ClassVar[int] = 409
