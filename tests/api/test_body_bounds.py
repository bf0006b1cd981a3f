"""Bodies that do not come: bounded in time and memory, for whoever sends them, and nobody else waits for them."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.app import Application
from api.bodies import Gunzip
from api.server.body_budget import MAX_PER_ADDRESS, MIB, BodyBudget, Holder
from api.server.body_errors import BadCompressionError
from core.settings import Settings
from ingest.errors import IngestBusyError
from tests.calls import removed
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee
from tests.serving import serving
from tests.waiting import until

PAUSE_SECONDS = 2.0
LONGER = 20.0  # far beyond every bound here: a test that waits so long has failed


@asynccontextmanager
async def small_server(settings: Settings, **changes: Any) -> AsyncIterator[tuple[Application, int]]:
    """Serve with small bounds on a port of its own."""
    application = Application(settings.model_copy(update={"body_pause_seconds": PAUSE_SECONDS} | changes))
    async with (
        application.web.router.lifespan_context(application.web),
        serving(application) as port,
    ):
        yield application, port


class Stalled:
    """A request whose body stops before its end."""

    def __init__(self, port: int, path: str, token: str | None, announced: int, sent: int) -> None:
        self._port = port
        self._head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {announced}\r\n" + (
            f"Authorization: Bearer {token}\r\n\r\n" if token else "\r\n"
        )
        self._body = b" " * sent

    async def answer(self) -> tuple[int, float]:
        """Return the status of the answer and after how many seconds it came."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        began = time.monotonic()
        writer.write(self._head.encode() + self._body)
        line = await asyncio.wait_for(reader.readline(), LONGER)
        writer.close()
        return int(line.split()[1]), time.monotonic() - began


def upload_path(device: Device) -> str:
    return f"/api/agents/{device.agent_id}/metrics"


async def ready(port: int) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        answer: dict[str, Any] = (await client.get("/api/health/ready")).json()
    return answer


async def test_a_revoked_token_holds_nothing(
    settings: Settings, make_device: MakeDevice, employee: Employee, device: Device
) -> None:
    thief = await make_device()
    await removed(thief, employee, "token")
    async with small_server(settings) as (application, port):
        stalled = [Stalled(port, upload_path(thief), thief.token, 1_000_001, 1_000_000).answer() for _ in range(10)]
        refused = asyncio.gather(*stalled)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            device.client = client
            await device.accepted(sample(cpu_percent=1))
        answers = await refused
        assert {status for status, _ in answers} == {401}
        assert max(seconds for _, seconds in answers) < LONGER / 2
        services = application.web.state.services
        assert services.budget.in_memory == 0


async def test_a_body_that_stops_is_dropped_and_its_bytes_are_given_back(settings: Settings, device: Device) -> None:
    async with small_server(settings) as (application, port):
        status, _ = await Stalled(port, upload_path(device), device.token, 100_001, 100_000).answer()
        assert status == 408
        assert application.web.state.services.budget.in_memory == 0


async def test_a_body_of_one_byte_now_and_then_is_dropped(settings: Settings, device: Device) -> None:
    async with small_server(settings) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"POST {upload_path(device)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {device.token}\r\n"
            "Content-Length: 5000000\r\n\r\n".encode()
        )

        async def drip() -> None:
            while True:
                writer.write(b" ")
                await asyncio.sleep(PAUSE_SECONDS / 10)

        dripping = asyncio.create_task(drip())
        line = await asyncio.wait_for(reader.readline(), LONGER)
        dripping.cancel()
        writer.close()
        assert line.split()[1] == b"408"


async def test_one_agent_fills_its_share_and_no_more(
    settings: Settings, make_device: MakeDevice, device: Device
) -> None:
    bounds = {"max_body_bytes": MIB, "max_decoding_bytes": 8 * MIB, "body_pause_seconds": 5.0}
    greedy = await make_device()
    async with small_server(settings, **bounds) as (application, port):
        whole = [Stalled(port, upload_path(greedy), greedy.token, MIB, MIB - 1).answer() for _ in range(20)]
        stalled = asyncio.gather(*whole)
        budget = application.web.state.services.budget
        await until(lambda: budget.in_memory > MIB // 2)
        assert budget.in_memory < 2 * MIB
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            device.client = client
            await device.accepted(sample(cpu_percent=1))
            assert (await client.get("/api/health/ready")).status_code == 200
        assert {status for status, _ in await stalled} <= {503, 408}


async def test_readiness_says_so_when_the_budget_is_spent(settings: Settings) -> None:
    async with small_server(settings) as (application, port):
        budget: BodyBudget = application.web.state.services.budget
        rooms = [budget.room_for(Holder("agent", number, uuid4())) for number in range(16)]
        for room in rooms:
            room.take(15 * MIB)
        codes = [reason["code"] for reason in (await ready(port))["error"]["details"]]
        assert "bodies_full" in codes
        for room in rooms:
            room.close()
        assert (await ready(port)) == {"status": "ready"} or "error" not in await ready(port)


@pytest.mark.parametrize("path", ["/api/agents/x/commands/y/result", "/api/agents/x/inventory/software", "/nothing"])
@pytest.mark.parametrize("token", [None, "a.b.c"])
async def test_nobody_is_refused_before_the_body_is_read(settings: Settings, path: str, token: str | None) -> None:
    async with small_server(settings) as (_, port):
        status, seconds = await Stalled(port, path, token, 200_000, 100).answer()
        assert status == 401
        assert seconds < PAUSE_SECONDS


async def test_callers_without_a_token_have_a_small_share(settings: Settings) -> None:
    async with small_server(settings) as (application, port):
        path = "/api/agents/register"
        stalled = asyncio.gather(*(Stalled(port, path, None, 200_001, 200_000).answer() for _ in range(60)))
        budget = application.web.state.services.budget
        await until(lambda: budget.in_memory > 0)
        assert budget.in_memory <= MAX_PER_ADDRESS
        assert {status for status, _ in await stalled} <= {503, 408}
        await until(lambda: budget.in_memory == 0)


async def test_the_agents_of_one_business_take_half_at_most(make_device: MakeDevice) -> None:
    budget, business = BodyBudget(MIB, 64 * MIB), uuid4()
    rooms = [budget.room_for(Holder("agent", number, business)) for number in range(64)]
    taken = 0
    for room in rooms:
        with suppress(IngestBusyError):
            room.take(MIB)
            taken += 1
    assert taken == 32
    assert budget.in_memory <= 32 * MIB
    budget.room_for(Holder("agent", "another", uuid4())).take(MIB)


def test_gzip_of_many_members_is_refused_soon() -> None:
    gunzip = Gunzip()
    with pytest.raises(BadCompressionError):
        list(gunzip.feed(gzip.compress(b"") * 1_000_000))


def test_gzip_of_a_few_members_is_read() -> None:
    gunzip = Gunzip()
    assert b"".join(gunzip.feed(gzip.compress(b"ab") * Gunzip.MAX_MEMBERS)) == b"ab" * Gunzip.MAX_MEMBERS
    assert gunzip.complete
