"""Uploads as agents send them after a while without a network, made beforehand: nothing of it is measured."""

import gzip
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import msgspec

from auth.tokens import Tokens
from core.clock import utc_now
from loadtest.fleet.tenants import QUERIES, add_devices, make_member
from loadtest.plan import LoadSettings

AT_ONCE = 10_000  # devices in one statement


@dataclass(frozen=True, slots=True)
class UploadingAgent:
    """A device that may upload."""

    agent_id: UUID
    token: str


async def add_agents(
    connection: asyncpg.Connection, tokens: Tokens, count: int, every_seconds: int = 60
) -> list[UploadingAgent]:
    """Write devices of a business for each fifty, at least three, and return them with their tokens."""
    now, settings = utc_now(), LoadSettings(agents=count)
    businesses = [uuid4() for _ in range(settings.tenants)]
    await connection.execute(
        *QUERIES.bind("add_businesses", businesses=businesses, names=[f"bench {business}" for business in businesses])
    )
    members = [make_member(number, settings, tokens, now) for number in range(count)]
    for start in range(0, count, AT_ONCE):
        some = members[start : start + AT_ONCE]
        await add_devices(connection, some, businesses, [every_seconds] * len(some), now)
    await connection.execute("ANALYZE agent_devices")
    return [UploadingAgent(UUID(member.agent_id), member.token) for member in members]


def sample(at: datetime, chance: random.Random) -> dict[str, object]:
    """Return a sample with every metric, as the agent of this repository sends it."""
    return {
        "collected_at": at, "cpu_percent": round(chance.uniform(0, 100), 1),
        "memory_used_gb": round(chance.uniform(4, 30), 2), "memory_percent": round(chance.uniform(20, 90), 1),
        "disk_used_gb": round(chance.uniform(90, 100), 2), "disk_percent": round(chance.uniform(40, 50), 1),
        "load_average": [round(chance.uniform(0, 4), 2) for _ in range(3)],
        "uptime_seconds": int(at.timestamp()) % 10_000_000,
        "network_rx_bytes": int(at.timestamp() * 50_000) % 2**50,
        "network_tx_bytes": int(at.timestamp() * 20_000) % 2**50,
    }  # fmt: skip


def make_bodies(count: int, samples: int, newest: datetime, every: timedelta, seed: int = 1) -> list[bytes]:
    """Return `count` JSON bodies of `samples` each, of times up to `newest`, one after the other back in time."""
    chance = random.Random(seed)  # noqa: S311  no secret
    bodies = []
    for number in range(count):
        last = newest - number * samples * every
        metrics = [sample(last - step * every, chance) for step in reversed(range(samples))]
        bodies.append(msgspec.json.encode({"metrics": metrics}))
    return bodies


def packed(bodies: Sequence[bytes]) -> list[bytes]:
    """Return bodies as gzip, at the level that the agent uses."""
    return [gzip.compress(body, compresslevel=6) for body in bodies]


def upload(agent: UploadingAgent, body: bytes, *, zipped: bool) -> bytes:
    """Return a whole HTTP request."""
    head = [
        f"POST /api/agents/{agent.agent_id}/metrics HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json",
        f"Authorization: Bearer {agent.token}", f"Content-Length: {len(body)}",
        *(["Content-Encoding: gzip"] if zipped else []), "", "",
    ]  # fmt: skip
    return "\r\n".join(head).encode() + body
