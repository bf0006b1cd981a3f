"""Clients of the live channel: a plain WebSocket, and the Socket.IO library's own client."""

import asyncio
import json
from typing import Any, Self

import socketio
from socketio.exceptions import TimeoutError as NothingCameError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Message = dict[str, Any]
PATIENCE = 60.0  # pauses of the scopes last twenty times a poll, which is long on a busy machine


class Socket:
    """A plain WebSocket that keeps what it has received."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.received: list[Message] = []
        self._unread: list[Message] = []

    @classmethod
    async def open(cls, url: str, token: str) -> Self:
        return cls(await connect(f"{url}?token={token}"))

    async def say(self, name: str, **data: Any) -> None:
        await self.connection.send(json.dumps({"type": name, **data}))

    async def ask(self, name: str, **data: Any) -> Message:
        """Say something and return the answer to it."""
        await self.say(name, id=name, **data)
        return await self.until(lambda message: message.get("id") == name)

    async def next(self, name: str) -> Message:
        """Return the next message of this name."""
        return await self.until(lambda message: message["type"] == name)

    async def until(self, condition: Any) -> Message:
        """Return the first message that is wanted; those before it stay unread."""
        for message in self._unread:
            if condition(message):
                self._unread.remove(message)
                return message
        async with asyncio.timeout(PATIENCE):
            while True:
                message = dict(json.loads(await self.connection.recv()))
                self.received.append(message)
                if condition(message):
                    return message
                self._unread.append(message)

    async def quiet(self, seconds: float = 0.5) -> list[Message]:
        """Return what comes within some time."""
        came: list[Message] = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    came.append(json.loads(await self.connection.recv()))
        except TimeoutError:
            return came

    async def closed(self) -> int | None:
        """Return the code with which the server closes, within some seconds."""
        async with asyncio.timeout(PATIENCE):
            try:
                while True:
                    self.received.append(json.loads(await self.connection.recv()))
            except ConnectionClosed as end:
                return end.rcvd.code if end.rcvd else None

    async def close(self) -> None:
        await self.connection.close()


class SocketIo:
    """The library's client, which is not asynchronous: each call runs in a thread."""

    def __init__(self) -> None:
        self._client = socketio.SimpleClient()

    async def open(self, url: str, token: str) -> None:
        await asyncio.to_thread(
            self._client.connect, url, auth={"token": token}, socketio_path="agent-ws", transports=["websocket"]
        )

    async def ask(self, name: str, **data: Any) -> Message:
        """Say something and return its acknowledgement."""
        answer: Message = await asyncio.to_thread(self._client.call, name, data, timeout=PATIENCE)
        return answer

    async def next(self, name: str) -> Message:
        """Return the next event of this name."""
        while True:
            event, *data = await asyncio.to_thread(self._client.receive, timeout=PATIENCE)
            if event == name:
                content: Message = data[0]
                return content

    async def quiet(self, seconds: float = 0.5) -> list[Message]:
        """Return what has come so far and what comes within some time of the last."""
        came: list[Message] = []
        try:
            while True:
                event, *data = await asyncio.to_thread(self._client.receive, timeout=seconds)
                came.append({"type": event, **data[0]})
        except NothingCameError:
            return came

    async def close(self) -> None:
        await asyncio.to_thread(self._client.disconnect)
