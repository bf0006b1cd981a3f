"""Bytes → samples. Well-formed uploads take a typed decode in C; any fault sends the upload down the careful path.

The careful path reads sample by sample, drops each faulty part and notes it. A sample without a fault is decoded to the
same value on both paths.
"""

import json
import math
from collections.abc import Generator, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

import msgspec

from core.facts import Facts, read_facts
from core.text import clean_name
from db.hypertables.policies import MAX_SAMPLE_AGE, MAX_SAMPLE_LEAD
from ingest.diagnose import read_sample
from ingest.errors import MalformedBodyError, TooManySamplesError, WrongEnvelopeError
from ingest.faults import FaultError, Notes, short_form
from ingest.samples import Decoded, Envelope, MachineFacts, RawEnvelope, Rejection, Sample

MAX_INT = 4000
REPLACED = "\ufffd"
FURTHEST_AHEAD = timedelta(days=3650)
FACTS = ("hostname", "os_version", "os_architecture", "ip_address", "mac_address")
FACTS_OF = attrgetter(*FACTS)
_typed = msgspec.json.Decoder(Envelope)
_any = msgspec.json.Decoder()
_raw = msgspec.json.Decoder(RawEnvelope)
_samples = msgspec.json.Decoder(list[Sample])


def decode_upload(
    body: bytes, now: datetime, max_samples: int, max_age: timedelta = MAX_SAMPLE_AGE
) -> Decoded:  # fmt: skip
    """Decode one upload; `now` (UTC) bounds the sample times, `max_age` how old they may be.

    Raises MalformedBodyError with the position, WrongEnvelopeError or TooManySamplesError; a fault of one sample
    is a Rejection, never an exception.
    """
    try:
        envelope = _typed.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_carefully(body, now, max_samples, max_age)
    samples = envelope.metrics
    _bound(len(samples), max_samples)
    if has_null(body) or not have_clean_names(samples):  # PostgreSQL refuses U+0000; names are stored cleaned
        return _decode_carefully(body, now, max_samples, max_age)
    decoded = Decoded(len(samples), [], [], [])
    _sort_all(decoded, 0, samples, now, max_age)
    decoded.facts = facts_of(envelope)
    return decoded


def facts_of(envelope: MachineFacts) -> Facts | None:
    """Return the facts about its machine in an upload; None without any, as in most uploads."""
    facts = FACTS_OF(envelope)
    return read_facts(*facts) if any(facts) else None


def decode_in_pieces(
    body: bytes, now: datetime, max_samples: int, max_age: timedelta, size: int
) -> Generator[None, None, Decoded | None]:
    """Decode as decode_upload, but yield after each `size` samples: a large body does not delay other requests.

    Returns None for a body that needs the careful path. Raises TooManySamplesError.
    """
    try:
        envelope = _raw.decode(body)
        _bound(len(envelope.metrics), max_samples)
        if has_null(body):
            return None
        yield
        decoded = Decoded(len(envelope.metrics), [], [], [])
        for start in range(0, decoded.received, size):
            samples = _samples.decode(b"[" + b",".join(envelope.metrics[start : start + size]) + b"]")
            if not have_clean_names(samples):
                return None
            _sort_all(decoded, start, samples, now, max_age)
            yield
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    decoded.facts = facts_of(envelope)
    return decoded


def has_null(body: bytes) -> bool:
    """Return whether a body may hold the null character, which JSON must escape.

    Most bodies have no backslash, and a search for one byte takes a tenth of the time.
    """
    return b"\\" in body and b"\\u0000" in body


def have_clean_names(samples: Sequence[Sample]) -> bool:
    """Return whether the services of samples have names that are stored as they are."""
    names = {service.name for sample in samples if sample.services for service in sample.services}
    return all(name == clean_name(name) for name in names)


def _decode_carefully(
    body: bytes, now: datetime, max_samples: int, max_age: timedelta = MAX_SAMPLE_AGE
) -> Decoded:  # fmt: skip
    parsed, replaced = _parse(body)
    items = _items(parsed)
    _bound(len(items), max_samples)
    decoded = Decoded(len(items), [], [], [])
    notes = Notes()
    for notes.index, item in enumerate(items):
        try:
            sample, unknown = read_sample(item, notes)
        except FaultError as fault:
            decoded.rejected.append(Rejection(notes.index, fault.code, fault.message))
        else:
            if replaced:
                _note_replaced(item, notes)
            _sort(decoded, notes.index, sample, unknown, now, max_age)
    decoded.notes, decoded.notes_left_out = notes.kept, notes.left_out
    decoded.facts = read_facts(*map(parsed.get, FACTS))
    return decoded


def _parse(body: bytes) -> tuple[Any, bool]:
    """Parse JSON; NaN, Infinity and 1e999 become floats here, so that only their values are lost.

    Returns whether bytes that aren't UTF-8 were replaced as well.
    """
    try:
        return _any.decode(body), False
    except RecursionError:
        raise MalformedBodyError("The JSON is nested too deeply.", details={"position": None}) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _parse_leniently(body)


def _parse_leniently(body: bytes) -> tuple[Any, bool]:
    text, replaced = text_of(body)
    try:
        return json.loads(text, parse_int=read_int), replaced
    except json.JSONDecodeError as error:
        message = f"The body is not valid JSON: {error.msg} at position {error.pos}."
        raise MalformedBodyError(message, details={"position": error.pos}) from error
    except (ValueError, RecursionError) as error:
        raise MalformedBodyError(f"The body cannot be read: {error}.", details={"position": None}) from error


def text_of(body: bytes) -> tuple[str, bool]:
    """Return a body as text, and whether bytes that aren't UTF-8 became U+FFFD, so that only their text is lost."""
    try:
        return body.decode(json.detect_encoding(body), "surrogatepass"), False
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace"), True


def _note_replaced(item: dict[str, Any], notes: Notes) -> None:
    for name, value in item.items():
        if REPLACED in name or REPLACED in json.dumps(value, ensure_ascii=False):
            notes.add(name, FaultError("invalid_utf8", f"bytes of {short_form(name)} are not UTF-8: stored as U+FFFD"))


def read_int(digits: str) -> float:
    """Return an integer; one of more digits than Python reads is infinite, so that only its value is lost."""
    return int(digits) if len(digits) <= MAX_INT else math.inf


def _items(parsed: Any) -> list[Any]:
    items = parsed.get("metrics") if isinstance(parsed, dict) else None
    if not isinstance(items, list):
        raise WrongEnvelopeError
    return items


def _bound(count: int, max_samples: int) -> None:
    if count > max_samples:
        raise TooManySamplesError(f"The upload holds {count} samples, at most {max_samples} are taken: split it.")


def accepted_by_time(
    samples: Sequence[Sample], now: datetime, max_samples: int, max_age: timedelta = MAX_SAMPLE_AGE
) -> Decoded:  # fmt: skip
    """Return the samples of another protocol; those whose time is outside the accepted range are rejected.

    Raises TooManySamplesError.
    """
    _bound(len(samples), max_samples)
    decoded = Decoded(len(samples), [], [], [])
    _sort_all(decoded, 0, samples, now, max_age)
    return decoded


def _sort_all(
    decoded: Decoded, start: int, samples: Sequence[Sample], now: datetime, max_age: timedelta
) -> None:  # fmt: skip
    """Accept samples without unknown fields, and reject those whose time is outside the accepted range."""
    times = [sample.collected_at for sample in samples]
    if times and now - min(times) <= max_age and max(times) - now <= MAX_SAMPLE_LEAD:
        decoded.samples += samples
        decoded.unknown += [None] * len(samples)
        return
    for index, sample in enumerate(samples, start):
        _sort(decoded, index, sample, None, now, max_age)


def _sort(
    decoded: Decoded, index: int, sample: Sample, unknown: bytes | None, now: datetime, max_age: timedelta
) -> None:
    """Accept a sample, or reject it for its time."""
    age = now - sample.collected_at
    if age > max_age:
        longest = f"{max_age / timedelta(days=1):.3g} days"
        message = f"collected_at is {sample.collected_at:%Y-%m-%d}, samples are accepted until they are {longest} old"
        decoded.rejected.append(Rejection(index, "too_old", message))
    elif -age > MAX_SAMPLE_LEAD:
        message = (
            f"collected_at is {-age} ahead of the server's clock, {now:%Y-%m-%dT%H:%M:%SZ}: set the device's clock"
        )
        decoded.rejected.append(Rejection(index, "clock_ahead", message))
        decoded.ahead = min(-age, FURTHEST_AHEAD)
    else:
        decoded.samples.append(sample)
        decoded.unknown.append(unknown)
