"""A way to the database that a test can cut: what a network does, without harm to the database itself."""

import asyncio
from contextlib import suppress

from sqlalchemy.engine import make_url


class DatabaseProxy:
    """Forwards TCP to the database's address until it is cut."""

    def __init__(self, database: str) -> None:
        self._target = make_url(database)
        self._server: asyncio.Server | None = None
        self._streams: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._port = 0
        self._losing: bytes | None = None

    @property
    def url(self) -> str:
        return self._target.set(host="127.0.0.1", port=self._port).render_as_string(hide_password=False)

    async def __aenter__(self) -> "DatabaseProxy":
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def mend(self) -> None:
        """Accept connections again, on the same port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break every connection and refuse new ones."""
        if self._server:
            self._server.close()
        for writer in list(self._streams):
            writer.transport.abort()
        await asyncio.sleep(0.05)

    def lose_answer_to(self, request: bytes) -> None:
        """Pass the next message that contains `request` on, and break its connection instead of answering."""
        self._losing = request

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(self._target.host, self._target.port or 5432)
        streams = {writer, there_writer}
        self._streams |= streams
        lost = asyncio.Event()
        await asyncio.gather(
            self._pass_requests(reader, there_writer, writer, lost), self._pass_answers(there_reader, writer, lost)
        )
        self._streams -= streams

    async def _pass_requests(
        self,
        client: asyncio.StreamReader,
        database: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
        lost: asyncio.Event,
    ) -> None:
        with suppress(OSError):
            while data := await client.read(65_536):
                if self._losing and self._losing in data:
                    self._losing = None
                    lost.set()
                database.write(data)
                if lost.is_set():
                    await asyncio.sleep(0.5)  # time for the database to commit
                    back.transport.abort()
                    break
        database.close()

    async def _pass_answers(
        self, database: asyncio.StreamReader, client: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await database.read(65_536):
                if not lost.is_set() and not client.transport.is_closing():
                    client.write(data)
        client.close()
