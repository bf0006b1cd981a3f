"""Whether the slow webhook of one tenant held up those of the others."""

import asyncio
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import asyncpg

from alerts.notify.queue import GATHER
from db.pools import SERVER_SETTINGS
from db.sql import load_beside
from loadtest.fleet.webhooks import Receivers

QUERIES = load_beside(__file__, "webhooks.sql")
BOUND = GATHER + timedelta(seconds=30)  # a message waits for others for a moment; then the worker sends it
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The messages to one receiver; times in seconds from the alert to the answer, None where none was sent."""

    due: int = 0
    sent: int = 0
    median_seconds: float | None = None
    longest_seconds: float | None = None
    overdue: int = 0
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookCheck:
    """The webhooks of the hostile tenant and those of the others."""

    poison: Webhooks = Webhooks()
    others: Webhooks = Webhooks()

    @property
    def faults(self) -> list[str]:
        """What does not hold, in sentences."""
        late = self.others.overdue
        error = self.others.last_error or "nobody tried"
        return [f"{late} webhooks of other tenants were not sent within {BOUND.seconds} s: {error}"] if late else []

    def as_json(self) -> dict[str, Any]:
        """Return both as plain numbers."""
        return asdict(self)


async def check_webhooks(dsn: str, hooks: Receivers) -> WebhookCheck:
    """Wait until the webhooks of the others are sent, for twice BOUND at most, and return what became of all."""
    connection = await asyncpg.connect(dsn, server_settings=SERVER_SETTINGS)
    deadline = time.monotonic() + 2 * BOUND.total_seconds()
    try:
        found = await read(connection, hooks)
        while found.others.sent < found.others.due and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
            found = await read(connection, hooks)
        return found
    finally:
        await connection.close()


async def read(connection: asyncpg.Connection, hooks: Receivers) -> WebhookCheck:
    """Read what became of the messages to both receivers so far."""
    rows = await connection.fetch(*QUERIES.bind("read_webhooks", addresses=[hooks.quick, hooks.slow], bound=BOUND))
    found = {row["recipient"]: Webhooks(*(rounded(value) for value in list(row.values())[1:])) for row in rows}
    return WebhookCheck(found.get(hooks.slow, Webhooks()), found.get(hooks.quick, Webhooks()))


def rounded(value: Any) -> Any:
    """Return a count or a text as it is, and seconds to the hundredth."""
    return value if value is None or isinstance(value, int | str) else round(float(value), 2)
