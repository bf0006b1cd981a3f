"""The plan of a run: its settings, who takes part, and where; one JSON file that the generator reads."""

from pathlib import Path
from typing import Literal

import msgspec

PLAN_VARIABLE = "RTS_LOAD_PLAN"  # where the generator finds the file
AGENTS_PER_TENANT, MIN_TENANTS = 50, 3
POISONED = 0  # the hostile tenant of poison-tenant

ScenarioName = Literal[
    "steady", "reconnect-storm", "laptop-return", "retry-storm", "clock-chaos", "poison-tenant", "database-pause"
]
PauseName = Literal["cut", "freeze"]  # connections are broken and refused; or they stay open, but nothing passes


class LoadSettings(msgspec.Struct, kw_only=True, frozen=True):
    """The settings of a run, which its result repeats. Times in seconds."""

    scenario: ScenarioName = "steady"
    agents: int = 500
    seconds: float = 60  # how long uploads, heartbeats and reads are due
    intervals: tuple[float, ...] = (60, 300)  # of uploads and heartbeats; the agents take turns with them
    dashboards: int = 10  # people who look at charts
    dashboard_interval: float = 2  # each of them reads something this often
    backlog_hours: float = 24  # of reconnect-storm
    backlog_days: float = 21  # of laptop-return
    laptop_every: int = 10  # laptop-return: each so-manieth agent was away
    poison_interval: float = 1  # poison-tenant: each of its agents sends something hostile this often
    alone_share: float = 0.5  # poison-tenant: share of `seconds` in which the others are alone, to compare with
    attackers: int = 100  # poison-tenant: devices that send as much as they may
    pause_after: float = 5  # database-pause: when it begins
    pause: float = 60  # … and how long it lasts
    pause_how: PauseName = "cut"
    processes: int = 1  # of the server, where it is the run's own
    drain: float = 180  # how long after the last slot retries may continue
    seed: int = 1

    @property
    def tenants(self) -> int:
        """How many businesses the agents belong to, in turn."""
        return max(MIN_TENANTS, self.agents // AGENTS_PER_TENANT)

    @property
    def label(self) -> str:
        """The scenario's name, with the number of server processes where there are several."""
        return self.scenario if self.processes == 1 else f"{self.scenario}-{self.processes}-processes"

    @property
    def alone_seconds(self) -> float:
        """How long the others are alone in poison-tenant."""
        return self.alone_share * self.seconds


class Member(msgspec.Struct, frozen=True):
    """A simulated agent: registered, with its own token."""

    number: int
    name: str
    agent_id: str
    token: str
    tenant: int


class Viewer(msgspec.Struct, frozen=True):
    """A person with a dashboard: a user of a business, or an employee."""

    token: str
    live: list[str]  # agent ids of devices that upload
    charted: list[str]  # … and of devices with a week of history


class LoadPlan(msgspec.Struct, frozen=True):
    """All that the generator needs."""

    settings: LoadSettings
    host: str
    base: float  # Unix seconds, a whole minute before the start: backlogs end before it
    members: list[Member]
    viewers: list[Viewer]
    outcome: str  # the file for the accounts and measurements
    attackers: list[Member] = []  # devices of tenant 0 that attack beside the generator
    employee: str = ""  # a token that may make alert rules
    businesses: list[str] = []  # ids by tenant

    def save(self, path: Path) -> None:
        """Write the file; it holds tokens, so only its owner may read it."""
        path.touch(mode=0o600)
        path.write_bytes(msgspec.json.encode(self))


def load_plan(path: Path) -> LoadPlan:
    return msgspec.json.decode(path.read_bytes(), type=LoadPlan)
