"""All errors: one class per fault, a stable code, and a message that names the next step.

The class docstring is the default message, so a text is written once and documented once. Here are those that several
folders raise; the others are in the `errors.py` of their folder.
"""

import math
import random
from typing import Any, ClassVar


class RtsError(Exception):
    """The base of all expected errors."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, message: str | None = None, *, details: Any = None) -> None:
        """`message` replaces the class docstring; `details` is any JSON value for the caller."""
        self.message = message or (type(self).__doc__ or "").strip()
        self.details = details
        super().__init__(self.message)

    def as_json(self) -> dict[str, Any]:
        """Return the body of an error answer: `{"error": {"code", "message", "details"}}`."""
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}

    def headers(self, retry_after_seconds: int) -> dict[str, str]:
        """Return the headers for the status; `retry_after_seconds` is for temporary errors (503).

        Retry-After is random between once and twice this value, so that a fleet does not retry at the same moment.
        """
        if self.status == 503:
            return {"Retry-After": str(random.randint(retry_after_seconds, 2 * retry_after_seconds))}  # noqa: S311
        return {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}


class AgentNotFoundError(RtsError):
    """There is no such agent."""

    code: ClassVar[str] = "agent_not_found"
    status: ClassVar[int] = 404


class UnauthorizedError(RtsError):
    """Send a token: `Authorization: Bearer <token>`."""

    code: ClassVar[str] = "unauthorized"
    status: ClassVar[int] = 401


class RevokedTokenError(RtsError):
    """This agent's token is revoked or its device is deactivated: register the device again."""

    code: ClassVar[str] = "token_revoked"
    status: ClassVar[int] = 401


class WrongAgentError(RtsError):
    """This token belongs to another agent: use the agent_id that came with it from /register."""

    code: ClassVar[str] = "wrong_agent"
    status: ClassVar[int] = 403


class RateLimitedError(RtsError):
    """Too many requests: wait for Retry-After seconds."""

    code: ClassVar[str] = "rate_limited"
    status: ClassVar[int] = 429

    def __init__(self, owner: str, wait_seconds: float) -> None:
        """`owner` is what the limit is counted by: agent, person or business."""
        self._wait = math.ceil(wait_seconds)
        message = f"Too many requests of this {owner}: wait {self._wait} s before the next."
        super().__init__(message, details={"limit": owner, "retry_after_seconds": self._wait})

    def headers(self, retry_after_seconds: int) -> dict[str, str]:
        del retry_after_seconds
        return {"Retry-After": str(self._wait)}


class UnknownBusinessError(RtsError):
    """There is no business with this id."""

    code: ClassVar[str] = "unknown_business"
    status: ClassVar[int] = 404


class UnknownLocationError(RtsError):
    """This business has no service location with this id."""

    code: ClassVar[str] = "unknown_service_location"
    status: ClassVar[int] = 404


class UnknownEmployeeError(RtsError):
    """The employee of this token is not in the platform's table `employees`: add a row, or use another account."""

    code: ClassVar[str] = "unknown_employee"
    status: ClassVar[int] = 403
