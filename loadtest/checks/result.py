"""The result of a run: put together from outcome and checks, written as JSON, and judged."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from loadtest.checks import rollups as rollup_check
from loadtest.checks.conservation import Conservation
from loadtest.checks.fairness import Fairness
from loadtest.checks.rollups import LevelCheck
from loadtest.plan import LoadSettings

RESULTS = Path(__file__).parents[1] / "results"
REPORTS = Path(__file__).parents[1] / "reports"
# Beyond these the generator, not the server, may be what the figures show.
LATE_MS, BUSY_SHARE = 100.0, 0.9


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The results of a run; `as_json` is the stored form."""

    settings: LoadSettings
    kind: str  # `embedded` or `server`
    machine: dict[str, Any]
    outcome: dict[str, Any]
    conservation: Conservation
    rollups: Sequence[LevelCheck]
    fairness: Fairness | None = None  # of a scenario that attacks

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
        return faults + (self.fairness.faults if self.fairness else [])

    @property
    def doubts(self) -> list[str]:
        """Reasons why the figures may measure the generator rather than the server."""
        doubts = []
        late = self.outcome["measures"]["lateness_ms"].get("p99", 0)
        if late > LATE_MS:
            doubts.append(f"the generator sent late: p99 {late} ms after the slot")
        if self.outcome["generator_cpu_share"] > BUSY_SHARE:
            doubts.append(f"the generator used {self.outcome['generator_cpu_share']:.0%} of its core")
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
            "conservation": self.conservation.as_json(), "rollups": rollup_check.as_json(self.rollups),
        } | self.of_attack()  # fmt: skip

    def of_attack(self) -> dict[str, Any]:
        """Return what came of an attack; empty without one."""
        if not self.fairness:
            return {}
        return {"fairness": self.fairness.as_json(), "attacks": self.outcome["attacks"]["answers"]}

    def save(self, directory: Path) -> Path:
        """Write `<label>-<kind>.json`."""
        directory.mkdir(exist_ok=True)
        path = directory / f"{self.settings.label}-{self.kind}.json"
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n")
        return path


def exit_status(result: LoadResult) -> int:
    """Return 0 when everything holds, 1 when something doesn't."""
    return 1 if result.faults else 0
