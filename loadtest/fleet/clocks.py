"""Clocks that are wrong: what devices send whose clock jumps, and the code that each of their samples must get.

A device of each kind sends two uploads at each slot, each of 20 samples from the interval that ends at the slot.
"""

from collections.abc import Callable
from datetime import timedelta, timezone
from typing import Any

from loadtest.fleet.payloads import Payload, pack
from loadtest.fleet.series import EPOCH, cpu_tenths, sample_at, to_ms, to_text

SAMPLES = 20
HOUR = 3_600_000  # ms
NEVER = -1
GARBAGE: tuple[Any, ...] = ("yesterday", "2026-02-30T10:00:00Z", "2026-05-03T25:61:00Z", 2**63, True, [], None)
# A sample's time → what the device sends as collected_at, when that is in truth (ms; NEVER: at no time), its code.
Clock = Callable[[int, int], tuple[Any, int, str]]


def right(ms: int, index: int) -> tuple[Any, int, str]:
    """Return the correct time, in UTC."""
    del index
    return to_text(ms), ms, ""


def in_1970(ms: int, index: int) -> tuple[Any, int, str]:
    """Begin in 1970: a device without a battery for its clock, before it has asked for the time."""
    del ms
    return f"1970-01-01T00:{index:02d}:00Z", NEVER, "too_old"


def ahead(ms: int, index: int) -> tuple[Any, int, str]:
    """Be two hours ahead: local time, taken for UTC."""
    del index
    return to_text(ms + 2 * HOUR), NEVER, "clock_ahead"


def hour_forward(ms: int, index: int) -> tuple[Any, int, str]:
    """Put the hour of spring forward twice."""
    del index
    return to_text(ms + HOUR), NEVER, "clock_ahead"


def hour_back(ms: int, index: int) -> tuple[Any, int, str]:
    """Put the hour of autumn back without a zone: the times of an hour come for a second time."""
    del index
    return to_text(ms - HOUR), ms - HOUR, ""


def zone_changes(ms: int, index: int) -> tuple[Any, int, str]:
    """Return local time across a change of its offset: local times go back, the instants do not."""
    zone = timezone(timedelta(hours=2 if index < SAMPLES // 2 else 1))
    return (EPOCH + timedelta(milliseconds=ms)).astimezone(zone).isoformat(), ms, ""


def without_zone(ms: int, index: int) -> tuple[Any, int, str]:
    """Return local time without an offset."""
    del index
    return to_text(ms).removesuffix("+00:00"), NEVER, "time_without_zone"


def garbage(ms: int, index: int) -> tuple[Any, int, str]:
    """Return a value that is no time; every second one is a time."""
    if index % 2:
        return right(ms, index)
    value = GARBAGE[index // 2 % len(GARBAGE)]
    return value, NEVER, "missing_time" if value is None else "invalid_time"


# Each kind of device: its clock in the first and in the second upload of its first slot. Later it is right.
DEVICES: tuple[tuple[Clock, Clock], ...] = (
    (right, right),  # the second repeats the first: duplicates
    (in_1970, right),
    (ahead, right),
    (hour_forward, right),
    (hour_back, hour_back),  # the same hour twice
    (zone_changes, zone_changes),
    (without_zone, right),
    (garbage, right),
)


def pack_by_clock(
    number: int, offset: float, interval: float, jumps: bool, part: int, seed: int, start: float
) -> Payload:
    """Return upload `part` (0 or 1) of a slot of device `number`; only the first slot's clocks jump.

    The second upload's values differ, so that the check sees that of two samples for one time the first one stays.
    """
    clock = DEVICES[number % len(DEVICES)][part] if jumps else right
    samples, times, values, expected = [], [], [], {}
    for index in range(SAMPLES):
        ms = to_ms(start + offset - interval * (SAMPLES - 1 - index) / SAMPLES)
        tenths = (cpu_tenths(number, ms, seed) + part) % 1001
        sent_ms, really, code = clock(ms, index)
        samples.append(sample_at(number, ms, tenths) | {"collected_at": sent_ms})
        times.append(really)
        values.append(tenths)
        if code:
            expected[index] = code
    payload = pack(samples, times, values)
    payload.expected = expected
    return payload
