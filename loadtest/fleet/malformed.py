"""Hostile uploads with the expected answer to each: refused, or accepted without the faulty part."""

import gzip
from array import array
from functools import cache
from typing import Any

import orjson

from loadtest.fleet.payloads import Payload
from loadtest.fleet.series import cpu_tenths, sample_at, to_ms

MIB = 1024 * 1024
OVER_THE_LIMIT = 21 * MIB  # unpacked; the default of RTS_MAX_BODY_BYTES is 20 MiB
TOO_MANY = 20_001  # the default of RTS_MAX_SAMPLES_PER_UPLOAD is 20,000


def pack(body: bytes) -> bytes:
    """Return a body compressed, the same each time."""
    return gzip.compress(body, compresslevel=1, mtime=0)


# Fields of one sample that must be rejected, with the code.
BAD_FIELDS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"collected_at": None}, "missing_time"),
    ({"collected_at": "yesterday"}, "invalid_time"),
    ({"collected_at": 1_767_225_600}, "invalid_time"),
    ({"collected_at": "2026-05-03T14:05:00"}, "time_without_zone"),
    ({"collected_at": "1999-12-31T23:59:59Z"}, "too_old"),
    ({"collected_at": "2106-02-07T06:28:15Z"}, "clock_ahead"),
)
# … and such as must be taken: strange or at fault, but harmless to the rest of the sample.
STRANGE_FIELDS: tuple[dict[str, Any], ...] = (
    {"services": [{"name": "'; DROP TABLE agent_metrics; --", "status": "running"}]},
    {"note": "\u202e\U0001f4a5</script>"},
    {"cpu_percent": 1e-300},
    {"memory_percent": None, "load_average": None},
    {"memory_percent": 250},
    {"network_rx_bytes": 2**63},
    {"load_average": [1, 2]},
    {"services": [{"name": "x", "status": "on fire"}, {"name": "", "status": "running"}, 7]},
    {"note": "nul \x00 inside"},
    {"note": "x" * 17_000},
    {"disk_percent": {"$gt": 0}},
)
# Whole bodies that must be refused.
BAD_BODIES: tuple[tuple[bytes, str, str], ...] = (
    (b"", "", "400 malformed_json"),
    (b'{"metrics": [', "", "400 malformed_json"),
    (b"\xff\xfe\x00", "", "400 malformed_json"),
    (b"[" * 100_000, "", "400 malformed_json"),
    (b"[]", "", "422 wrong_envelope"),
    (b'{"metrics": {"0": 1}}', "", "422 wrong_envelope"),
    (b"this is not gzip", "gzip", "400 bad_gzip"),
    (pack(b'{"metrics": []}')[:-6], "gzip", "400 bad_gzip"),
    (b"(\xb5/\xfd", "zstd", "415 unsupported_encoding"),
)


def malformed_payload(number: int, turn: int, offset: float, victim: str, start: float) -> Payload:
    """Return upload `turn` of hostile agent `number`; the kinds take turns, agents begin at different ones."""
    ms = to_ms(start + offset)
    kind = (number + turn) % 4
    if kind == 0:
        return bad_body(number + turn // 4)
    return foreign(number, ms, victim, turn // 4) if kind == 1 else bad_values(number, ms)


def bad_values(number: int, ms: int) -> Payload:
    """Return good, strange and bad samples in one upload."""
    parts = [({}, ""), *BAD_FIELDS, *((fields, "") for fields in STRANGE_FIELDS)]
    samples, times, values, expected = [], [], [], {}
    for index, (fields, code) in enumerate(parts):
        tenths = cpu_tenths(number, ms - index)
        samples.append(sample_at(number, ms - index, tenths) | fields)
        times.append(ms - index)
        values.append(round(10 * fields.get("cpu_percent", tenths / 10)) if not code else 0)
        if code:
            expected[index] = code
    return Payload(
        pack(orjson.dumps({"metrics": samples})),
        array("q", times), array("h", values), "gzip", expected,
    )  # fmt: skip


def bad_body(which: int) -> Payload:
    """Return a body that can't be read, or is too large."""
    bodies = (*BAD_BODIES, *large_bodies())
    body, encoding, refusal = bodies[which % len(bodies)]
    return Payload(body, array("q", [-1]), array("h", [0]), encoding, refusal=refusal)


def foreign(number: int, ms: int, victim: str, which: int) -> Payload:
    """Return good samples, sent to a device of another tenant, or with a token that was tampered with."""
    tenths = cpu_tenths(number, ms)
    body = orjson.dumps({"metrics": [sample_at(number, ms, tenths)]})
    payload = Payload(body, array("q", [ms]), array("h", [tenths]), path=victim, refusal="403 wrong_agent")
    if which % 2:
        payload.token, payload.refusal = "eyJhbGciOiJub25lIn0.e30.", "401 invalid_token"
    return payload


@cache
def large_bodies() -> tuple[tuple[bytes, str, str], ...]:
    """Return bodies that are small on the wire and too large inside."""
    spaces = pack(b" " * OVER_THE_LIMIT)
    many = b'{"metrics": [' + b",".join([b"{}"] * TOO_MANY) + b"]}"
    return (
        (spaces, "gzip", "413 body_too_large"),
        (pack(spaces), "gzip", "400 malformed_json"),
        (pack(many), "gzip", "413 too_many_samples"),
    )
