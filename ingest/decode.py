"""Bytes → samples. Well-formed uploads take a typed decode in C; any fault sends the upload down the careful path.

The careful path reads sample by sample and gives each faulty one a code; both paths accept the same samples.
"""

import json
import math
from datetime import datetime
from typing import Any

import msgspec

from db.hypertables.policies import MAX_SAMPLE_AGE, MAX_SAMPLE_LEAD
from ingest.diagnose import SampleFaultError, read_sample
from ingest.errors import MalformedBodyError, TooManySamplesError, WrongEnvelopeError
from ingest.samples import Decoded, Envelope, Rejection, Sample

LONGEST_INT = 4000
_typed = msgspec.json.Decoder(Envelope)
_any = msgspec.json.Decoder()


def decode_upload(body: bytes, now: datetime, max_samples: int) -> Decoded:
    """Decode one upload; `now` (UTC) bounds the sample times.

    Raises MalformedBodyError with the position, WrongEnvelopeError or TooManySamplesError; a fault of one sample
    is a Rejection, never an exception.
    """
    try:
        samples = _typed.decode(body).metrics
    except (msgspec.DecodeError, RecursionError):
        return _decode_carefully(body, now, max_samples)
    _bound(len(samples), max_samples)
    if b"\\u0000" in body:  # the one well-formed text that PostgreSQL refuses
        return _decode_carefully(body, now, max_samples)
    decoded = Decoded(len(samples), [], [], [])
    for index, sample in enumerate(samples):
        _sort(decoded, index, sample, None, now)
    return decoded


def _decode_carefully(body: bytes, now: datetime, max_samples: int) -> Decoded:
    items = _items(_parse(body))
    _bound(len(items), max_samples)
    decoded = Decoded(len(items), [], [], [])
    for index, item in enumerate(items):
        try:
            sample, unknown = read_sample(item)
        except SampleFaultError as fault:
            decoded.rejected.append(Rejection(index, fault.code, fault.message))
        else:
            _sort(decoded, index, sample, unknown, now)
    return decoded


def _parse(body: bytes) -> Any:
    """Parse JSON; NaN, Infinity and 1e999 become floats here, so that only their samples are rejected."""
    try:
        return _any.decode(body)
    except RecursionError:
        raise MalformedBodyError("The JSON is nested too deeply.", details={"position": None}) from None
    except msgspec.DecodeError:
        return _parse_leniently(body)


def _parse_leniently(body: bytes) -> Any:
    try:
        return json.loads(body, parse_int=read_int)
    except json.JSONDecodeError as error:
        message = f"The body isn't valid JSON: {error.msg} at position {error.pos}."
        raise MalformedBodyError(message, details={"position": error.pos}) from error
    except UnicodeDecodeError as error:
        message = f"The body isn't UTF-8: {error.reason} at position {error.start}."
        raise MalformedBodyError(message, details={"position": error.start}) from error
    except (ValueError, RecursionError) as error:
        raise MalformedBodyError(f"The body can't be read: {error}.", details={"position": None}) from error


def read_int(digits: str) -> float:
    """Return an integer; one of more digits than Python reads is infinite, so that only its sample is rejected."""
    return int(digits) if len(digits) <= LONGEST_INT else math.inf


def _items(parsed: Any) -> list[Any]:
    items = parsed.get("metrics") if isinstance(parsed, dict) else None
    if not isinstance(items, list):
        raise WrongEnvelopeError
    return items


def _bound(count: int, max_samples: int) -> None:
    if count > max_samples:
        raise TooManySamplesError(f"The upload holds {count} samples, at most {max_samples} are taken: split it.")


def _sort(decoded: Decoded, index: int, sample: Sample, unknown: bytes | None, now: datetime) -> None:
    """Put a sample with the good ones, or reject it for its time."""
    age = now - sample.collected_at
    if age > MAX_SAMPLE_AGE:
        message = f"collected_at is {sample.collected_at:%Y-%m-%d}, samples are kept for {MAX_SAMPLE_AGE.days} days"
        decoded.rejected.append(Rejection(index, "too_old", message))
    elif -age > MAX_SAMPLE_LEAD:
        message = (
            f"collected_at is {-age} ahead of the server's clock, {now:%Y-%m-%dT%H:%M:%SZ}: set the device's clock"
        )
        decoded.rejected.append(Rejection(index, "clock_ahead", message))
    else:
        decoded.samples.append(sample)
        decoded.unknown.append(unknown)
