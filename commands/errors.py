"""Errors of commands: each class is one reason with a stable code."""

from typing import ClassVar

from core.errors import RtsError


class CommandNotFoundError(RtsError):
    """There is no such command for this device."""

    code: ClassVar[str] = "command_not_found"
    status: ClassVar[int] = 404


class SecondEmployeeNeededError(RtsError):
    """The requester of a command cannot approve it: another employee must."""

    code: ClassVar[str] = "second_employee_needed"
    status: ClassVar[int] = 403


class NotAwaitingApprovalError(RtsError):
    """This command awaits no approval: it needs none, has it, has ended or expired."""

    code: ClassVar[str] = "not_awaiting_approval"
    status: ClassVar[int] = 409


class CommandTypeRefusedError(RtsError):
    """Commands of this type are refused here: RTS_COMMAND_TYPES sets what each type needs."""

    code: ClassVar[str] = "command_type_refused"
    status: ClassVar[int] = 422


class TooManyCommandsError(RtsError):
    """RTS_DEVICE_PENDING_COMMANDS commands wait for this device already: cancel some first."""

    code: ClassVar[str] = "too_many_commands"
    status: ClassVar[int] = 409


class CommandEndedError(RtsError):
    """This command has ended."""

    code: ClassVar[str] = "command_ended"
    status: ClassVar[int] = 409


class CommandNotDeliveredError(RtsError):
    """This command was never handed to the agent: fetch it first."""

    code: ClassVar[str] = "command_not_delivered"
    status: ClassVar[int] = 409
