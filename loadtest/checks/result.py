"""The result of a run: put together from outcome and checks, written as JSON, and judged."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from loadtest.checks import rollups as rollup_check
from loadtest.checks.conservation import Conservation
from loadtest.checks.rollups import LevelCheck
from loadtest.checks.webhooks import WebhookCheck
from loadtest.fleet.scenarios import ALONE, ATTACKED
from loadtest.plan import LoadSettings

RESULTS = Path(__file__).parents[1] / "results"
REPORTS = Path(__file__).parents[1] / "reports"
# Beyond these the generator, not the server, may be what the figures show.
LATE_MS, BUSY_SHARE = 100.0, 0.9
FAIR_RATIO = 2.0  # of the others' latency during the attacks to that before


@dataclass(frozen=True, slots=True)
class Result:
    """All that a run found; `as_json` is what is kept."""

    settings: LoadSettings
    kind: str  # `embedded` or `server`
    machine: dict[str, Any]
    outcome: dict[str, Any]
    conservation: Conservation
    rollups: Sequence[LevelCheck]
    webhooks: WebhookCheck = field(default_factory=WebhookCheck)

    @property
    def faults(self) -> list[str]:
        """What doesn't hold, in sentences; empty when all does."""
        faults = [str(fault) for fault in self.conservation.faults]
        if not self.conservation.totals["sent"]:
            faults.append("no sample was sent: there is nothing to check")
        faults += [
            f"{level.differing} of {level.buckets} buckets of level {level.level} differ from the raw samples"
            for level in self.rollups
            if level.differing
        ]
        return faults + self.webhooks.faults

    @property
    def fairness(self) -> dict[str, float]:
        """How many times as long the other tenants wait during the attacks as alone, by quantile; else empty."""
        uploads = self.outcome["measures"]["uploads"]
        alone, attacked = (uploads.get(group, {}).get("from_slot_ms", {}) for group in (ALONE, ATTACKED))
        return {
            name: round(attacked[name] / alone[name], 2)
            for name in ("p50", "p95")
            if alone.get(name) and name in attacked
        }

    @property
    def doubts(self) -> list[str]:
        """Why the figures may say more of the generator than of the server."""
        doubts = []
        late = self.outcome["measures"]["lateness_ms"].get("p99", 0)
        if late > LATE_MS:
            doubts.append(f"the generator sent late: p99 {late} ms after the slot")
        if self.outcome["generator_cpu_share"] > BUSY_SHARE:
            doubts.append(f"the generator used {self.outcome['generator_cpu_share']:.0%} of its core")
        if max(self.fairness.values(), default=0) > FAIR_RATIO:
            doubts.append(f"the other tenants wait more than {FAIR_RATIO:g} times as long during the attacks")
        return doubts

    def as_json(self) -> dict[str, Any]:
        """Return the result with its settings inside."""
        outcome, measures = self.outcome, self.outcome["measures"]
        took = outcome["took_seconds"]
        return {
            "scenario": self.settings.scenario, "started_at": outcome["started_at"],
            "settings": msgspec.to_builtins(self.settings) | {"tenants": self.settings.tenants},
            "machine": self.machine | {"database": self.kind},
            "took_seconds": took,
            "uploads_per_second": round(measures["uploads_from_slot_ms"]["count"] / took, 2) if took else 0,
            "samples_per_second": round(self.conservation.totals["rows"] / took, 1) if took else 0,
            **measures,
            "generator": {"cpu_share": outcome["generator_cpu_share"], "doubts": self.doubts},
            "cpu_shares": outcome["cpu_shares"], "machine_busy": outcome["machine_busy"],
            "fairness": self.fairness, "webhooks": self.webhooks.as_json(),
            "conservation": self.conservation.as_json(), "rollups": rollup_check.as_json(self.rollups),
        }  # fmt: skip

    def save(self, directory: Path) -> Path:
        """Write `<scenario>-<kind>.json`."""
        directory.mkdir(exist_ok=True)
        path = directory / f"{self.settings.scenario}-{self.kind}.json"
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n")
        return path


def exit_status(result: Result) -> int:
    """Return 0 when everything holds, 1 when something doesn't."""
    return 1 if result.faults else 0
