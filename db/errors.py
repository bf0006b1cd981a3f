"""Every error of ours: one class per fact, a stable code, and a message that says what to do.

The class docstring is the default message, so a text is written once and documented once.
"""

from typing import Any, ClassVar


class RtsError(Exception):
    """Something failed in a way that this program knows."""

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


class AgentNotFoundError(RtsError):
    """There is no such agent."""

    code: ClassVar[str] = "agent_not_found"
    status: ClassVar[int] = 404
