"""Webhooks of tenants: a receiver that never ends its answer, and one that answers at once."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx

from loadtest.plan import LoadPlan

DRIP_SECONDS = 1.0
RULE = {"metric": "cpu_percent", "operator": ">=", "threshold": 0, "duration_minutes": 1, "aggregate": "max"}
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Hooks:
    """Two servers on 127.0.0.1; `slow` and `prompt` are their addresses once they are started."""

    def __init__(self) -> None:
        self.slow = self.prompt = ""
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Begin to listen."""
        self.slow, self.prompt = [await self._listen(answer) for answer in (drip, accept)]

    def close(self) -> None:
        """Take no more calls."""
        for server in self._servers:
            server.close()

    async def _listen(self, answer: Answer) -> str:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        self._servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a byte at a time, for ever."""
    with suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(DRIP_SECONDS)
    writer.close()


async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer at once."""
    with suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
    writer.close()


async def make_rule(plan: LoadPlan, tenant: int, recipient: str) -> None:
    """Let every device of a tenant alert a webhook; raises httpx.HTTPStatusError."""
    body = {
        "alert_name": "load test", "business_id": plan.businesses[tenant], "conditions": RULE,
        "notification_recipients": [recipient], "ticket_enabled": False,
    }  # fmt: skip
    async with httpx.AsyncClient(base_url=plan.host, timeout=30) as client:
        headers = {"Authorization": f"Bearer {plan.employee}"}
        (await client.post("/api/agents/alerts", json=body, headers=headers)).raise_for_status()
