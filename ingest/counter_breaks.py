"""Marks samples whose counters fall although the device was not restarted: each is stored as a break.

A sum over network adapters falls when an adapter disappears (a VPN, Docker). If this counted as a reset to zero, the
whole value of the other adapters would appear as one spike. A break is stored as -value - 1
(`db/migrations/sql/counter_breaks.sql`), so charts and rollups recognise it by the value itself.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec

from ingest.samples import Sample

COUNTERS = ("network_rx_bytes", "network_tx_bytes")
# Of uptimes and clocks: a machine that was started between two samples shows less uptime than time has passed.
TOLERANCE_SECONDS = 120.0
# A 32-bit counter that overflowed was just below its maximum and is just above zero: this counts as a reset.
WRAP, WRAP_ROOM = 2.0**32, 2.0**30


def mark_breaks(samples: Sequence[Sample], *, are_parts: bool = False) -> dict[int, Sample]:
    """Return the samples of one upload that are stored as breaks, by their position in `samples`.

    Each value is compared with the one before it, in whichever sample that was: a counter may be missing in between.
    `are_parts`: missing values of a sample may arrive later, so a missing uptime does not mean a restart.
    """
    broken: dict[int, Sample] = {}
    for name in COUNTERS:
        values = [(place, value) for place, one in enumerate(samples) if (value := getattr(one, name)) is not None]
        for (earlier, highest), (place, value) in pairwise(values):
            if value < highest:
                before, after = samples[earlier], broken.get(place, samples[place])
                known = {"uptime_seconds": before.uptime_seconds, name: highest}
                marked = broken_after(known, before.collected_at, after, are_parts=are_parts)
                broken |= {place: marked} if marked else {}
    return broken


def broken_after(
    before: Mapping[str, Any], before_at: datetime, sample: Sample, *, are_parts: bool = False
) -> Sample | None:
    """Return a copy of `sample` whose fallen counters are stored as breaks; None if no counter fell.

    `before` has the uptime (seconds) and counters (bytes) of the device's sample at `before_at` by column name.
    """
    earlier = before.get("uptime_seconds")
    if sample.collected_at <= before_at or was_started(earlier, before_at, sample, are_parts=are_parts):
        return None
    breaks = {
        name: -int(value) - 1
        for name in COUNTERS
        if (value := getattr(sample, name)) is not None and fell(before.get(name), value)
    }
    return msgspec.structs.replace(sample, **breaks) if breaks else None


def keep_breaks(sample: Sample, broken: Sample | None) -> Sample:
    """Return a sample whose columns were changed, with the breaks that it had before; None: it had none."""
    breaks = {
        name: value
        for name in COUNTERS
        if broken and (value := getattr(broken, name)) is not None and value < 0 and getattr(sample, name) is not None
    }
    return msgspec.structs.replace(sample, **breaks) if breaks else sample


def was_started(earlier: float | None, before_at: datetime, sample: Sample, *, are_parts: bool = False) -> bool:
    """Return whether a device restarted between two samples, or may have: one of them has no uptime.

    `earlier` is the uptime of the sample at `before_at`, in seconds. `are_parts`: missing values of a sample may arrive
    later, so a missing uptime does not mean a restart.
    """
    uptime = sample.uptime_seconds
    if are_parts and earlier is not None and uptime is None:
        return False
    if uptime is None or uptime < (earlier or 0):
        return True
    passed = (sample.collected_at - before_at).total_seconds()
    if earlier is None:
        return bool(uptime <= passed + TOLERANCE_SECONDS)
    return bool(uptime <= passed + TOLERANCE_SECONDS and uptime < earlier + passed - TOLERANCE_SECONDS)


def fell(before: float | None, after: float) -> bool:
    """Return whether a counter is lower than before and did not overflow at 32 bits."""
    if before is None or after >= before:
        return False
    return not (before < WRAP and WRAP - before + after < WRAP_ROOM)
