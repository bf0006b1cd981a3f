"""A few numbers that describe many durations."""

import statistics
from collections.abc import Sequence
from typing import Any


def spread_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Return median, 10th, 90th and 99th percentile of durations in seconds, as milliseconds."""
    return {name: round(1000 * percentile(seconds, share), 2) for name, share in SHARES.items()}


SHARES = {"p50": 0.5, "p10": 0.1, "p90": 0.9, "p99": 0.99}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of the values don't exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ratios(measured: Sequence[float], bare: Sequence[float]) -> dict[str, Any]:
    """Return the ratio of the medians, and the least and largest of the ratios round by round."""
    each = [one / other for one, other in zip(measured, bare, strict=True)]
    return {
        "median": round(statistics.median(measured) / statistics.median(bare), 3),
        "p10": round(percentile(each, 0.1), 3),
        "p90": round(percentile(each, 0.9), 3),
    }
