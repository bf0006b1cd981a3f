"""Large answers are compressed for clients that take gzip, and not sent again to one that has them."""

import gzip
from typing import Any

import httpx
import pytest

from api.server.compression import INLINE_BYTES, MIN_BYTES, compressed


async def answered(body: bytes, *parts: bytes, status: int = 200, path: str = "/api/x", **asked: str) -> Any:
    """Send an answer through; return its status, headers by name, and body."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    names = {name.replace("_", "-").encode(): value.encode() for name, value in asked.items()}
    out = compressed({"method": "GET", "path": path, "headers": list(names.items())}, send)
    length = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
    await out({"type": "http.response.start", "status": status, "headers": length})
    for number, part in enumerate((body, *parts)):
        await out({"type": "http.response.body", "body": part, "more_body": number < len(parts)})
    head = dict(sent[0]["headers"])
    return sent[0]["status"], head, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize("size", [MIN_BYTES + 1, INLINE_BYTES + 1])
async def test_a_large_body_goes_compressed_with_its_length(size: int) -> None:
    status, head, body = await answered(b"a" * size, accept_encoding="br, gzip")
    assert (status, head[b"content-encoding"], head[b"vary"]) == (200, b"gzip", b"Accept-Encoding")
    assert int(head[b"content-length"]) == len(body) < size
    assert gzip.decompress(body) == b"a" * size


async def test_a_small_body_an_error_and_a_page_go_as_they_are() -> None:
    for answer in (
        await answered(b"a" * MIN_BYTES, accept_encoding="gzip"),
        await answered(b"a" * 9000, status=404, accept_encoding="gzip"),
        await answered(b"a" * 9000, path="/docs", accept_encoding="gzip"),
        await answered(b"a" * 9000, b"b", accept_encoding="gzip"),
    ):
        assert b"content-encoding" not in answer[1]
        assert answer[2].startswith(b"a" * MIN_BYTES)


async def test_a_client_without_gzip_gets_plain_text_with_an_etag() -> None:
    _, head, body = await answered(b"a" * 9000)
    assert body == b"a" * 9000
    assert b"content-encoding" not in head
    assert head[b"cache-control"] == b"private, no-cache"


async def test_a_matching_etag_gets_a_304_without_a_body() -> None:
    _, head, _ = await answered(b"a" * 9000, accept_encoding="gzip")
    status, again, body = await answered(b"a" * 9000, if_none_match=head[b"etag"].decode())
    assert (status, body, again[b"etag"]) == (304, b"", head[b"etag"])
    assert b"content-length" not in again
    assert (await answered(b"b" * 9000, if_none_match=head[b"etag"].decode()))[0] == 200


async def test_the_document_of_the_api_is_not_touched_but_lists_are(client: httpx.AsyncClient) -> None:
    response = await client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in response.headers
