"""Reads the subject of a stored condition defensively: another program may have written it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from alerts.rules.conditions import as_list, kind_of

Kind = Literal[
    "metric", "no_data", "offline", "service", "change", "forecast", "baseline", "series", "series_change",
    "series_forecast", "series_baseline", "all", "any",
]  # fmt: skip
MAX_NESTING = 50


@dataclass(frozen=True, slots=True)
class RuleSubject:
    """The kind of a condition (None: it cannot be read) and the metrics that it compares, in their order."""

    kind: Kind | None
    metrics: list[str]


def subject_of(conditions: str) -> RuleSubject:
    """Return the kind and the metrics of the JSON text of a rule's condition."""
    document = json.loads(conditions)
    if not isinstance(document, dict) or not document:
        return RuleSubject(None, [])
    return RuleSubject(cast("Kind", kind_of(document)), list(dict.fromkeys(metrics_in(document))))


def metrics_in(value: Any, limit: int = MAX_NESTING) -> Iterator[str]:
    """Yield the metrics of a condition and of those in its `all` and `any`."""
    metric = value.get("metric") if isinstance(value, dict) else None
    if isinstance(metric, str):
        yield metric
    if limit:
        for inner in (*as_list(value, "all"), *as_list(value, "any")):
            yield from metrics_in(inner, limit - 1)
