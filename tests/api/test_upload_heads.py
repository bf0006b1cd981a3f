"""Heads of uploads that are not parsed again: only equal ones, and only before a whole body."""

import asyncio
import gzip
from functools import partial

import pytest

from api.server.direct import MAX_DIRECT_BYTES, DirectProtocol
from api.server.upload_heads import UploadHead, UploadHeads
from tests.api.raw_connections import RawConnection, body_of, head_of, length_of, record_calls
from tests.devices import Device, sample
from tests.people import Employee
from tests.waiting import until

HEAD = b"POST /api/agents/x/metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nAuthorization: Bearer y\r\n\r\n"
PARSED = UploadHead(
    "x", b"Bearer y", b"", b"/api/agents/x/metrics",
    [(b"host", b"x"), (b"content-length", b"4"), (b"authorization", b"Bearer y")],
)  # fmt: skip


@pytest.fixture
def heads() -> UploadHeads:
    heads = UploadHeads()
    heads.add(HEAD + b"body", PARSED)
    return heads


def test_a_head_is_found_again_with_another_length(heads: UploadHeads) -> None:
    assert heads.split(HEAD.replace(b": 4", b": 6") + b"bodies") == (PARSED, b"bodies")


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"bod",
        HEAD + b"body and the next",
        HEAD[:-1],
        HEAD.replace(b"Bearer y", b"Bearer z") + b"body",
        HEAD.replace(b"Content-Length", b"Content-length") + b"body",
        HEAD.replace(b": 4", b": ") + b"body",
        HEAD.replace(b": 4", b": 4, 4") + b"body",
        HEAD.replace(b": 4", b": +4") + b"body",
        HEAD.replace(b": 4\r\n", b": 4\r\nContent-Length: 4\r\n") + b"body",
        HEAD.replace(b": 4\r\n", b": 4\r\nTransfer-Encoding: chunked\r\n") + b"body",
        b"\r\n" + HEAD + b"body",
        b"",
    ],
)
def test_bytes_that_are_not_one_whole_upload_with_a_kept_head_are_parsed(heads: UploadHeads, data: bytes) -> None:
    head, _ = heads.split(data)
    assert head is None


@pytest.mark.parametrize(
    "data",
    [
        HEAD.replace(b"Host: x\r\n", b"Host: x\n") + b"body",  # a parser that accepts it sees the same headers
        HEAD.replace(b"Bearer y", b"Bearer\r\n y") + b"body",
        b"\r\n" + HEAD + b"body",
        HEAD[:-2],
        HEAD.replace(b": 4", b":4") + b"body",
        HEAD.replace(b"Host: x", b"Host: " + b"x" * 4000) + b"body",
    ],
)
def test_a_head_of_uncertain_end_is_not_kept(data: bytes) -> None:
    heads = UploadHeads()
    heads.add(data, PARSED)
    assert not len(heads)


def test_the_oldest_head_goes_when_there_are_as_many_as_may_be() -> None:
    heads = UploadHeads(most=2)
    given = [HEAD.replace(b"Bearer y", b"Bearer %d" % number) for number in range(3)]
    for head in given:
        heads.add(head, PARSED)
    assert [heads.split(head + b"body")[0] is not None for head in given] == [False, True, True]


def test_a_head_that_comes_again_takes_no_place() -> None:
    heads = UploadHeads(most=2)
    for head in (HEAD, HEAD.replace(b"Bearer y", b"Bearer 1"), HEAD, HEAD):
        heads.add(head, PARSED)
    assert len(heads) == 2
    assert heads.split(HEAD + b"body")[0]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The request lines that the parser has read."""
    return record_calls(monkeypatch, DirectProtocol, "on_url")


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the server has received, read by read."""
    return record_calls(monkeypatch, DirectProtocol, "data_received")


async def test_the_second_upload_of_a_device_is_not_parsed(device: Device, port: int, parsed: list[bytes]) -> None:
    for number in range(3):
        raw = await RawConnection.open(port)  # the head is the device's, whatever the connection
        body = body_of(sample(cpu_percent=number))
        raw.send(head_of(device, length_of(body)), body)
        status, _, receipt = await raw.answer()
        raw.writer.close()
        assert (status, receipt["received"]) == (200, 1)
    assert len(parsed) == 1


async def test_many_uploads_and_other_calls_of_one_connection_keep_their_order(
    device: Device, parsed: list[bytes], raw: RawConnection
) -> None:
    body = body_of()
    upload = head_of(device, length_of(body)) + body
    for _ in range(3):
        raw.send(upload)
        assert (await raw.answer())[0] == 200
        raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await raw.answer())[0] in (200, 503)
        raw.send(upload, upload)  # pipelined
        assert [(await raw.answer())[0], (await raw.answer())[0]] == [200, 200]
    assert parsed.count(b"/health") == 3


async def test_a_body_in_pieces_and_a_large_one_follow_a_kept_head(
    device: Device, pieces: list[bytes], raw: RawConnection
) -> None:
    body = body_of()
    head = head_of(device, length_of(body))
    raw.send(head, body)
    assert (await raw.answer())[0] == 200
    for part in (head, body[:9]):
        raw.send(part)
        await until(partial(pieces.__contains__, part))  # it arrived alone
    raw.send(body[9:])
    assert (await raw.answer())[0] == 200
    large = body_of(sample(cpu_percent=1, note="x" * MAX_DIRECT_BYTES))
    raw.send(head_of(device, length_of(large)), large)
    assert (await raw.answer())[0] == 200
    raw.send(head, body)
    assert (await raw.answer())[0] == 200


async def test_a_kept_head_is_the_first_of_a_connection_and_its_upload_is_for_asgi(device: Device, port: int) -> None:
    bodies = gzip.compress(body_of()), gzip.compress(body_of(sample(cpu_percent=1, note="x" * MAX_DIRECT_BYTES)))
    for body in (*bodies, *bodies):
        raw = await RawConnection.open(port)
        raw.send(head_of(device, length_of(body), "Content-Encoding: gzip"), body)
        status, _, _ = await raw.answer()
        assert status == 200
        raw.writer.close()


async def test_bytes_of_a_refused_body_are_never_taken_for_a_kept_head(device: Device, raw: RawConnection) -> None:
    """A body with the bytes of an upload, of a request that is answered before its body has arrived."""
    body = body_of()
    upload = head_of(device, length_of(body)) + body
    raw.send(upload)
    assert (await raw.answer())[2]["accepted"] == 1
    raw.send(head_of(device, f"Content-Length: {len(upload) + 1}", token="none"))
    status, _, _ = await raw.answer()
    assert status == 401
    raw.send(upload)
    raw.send(b"x", upload)
    status, _, receipt = await raw.answer()
    assert (status, receipt["duplicates"]) == (200, 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(raw.reader.read(1), 0.5)  # one answer: the body's bytes were no request


async def test_a_kept_head_of_a_revoked_sender_is_refused(
    device: Device, employee: Employee, raw: RawConnection
) -> None:
    body = body_of()
    raw.send(head_of(device, length_of(body)), body)
    assert (await raw.answer())[0] == 200
    revoked = await device.client.delete(f"/api/agents/{device.agent_id}/token", headers=employee.headers)
    assert revoked.status_code == 204
    raw.send(head_of(device, length_of(body)), body)
    assert (await raw.answer())[0] == 401
