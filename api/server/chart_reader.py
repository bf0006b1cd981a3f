"""Reads charts from the standby of RTS_READ_DATABASE_URL, and from the primary while the standby is unavailable.

Uploads and everything else use the primary only. A standby may be some seconds behind: a device that it lacks is read
from the primary.
"""

import logging
import time
from datetime import datetime
from uuid import UUID

import asyncpg

from core.errors import RtsError
from db.hypertables.values import CurrentValues
from db.pools import CONNECTION_ERRORS, open_pool
from rollups.charted_devices import ChartMemory
from rollups.history import History, read_history
from rollups.plans import HistoryQuery

log = logging.getLogger(__name__)

REST_SECONDS = 15.0  # after a failure, before the standby is tried again


class ChartReader:
    """Reads the history of devices; close it at the end."""

    def __init__(self, primary: asyncpg.Pool, storage: CurrentValues, url: str, size: int, timeout: float) -> None:
        """`url`: the standby's, empty for none; `size`: connections; `timeout`: seconds for one statement."""
        self._primary, self._storage = primary, storage
        self._url, self._size, self._timeout = url, size, timeout
        self._standby: asyncpg.Pool | None = None
        self._rests_until = 0.0
        self._memory = ChartMemory()

    async def read(self, tenant: UUID | None, query: HistoryQuery, now: datetime) -> History:
        """Read from the standby; from the primary if there is no standby, it fails, or it lacks the device."""
        if self._url and time.monotonic() >= self._rests_until:
            try:
                return await read_history(await self._pool(), tenant, query, now, self._storage.now, self._memory)
            except (*CONNECTION_ERRORS, asyncpg.PostgresError) as fault:
                self._rest(fault)
            except RtsError as fault:
                if fault.status >= 500:
                    self._rest(fault)
        return await read_history(self._primary, tenant, query, now, self._storage.now, self._memory)

    async def close(self) -> None:
        """Close the standby's pool."""
        if self._standby is not None:
            await self._standby.close()

    async def _pool(self) -> asyncpg.Pool:
        if self._standby is None:
            self._standby = await open_pool(self._url, size=self._size, name="charts", timeout=self._timeout)
        return self._standby

    def _rest(self, fault: BaseException) -> None:
        self._rests_until = time.monotonic() + REST_SECONDS
        log.warning("the standby for charts fails (%s): charts read the primary for %.0f s", fault, REST_SECONDS)
