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
    """This command does not await approval: it needs none, is already approved, or has ended."""

    code: ClassVar[str] = "not_awaiting_approval"
    status: ClassVar[int] = 409


class CommandTypeRefusedError(RtsError):
    """This server refuses commands of this type: RTS_COMMAND_TYPES sets the rule of each type."""

    code: ClassVar[str] = "command_type_refused"
    status: ClassVar[int] = 422


class TooManyCommandsError(RtsError):
    """RTS_DEVICE_PENDING_COMMANDS commands already wait for this device: cancel some first."""

    code: ClassVar[str] = "too_many_commands"
    status: ClassVar[int] = 409


class CommandEndedError(RtsError):
    """This command has ended."""

    code: ClassVar[str] = "command_ended"
    status: ClassVar[int] = 409


class CommandNotDeliveredError(RtsError):
    """This command was not delivered to the agent yet: fetch it first."""

    code: ClassVar[str] = "command_not_delivered"
    status: ClassVar[int] = 409
