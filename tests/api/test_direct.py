"""Uploads that the HTTP protocol handles itself: the tests of uploads once more over a socket, and what HTTP asks."""

import asyncio
import gzip
import hashlib
import inspect
from collections.abc import AsyncIterator

import httpx
import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.app import Application
from api.direct_uploads import OpenUpload
from api.server import bounded, direct
from api.server.direct import MAX_DIRECT_BYTES
from api.services import Services
from tests.api.raw_connections import LONGER, RawConnection, body_of, head_of, length_of, record_calls
from tests.api.test_counters_that_fall import *  # noqa: F403  run here as well, with the client of this module
from tests.api.test_odd_uploads import *  # noqa: F403
from tests.api.test_uploads import *  # noqa: F403
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.serving import serving

# What api/server/direct.py and bounded.py rely on, as of uvicorn 0.54.0.
INTERNALS = {
    HttpToolsProtocol: "18fdf324b11bf160",
    RequestResponseCycle: "e67d470d435dcc1c",
    FlowControl: "126debcdaa894c83",
}


@pytest.fixture(scope="module")
async def client(port: int) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP calls over a socket."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=LONGER) as client:
        yield client


@pytest.fixture
def direct_bodies(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that were taken without ASGI."""
    return record_calls(monkeypatch, OpenUpload, "_enqueue")


async def test_a_usual_upload_is_taken_without_asgi(
    device: Device, raw: RawConnection, direct_bodies: list[bytes]
) -> None:
    body = body_of()
    for accepted in (1, 0):
        raw.send(head_of(device, length_of(body)), body)
        status, headers, receipt = await raw.answer()
        assert (status, receipt["accepted"], receipt["duplicates"]) == (200, accepted, 1 - accepted)
        assert headers[b"content-type"] == b"application/json"
        assert b"date" in headers
    assert direct_bodies == [body, body]


async def test_a_small_gzip_body_is_too(device: Device, raw: RawConnection, direct_bodies: list[bytes]) -> None:
    body = body_of()
    packed = gzip.compress(body)
    raw.send(head_of(device, length_of(packed), "Content-Encoding: gzip"), packed)
    assert (await raw.answer())[0] == 200
    assert direct_bodies == [body]


async def test_a_body_in_two_parts_is_waited_for(
    device: Device, raw: RawConnection, direct_bodies: list[bytes]
) -> None:
    body = body_of()
    raw.send(head_of(device, length_of(body)))
    await raw.writer.drain()
    await asyncio.sleep(0.01)
    raw.send(body[:10])
    await asyncio.sleep(0.01)
    raw.send(body[10:])
    assert (await raw.answer())[0] == 200
    assert direct_bodies == [body]


async def test_a_slow_body_is_handed_over(
    device: Device, raw: RawConnection, direct_bodies: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "BODY_SECONDS", 0.01)
    body = body_of()
    raw.send(head_of(device, length_of(body)), body[:10])
    await asyncio.sleep(0.2)
    raw.send(body[10:])
    status, _, receipt = await raw.answer()
    assert (status, receipt["accepted"]) == (200, 1)
    assert direct_bodies == []
    raw.send(head_of(device, length_of(body)), body)
    assert (await raw.answer())[2]["duplicates"] == 1
    assert direct_bodies == [body]


@pytest.mark.parametrize("how", ["chunked", "expect", "large", "unpacks to much", "a query"])
async def test_unusual_requests_go_through_asgi(
    device: Device, raw: RawConnection, direct_bodies: list[bytes], how: str
) -> None:
    body = body_of()
    if how == "chunked":
        raw.send(head_of(device, "Transfer-Encoding: chunked"), b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    elif how == "expect":
        raw.send(head_of(device, length_of(body), "Expect: 100-continue"))
        assert (await asyncio.wait_for(raw.reader.readuntil(b"\r\n\r\n"), LONGER)).startswith(b"HTTP/1.1 100")
        raw.send(body)
    elif how == "large":
        body = body_of(sample(cpu_percent=1, note="x" * MAX_DIRECT_BYTES))
        raw.send(head_of(device, length_of(body)), body)
    elif how == "unpacks to much":
        body = gzip.compress(body_of(sample(cpu_percent=1, note="x" * MAX_DIRECT_BYTES)))
        raw.send(head_of(device, length_of(body), "Content-Encoding: gzip"), body)
    else:
        raw.send(head_of(device, length_of(body)).replace(b"/metrics ", b"/metrics?a=b "), body)
    status, _, receipt = await raw.answer()
    assert (status, receipt["accepted"]) == (200, 1)
    assert direct_bodies == []


async def test_a_trailer_is_no_header(device: Device, make_device: MakeDevice, raw: RawConnection) -> None:
    body, other = body_of(), await make_device()
    trailers = f"Authorization: Bearer {other.token}\r\nContent-Encoding: gzip\r\n".encode()
    raw.send(head_of(device, "Transfer-Encoding: chunked"), b"%x\r\n%s\r\n0\r\n" % (len(body), body), trailers, b"\r\n")
    status, _, receipt = await raw.answer()
    assert (status, receipt["accepted"]) == (200, 1)


@pytest.mark.parametrize("right_one", [0, 1])
async def test_an_upload_with_two_tokens_is_refused_whichever_is_right(
    device: Device, raw: RawConnection, direct_bodies: list[bytes], right_one: int
) -> None:
    body = body_of()
    tokens = ("x", device.token)
    second = f"Authorization: Bearer {tokens[right_one]}"
    raw.send(head_of(device, second, length_of(body), token=tokens[not right_one]), body)
    status, headers, answer = await raw.answer()
    assert (status, answer["error"]["code"], direct_bodies) == (400, "repeated_header", [])
    assert headers[b"connection"] == b"close"
    assert await raw.closed()


async def test_pipelined_uploads_are_answered_in_order(device: Device, raw: RawConnection) -> None:
    bodies = [body_of(*({"collected_at": "?"} for _ in range(number))) for number in range(1, 6)]
    raw.send(*(part for body in bodies for part in (head_of(device, length_of(body)), body)))
    for number in range(1, 6):
        status, _, receipt = await raw.answer()
        assert (status, receipt["received"]) == (200, number)


async def test_another_request_may_follow_in_the_same_packet(device: Device, raw: RawConnection) -> None:
    body = body_of()
    health = b"GET /api/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    raw.send(health, head_of(device, length_of(body)), body, health)
    for _ in range(3):
        assert (await raw.answer())[0] == 200


async def test_connection_close_closes_after_the_answer(device: Device, raw: RawConnection) -> None:
    body = body_of()
    raw.send(head_of(device, length_of(body), "Connection: close"), body)
    status, headers, _ = await raw.answer()
    assert (status, headers[b"connection"]) == (200, b"close")
    assert await raw.closed()


async def test_a_refused_head_is_answered_before_its_body_and_the_connection_goes_on(
    device: Device, raw: RawConnection
) -> None:
    body = body_of()
    raw.send(head_of(device, length_of(body), token="none"))
    status, headers, refusal = await raw.answer()
    assert (status, refusal["error"]["code"]) == (401, "invalid_token")
    assert b"www-authenticate" in headers
    raw.send(body, head_of(device, length_of(body)), body)
    assert (await raw.answer())[2]["accepted"] == 1


async def test_a_connection_whose_refused_body_came_late_is_closed_when_it_is_idle(
    device: Device, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded.BoundedProtocol, "head_seconds", 0.2)
    async with serving(application) as port:
        raw = await RawConnection.open(port)
        body = body_of()
        raw.send(head_of(device, length_of(body), token="none"))
        assert (await raw.answer())[0] == 401
        raw.send(body)
        assert await raw.closed()
        raw.writer.close()


async def test_a_client_that_goes_away_leaves_no_bytes_behind(
    device: Device, port: int, services: Services, direct_bodies: list[bytes]
) -> None:
    body = body_of()
    for sent in (body, body[:10]):
        raw = await RawConnection.open(port)
        raw.send(head_of(device, length_of(body)), sent)
        await raw.writer.drain()
        raw.writer.close()
    async with asyncio.timeout(LONGER):
        while services.commits.buffered or services.budget.in_memory or not direct_bodies:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_full_buffer_refuses_at_once(
    device: Device, raw: RawConnection, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.commits, "max_samples", 0)
    body = body_of()
    raw.send(head_of(device, length_of(body)), body)
    status, headers, refusal = await raw.answer()
    assert (status, refusal["error"]["code"]) == (503, "ingest_busy")
    assert int(headers[b"retry-after"]) > 0
    assert services.budget.in_memory == 0


async def test_a_fault_of_ours_is_a_500_and_the_connection_goes_on(
    device: Device, raw: RawConnection, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = body_of()
    with monkeypatch.context() as patched:
        patched.setattr(services.commits, "enqueue", lambda *_: 1 / 0)
        raw.send(head_of(device, length_of(body)), body)
        assert (await raw.answer())[0] == 500
    assert services.budget.in_memory == 0
    raw.send(head_of(device, length_of(body)), body)
    assert (await raw.answer())[0] == 200


async def test_uploads_are_counted(device: Device, raw: RawConnection, services: Services) -> None:
    tally = services.process.counts.uploads
    before = tally.uploads, tally.accepted, tally.refused.get("wrong_agent", 0)
    body = body_of()
    raw.send(head_of(device, length_of(body)), body)
    await raw.answer()
    other = "0" * 8 + str(device.agent_id)[8:]
    raw.send(head_of(device, length_of(body)).replace(str(device.agent_id).encode(), other.encode()), body)
    assert (await raw.answer())[0] == 403
    assert (tally.uploads, tally.accepted, tally.refused["wrong_agent"]) == tuple(each + 1 for each in before)


def test_uvicorn_is_the_one_that_the_protocol_was_written_for() -> None:
    digests = {part: hashlib.sha256(inspect.getsource(part).encode()).hexdigest()[:16] for part in INTERNALS}
    for part, digest in INTERNALS.items():
        assert digests[part] == digest, (
            f"uvicorn's {part.__name__} has changed: compare it with what api/server/direct.py and bounded.py use "
            f"(cycle, flow, pipeline, the callbacks of the parser), then write {digests[part]} into this test."
        )
