"""Errors of history requests."""

from typing import ClassVar

from core.errors import RtsError


class InvalidRangeError(RtsError):
    """`end` must be after `start`, the range at most ten years long, and `end` between 2000 and ten years ahead."""

    code: ClassVar[str] = "invalid_range"
    status: ClassVar[int] = 422


class InvalidIntervalError(RtsError):
    """`interval` is a number and s, m, h or d, such as 5m, 1h or 1d; `raw` for samples; or leave it out."""

    code: ClassVar[str] = "invalid_interval"
    status: ClassVar[int] = 422


class LocalDaysOnlyError(RtsError):
    """`time_zone` is for intervals of whole days, such as 1d or 7d."""

    code: ClassVar[str] = "local_days_only"
    status: ClassVar[int] = 422


class TooManyPointsError(RtsError):
    """The range has too many points at this interval: use a longer interval or a shorter range."""

    code: ClassVar[str] = "too_many_points"
    status: ClassVar[int] = 422


class UnknownMetricError(RtsError):
    """There is no metric of this name: `details` lists all metrics."""

    code: ClassVar[str] = "unknown_metric"
    status: ClassVar[int] = 422
