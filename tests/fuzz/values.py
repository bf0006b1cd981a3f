"""Odd values and damaged bytes from a seeded generator: the same seed gives the same body."""

import gzip
import json
import zlib
from random import Random
from typing import Any

TEXTS = (
    "", "a", "running", "Ünïcode", "e\u0301", "\u202egnp.exe", "\x00", "a\x00b", "\ud800", "\ufeff", "\n\r\t", "\x1b[m",
    "' OR 1=1 --", "=cmd()", "💥" * 20, "x" * 300, "x" * 70_000, "NaN", "1e999", "-1", "C:\\", "%s%n", "{0}", "null",
)  # fmt: skip
NUMBERS = (
    0, -0.0, 1, -1, 0.1, 100, 100.0000001, 101, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**40, 1e308, 5e-324, 12345.678,
    float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
TIMES = (
    "2026-05-03T11:59:60Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00+14:00",
    "1970-01-01", "2026-02-30T00:00:00Z", "2026-05-03 11:00:00", "soon", "", "2026-05-03T11:59:00.123456789123Z",
)  # fmt: skip
DEEPEST = 4


def odd_value(rng: Random, depth: int = 0) -> Any:
    """Return any JSON value; some are beyond what PostgreSQL, UTF-8 or the protocol can hold."""
    kind = rng.randrange(8 if depth < DEEPEST else 6)
    if kind < 4:
        return rng.choice((TEXTS, NUMBERS, TIMES, (None, True, False))[kind])
    if kind == 4:
        return rng.uniform(-1e6, 1e6)
    if kind == 5:
        return "".join(
            chr(rng.choice((rng.randrange(128), rng.randrange(0x11_0000)))) for _ in range(rng.randrange(12))
        )
    if kind == 6:
        return [odd_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {str(odd_value(rng, DEEPEST)): odd_value(rng, depth + 1) for _ in range(rng.randrange(4))}


def altered(rng: Random, value: Any, rate: float = 0.08) -> Any:
    """Return a copy of a JSON value in which some parts were replaced, left out or repeated."""
    if rng.random() < rate:
        return odd_value(rng)
    if isinstance(value, list):
        kept = [altered(rng, item, rate) for item in value if rng.random() > rate / 2]
        return kept * 2 if rng.random() < rate else kept
    if isinstance(value, dict):
        kept_fields = {name: altered(rng, item, rate) for name, item in value.items() if rng.random() > rate / 2}
        return kept_fields | ({str(odd_value(rng, DEEPEST)): odd_value(rng)} if rng.random() < rate else {})
    return value


def as_json(rng: Random, value: Any) -> bytes:
    """Return JSON text, at times nested deeply: UTF-8, escaped, Latin-1 or UTF-16."""
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.05:
        levels = rng.randrange(1, 3000)
        start, end = rng.choice(("[]", ('{"a":', "}")))
        text = text.replace(rng.choice(("null", "47", "54.5")), start * levels + "0" + end * levels, 1)
    encoding = rng.choices(("utf-8", "latin-1", "utf-16"), (20, 1, 1))[0]
    return text.encode(encoding, errors="surrogatepass" if encoding != "latin-1" else "replace")


def damaged(rng: Random, body: bytes) -> bytes:
    """Return a body with up to eight bytes or ranges changed, removed, inserted or repeated."""
    damaged_body = bytearray(body)
    for _ in range(rng.randrange(1, 9)):
        at = rng.randrange(len(damaged_body) + 1)
        end = min(len(damaged_body), at + rng.randrange(1, 24))
        match rng.randrange(5):
            case 0:
                damaged_body[at:end] = rng.randbytes(end - at)
            case 1:
                del damaged_body[at:end]
            case 2:
                damaged_body[at:at] = rng.randbytes(rng.randrange(1, 8))
            case 3:
                damaged_body[at:at] = damaged_body[at:end] * rng.randrange(1, 5)
            case _:
                damaged_body[at : at + 1] = rng.choice(
                    (b"\x00", b"\xff", b"{", b"]", b'"', b"\\", b"\xed\xa0\x80", b"\n")
                )
    return bytes(damaged_body[: rng.randrange(len(damaged_body) + 1)] if rng.random() < 0.1 else damaged_body)


def packed(rng: Random, body: bytes) -> tuple[bytes, dict[str, str]]:
    """Return a body as it travels, with its headers; the encoding is at times damaged or not the one that is named."""
    name = rng.choices(("", "gzip", "deflate", "identity", "br", "snappy", "gzip, gzip"), (12, 4, 1, 1, 1, 1, 1))[0]
    if name == "gzip":
        body = gzip.compress(body, 1)
    elif name == "deflate":
        body = zlib.compress(body, 1)
    if name and rng.random() < 0.2:
        body = damaged(rng, body)
    return body, {"Content-Encoding": name} if name else {}
