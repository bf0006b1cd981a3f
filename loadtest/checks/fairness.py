"""Did others wait because of an attack: their uploads and webhooks beside it against their own without it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg

from alerts.notify.queue import GROUP_WAIT
from loadtest.checks.conservation import QUERIES

MAX_RATIO = 2.0
MIN_UPLOADS = 30  # uploads in each part; with fewer the quantiles are meaningless
JUDGED = ("p50", "p95")
MAX_WAIT_SECONDS = 10.0  # of a message that is due: two passes of the worker


@dataclass(frozen=True, slots=True)
class Messages:
    """Webhooks of the others' alerts: how many were made and sent, and the longest wait (seconds)."""

    made: int
    sent: int
    longest_seconds: float
    why: str = ""  # one of them failed


@dataclass(frozen=True, slots=True)
class Fairness:
    """`ratios`: others' latency from the slot beside the attack by that alone, by quantile."""

    ratios: dict[str, float]
    counts: tuple[int, int]
    messages: dict[str, Messages] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        """Return a sentence for each unfair figure; quantiles of few uploads are not judged."""
        faults = [
            f"others' uploads took {self.ratios[name]:.2f} times as long beside the attack ({name})"
            for name in JUDGED
            if min(self.counts) >= MIN_UPLOADS and self.ratios.get(name, 0) > MAX_RATIO
        ]
        for name, count in self.messages.items():
            why = count.why or "not tried"
            if count.sent < count.made:
                faults.append(
                    f"{count.made - count.sent} of {count.made} webhooks of others were not sent ({name}): {why}"
                )
            if count.longest_seconds > MAX_WAIT_SECONDS:
                faults.append(f"a webhook of others waited {count.longest_seconds:.1f} s ({name})")
        return faults

    def as_json(self) -> dict[str, Any]:
        """Return it for the result file."""
        messages = {name: asdict(count) for name, count in self.messages.items()}
        return {"ratios": self.ratios, "counts": list(self.counts), "webhooks_of_others": messages}


def compare(uploads: Mapping[str, Any], alone: str, beside: str) -> Fairness | None:
    """Return the ratios of two groups of uploads; None where one of them has none."""
    first, second = (uploads.get(name, {}).get("from_slot_ms", {}) for name in (alone, beside))
    if not first or not second:
        return None
    ratios = {name: round(second[name] / first[name], 2) for name in ("p50", "p95", "p99", "max")}
    return Fairness(ratios, (first["count"], second["count"]))


async def read_messages(connection: asyncpg.Connection, prompt: str, end: float) -> dict[str, Messages]:
    """Return what became of the webhooks of the address `prompt`, by the last part of their path.

    `end` is Unix seconds; uploads that were due shortly before it are left out.
    """
    until = datetime.fromtimestamp(end - MAX_WAIT_SECONDS, UTC)
    rows = await connection.fetch(*QUERIES.bind("count_messages", prompt=f"{prompt}/%", gather=GROUP_WAIT, until=until))
    return {
        row["recipient"].rpartition("/")[2]: Messages(row["made"], row["sent"], row["longest"], row["why"])
        for row in rows
    }
