"""Finds the spans of time in which a device may have no samples, with their reasons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from alerts.silences.occurrences import TimeRange

COMES_LATE = timedelta(minutes=5)  # agents upload samples a few minutes after they collect them
UNNOTICED_INTERVALS = 4  # silence before an old `offline` event, which does not say since when
FIRST, FOREVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

SENTENCES = {
    "offline": "The device was offline",
    "maintenance": "Maintenance",
    "deactivated": "The device was deactivated",
    "decommissioned": "The device is decommissioned",
    "not_enrolled": "The device was not enrolled yet",
    "outside_retention": "Samples of that time are no longer kept",
    "may_come_late": "The newest samples have not arrived yet",
    "late_data": "Samples of that time arrived late; the rollups do not include all of them yet",
    "monitoring_off": "Monitoring of this device is switched off",
}


@dataclass(frozen=True, slots=True)
class StatusSpan:
    """A status and its reason; `silent_since`: time of the last contact, if the device fell silent."""

    status: str
    start: datetime
    end: datetime
    reason: str | None
    silent_since: datetime | None = None

    @property
    def is_silent(self) -> bool:
        """Whether the device sends no samples in it; a heartbeat may report a warning, which is no silence."""
        return self.status in ("offline", "disabled") or self.silent_since is not None


@dataclass(frozen=True, slots=True)
class WindowSpan:
    """One run of a maintenance window."""

    window_id: UUID
    window_name: str
    start: datetime
    end: datetime


class Gap(NamedTuple):
    """A span in which there may be no samples, and why."""

    start: datetime
    end: datetime
    reason: str
    detail: str | None = None

    @property
    def message(self) -> str:
        """The reason and its detail in English."""
        sentence = SENTENCES[self.reason]
        return f"{sentence}: {self.detail}." if self.detail else f"{sentence}."


def find_gaps(
    device: Any,
    statuses: Sequence[StatusSpan],
    windows: Sequence[WindowSpan],
    kept_since: dict[str, datetime],
    span: TimeRange,
    now: datetime,
) -> Iterator[Gap]:
    """Yield the gaps in `span` with their reasons, the most certain first."""
    interval = timedelta(seconds=device["metrics_interval_seconds"])
    gaps = [
        *gaps_of_life(device, kept_since, interval, now),
        *(gap_of_status(one, interval) for one in statuses if one.is_silent),
        *(Gap(window.start, window.end, "maintenance", window.window_name) for window in windows),
        *gaps_of_data(device, now),
    ]
    for gap in gaps:
        start, end = max(gap.start, span.start), min(gap.end, span.end)
        if start < end:
            yield gap._replace(start=start, end=end)


def gaps_of_life(device: Any, kept_since: dict[str, datetime], interval: timedelta, now: datetime) -> Iterator[Gap]:
    """Yield the spans before the device joined, after it was decommissioned, and of which nothing is kept."""
    yield Gap(FIRST, min(kept_since.values()), "outside_retention")
    yield Gap(FIRST, device["enrolled_at"] or max(device["created_at"], now), "not_enrolled")
    if device["decommissioned_at"]:
        yield Gap(device["decommissioned_at"] - interval, FOREVER, "decommissioned")


def gap_of_status(status: StatusSpan, interval: timedelta) -> Gap:
    """Return the gap of a silent status.

    The last sample before it and the first one after it are up to one interval away, and the silence began before the
    status that it caused.
    """
    begin = status.silent_since or status.start
    if status.status == "offline" and status.reason == "it fell silent" and status.silent_since is None:
        begin -= UNNOTICED_INTERVALS * interval
    reason = "deactivated" if status.status == "disabled" else "offline"
    return Gap(begin - interval, status.end + interval, reason, status.reason)


def gaps_of_data(device: Any, now: datetime) -> Iterator[Gap]:
    """Yield the spans whose samples are never sent, came late, or are still expected."""
    if not device["monitoring_enabled"]:
        yield Gap(FIRST, FOREVER, "monitoring_off")
    if device["late_from"]:
        yield Gap(device["late_from"], now, "late_data")
    yield Gap(now - COMES_LATE, FOREVER, "may_come_late")
