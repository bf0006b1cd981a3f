"""A way to the database that can be cut or frozen: TCP forwarded by a thread, without harm to the database itself."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from sqlalchemy.engine import make_url

PIECE = 65_536


class DatabaseProxy:
    """Forwards TCP to a database; use it as a context manager. The methods may be called from any thread."""

    def __init__(self, dsn: str) -> None:
        self._target = make_url(dsn)
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="database proxy")
        self._flowing = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def dsn(self) -> str:
        """The database's URL, by way of here."""
        return self._target.set(host="127.0.0.1", port=self._port).render_as_string(hide_password=False)

    def __enter__(self) -> "DatabaseProxy":
        self._thread.start()
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._cut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Break every connection and refuse new ones, as a database does that was shut down."""
        self._run(self._cut())

    def freeze(self) -> None:
        """Let nothing through, on connections that stay open, as a machine does that was suspended."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def mend(self) -> None:
        """Let everything through again."""
        self._run(self._mend())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _mend(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]
        self._flowing.set()

    async def _cut(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0.05)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(self._target.host, self._target.port or 5432)
        except OSError:
            writer.close()
            return
        both = {writer, there_writer}
        self._writers |= both
        await asyncio.gather(self._pass(reader, there_writer), self._pass(there_reader, writer))
        self._writers -= both

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(PIECE):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
