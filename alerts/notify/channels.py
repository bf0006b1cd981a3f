"""The common part of all channels: interface, error, and time limit of a message."""

from typing import Protocol

from alerts.notify.messages import Message

SEND_SECONDS = 10.0  # for all of one message: look-up, connection, TLS, request and the head of the answer


class SendError(Exception):
    """A message could not be sent; the text has the reason. `permanent`: a retry is useless."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent


class Channel(Protocol):
    """Sends one message to one recipient."""

    async def send(self, recipient: str, message: Message) -> None:
        """Send; raises SendError."""
        ...
