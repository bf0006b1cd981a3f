"""Uploads that cost the server as much as they may: the largest ones, many at once, and gzip that unpacks badly."""

import asyncio
import gzip
from datetime import timedelta
from itertools import count

import httpx
import orjson

from core.clock import utc_now
from loadtest.attacks.target import AttackTarget
from loadtest.fleet.malformed import large_bodies
from loadtest.fleet.series import sample_at
from loadtest.plan import Member

HOG_CONNECTIONS, HOG_SAMPLES = 6, 20_000  # of one device; the most that one upload may bring
CROWD_SAMPLES, CROWD_SECONDS = 200, 0.5  # of each device of the tenant: the most calls that one may make
MEMBERS = 50_000  # of one gzip body, all empty
REFUSED_SECONDS = 0.2  # pause after a refusal
TIMEOUT_SECONDS = 60.0
MARK = b".123456+00:00"


class Template:
    """An upload of many samples; each has other microseconds in its times, so that none is a duplicate."""

    def __init__(self, samples: int) -> None:
        newest = utc_now() - timedelta(minutes=10)
        times = ((newest - timedelta(seconds=60 * age)).replace(microsecond=123_456) for age in range(samples))
        values = [sample_at(age, 0, age % 1000) | {"collected_at": at.isoformat()} for age, at in enumerate(times)]
        self._parts = orjson.dumps({"metrics": values}).split(MARK)
        self._turn = count()

    def next(self) -> bytes:
        """Return the next upload."""
        return (b".%06d+00:00" % (next(self._turn) % 1_000_000)).join(self._parts)


async def flood(target: AttackTarget) -> None:
    """Send all of it until cancelled."""
    hog, *rest = target.members
    largest, small = Template(HOG_SAMPLES), Template(CROWD_SAMPLES)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=target.host, timeout=TIMEOUT_SECONDS, limits=limits) as client:
        hogs = [send_on(client, target, "hogging token", hog, largest) for _ in range(HOG_CONNECTIONS)]
        tenants = [send_on(client, target, "crowd", member, small, CROWD_SECONDS) for member in rest]
        await asyncio.gather(*hogs, *tenants, send_bombs(client, target, rest[0]))


async def send_on(
    client: httpx.AsyncClient, target: AttackTarget, attack: str, member: Member, template: Template, pause: float = 0.0
) -> None:
    """Upload one after the other as one device."""
    while True:
        status = await upload(client, member, template.next())
        target.note(attack, status)
        await asyncio.sleep(pause if status == "200" else max(pause, REFUSED_SECONDS))


async def send_bombs(client: httpx.AsyncClient, target: AttackTarget, member: Member) -> None:
    """Upload gzip that unpacks to far more than it is, or to nothing in many members."""
    bodies = [body for body, encoding, _ in large_bodies() if encoding] + [gzip.compress(b"", mtime=0) * MEMBERS]
    while True:
        for body in bodies:
            target.note("gzip", await upload(client, member, body, {"Content-Encoding": "gzip"}))
            await asyncio.sleep(REFUSED_SECONDS)


async def upload(client: httpx.AsyncClient, member: Member, body: bytes, headers: dict[str, str] | None = None) -> str:
    """Send one body and return the status, `broken` where no answer came."""
    named = {"Authorization": f"Bearer {member.token}", "Content-Type": "application/json"} | (headers or {})
    try:
        answer = await client.post(f"/api/agents/{member.agent_id}/metrics", content=body, headers=named)
    except httpx.HTTPError:
        return "broken"
    return str(answer.status_code)
