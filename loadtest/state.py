"""The state of a run inside the generator: plan, clock, accounts, measurements, and who still has something to send."""

import heapq
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil

from loadtest.checks.accounting import Account
from loadtest.checks.measures import Measures
from loadtest.fleet.payloads import Due
from loadtest.fleet.scenarios import SCENARIOS
from loadtest.plan import PLAN_VARIABLE, LoadPlan, Member, load_plan

LEAD_SECONDS = 2.0  # between Locust's start and the first slot, so that all agents are there
LEAD_PER_AGENT = 0.001


class Stage:
    """One for a process; the slots begin again at each `begin` (Locust's page can start several runs)."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.scenario = SCENARIOS[plan.settings.scenario]
        self.accounts = {member.number: Account() for member in plan.members}
        self.measures = Measures()
        self.dues: dict[int, list[Due]] = {
            member.number: list(self.scenario.dues(plan, member)) for member in plan.members
        }
        self.start = 0.0  # Unix seconds
        self.playing = 0  # agents that haven't sent all
        self._zero = 0.0
        self._free = [member.number for member in plan.members]
        self._cpu: dict[str, float] = {}
        self._process = psutil.Process()

    def begin(self) -> None:
        """Set the start, from which slots count, a moment ahead."""
        lead = LEAD_SECONDS + LEAD_PER_AGENT * len(self.plan.members)
        self._zero = time.perf_counter() + lead
        self.start = time.time() + lead
        self._cpu = {"cpu": self.cpu_seconds(), "at": time.perf_counter()}

    def now(self) -> float:
        """Return the seconds since the start; negative before it."""
        return time.perf_counter() - self._zero

    def over(self) -> bool:
        """Return whether the last slot has passed."""
        return self.now() > self.plan.settings.seconds

    def join(self) -> Member | None:
        """Return an agent that no user simulates yet, None if all are taken."""
        if not self._free:
            return None
        self.playing += 1
        return self.plan.members[heapq.heappop(self._free)]

    def leave(self, member: Member) -> None:
        """Mark an agent as done: it has sent all, or is stopped."""
        self.playing -= 1
        heapq.heappush(self._free, member.number)

    def cpu_seconds(self) -> float:
        """Return the CPU time of this process."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def cpu_share(self) -> float:
        """Return the share of one core that this process has used since `begin`."""
        took = time.perf_counter() - self._cpu["at"]
        return round((self.cpu_seconds() - self._cpu["cpu"]) / took, 3) if took > 1 else 0.0

    def progress(self) -> dict[str, Any]:
        """Return how far it is, for the progress line."""
        return {
            "elapsed": self.now(), "playing": self.playing, "uploads": self.measures.settled(),
            "waiting": sum(account.waiting for account in self.accounts.values()),
            "waits": sum(self.measures.waits.values()), "cpu": self.cpu_share(),
        }  # fmt: skip

    def write_outcome(self) -> None:
        """Write accounts and measurements for the process that started this one."""
        members = {
            member.number: {"name": member.name, "agent_id": member.agent_id, "tenant": member.tenant}
            for member in self.plan.members
        }
        outcome = {
            "start": self.start, "took_seconds": round(self.measures.last, 2),
            "generator_cpu_share": self.cpu_share(),
            "measures": self.measures.close(),
            "accounts": [members[number] | account.close() for number, account in self.accounts.items()],
        }  # fmt: skip
        Path(self.plan.outcome).write_bytes(msgspec.json.encode(outcome))


class NoPlanError(Exception):
    """The locustfile needs a plan: start it by `python -m loadtest.run --web`, which makes one."""


def make_stage() -> Stage:
    """Read the plan that the environment names, and pack what can be packed before the start."""
    path = os.environ.get(PLAN_VARIABLE)
    if not path:
        raise NoPlanError(NoPlanError.__doc__)
    return Stage(load_plan(Path(path)))
