"""What callers of the registry can be told; each class a fact with a stable code."""

from typing import ClassVar

from db.errors import RtsError


class InvalidTokenError(RtsError):
    """This token is not valid here: it is malformed, expired, signed by another key, or of another kind."""

    code: ClassVar[str] = "invalid_token"
    status: ClassVar[int] = 401


class RegistrationRefusedError(RtsError):
    """This registration token is unknown, used or expired: ask for a new one."""

    code: ClassVar[str] = "registration_token_invalid"
    status: ClassVar[int] = 401


class UnknownBusinessError(RtsError):
    """There is no business with this id."""

    code: ClassVar[str] = "unknown_business"
    status: ClassVar[int] = 404


class UnknownLocationError(RtsError):
    """This business has no service location with this id."""

    code: ClassVar[str] = "unknown_service_location"
    status: ClassVar[int] = 404


class UnknownEmployeeError(RtsError):
    """The employee of this token isn't in the platform's table `employees`."""

    code: ClassVar[str] = "unknown_employee"
    status: ClassVar[int] = 403


class AgentInactiveError(RtsError):
    """This device is deactivated or decommissioned: activate it first."""

    code: ClassVar[str] = "agent_inactive"
    status: ClassVar[int] = 409


class DecommissionedError(RtsError):
    """This device is decommissioned: restore it first, then register it again."""

    code: ClassVar[str] = "agent_decommissioned"
    status: ClassVar[int] = 409


class NoAgentTokenError(RtsError):
    """This device's token is revoked: make a registration token for its agent_id and register it again."""

    code: ClassVar[str] = "agent_token_revoked"
    status: ClassVar[int] = 409


class SupersededTokenError(RtsError):
    """A newer token of this device is in use already: ask with that one."""

    code: ClassVar[str] = "token_superseded"
    status: ClassVar[int] = 409


class CommandNotFoundError(RtsError):
    """There is no such command for this device."""

    code: ClassVar[str] = "command_not_found"
    status: ClassVar[int] = 404


class SecondEmployeeNeededError(RtsError):
    """Whoever asked for a command can't approve it: another employee must."""

    code: ClassVar[str] = "second_employee_needed"
    status: ClassVar[int] = 403


class NotAwaitingApprovalError(RtsError):
    """This command awaits no approval: it needs none, has it, has ended or expired."""

    code: ClassVar[str] = "not_awaiting_approval"
    status: ClassVar[int] = 409


class CommandEndedError(RtsError):
    """This command has ended."""

    code: ClassVar[str] = "command_ended"
    status: ClassVar[int] = 409


class CommandNotDeliveredError(RtsError):
    """This command was never handed to the agent: fetch it first."""

    code: ClassVar[str] = "command_not_delivered"
    status: ClassVar[int] = 409


class EolRuleNotFoundError(RtsError):
    """There is no end-of-life rule with this id."""

    code: ClassVar[str] = "eol_rule_not_found"
    status: ClassVar[int] = 404


class EolRuleExistsError(RtsError):
    """There is a rule for this name and version prefix already: change that one."""

    code: ClassVar[str] = "eol_rule_exists"
    status: ClassVar[int] = 409


class ServiceNotFoundError(RtsError):
    """There is no such service on this device."""

    code: ClassVar[str] = "service_not_found"
    status: ClassVar[int] = 404


class KeyFileError(RtsError):
    """The file of signing keys can't be used."""

    code: ClassVar[str] = "key_file"
