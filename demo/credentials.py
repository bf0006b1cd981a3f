"""`.demo/credentials.json`: who can call what in the demo, so that anyone can continue with curl. Mode 600."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class DemoAgent:
    """A simulated device's identity."""

    agent_id: str
    agent_token: str
    device_name: str


@dataclass(slots=True)
class DemoTenant:
    """A business, a token of one of its users, and its devices."""

    id: str
    name: str
    user_token: str
    agents: list[DemoAgent] = field(default_factory=list)


@dataclass(slots=True)
class Credentials:
    """The file's content.

    `this_machine` is the agent_id of the real agent, `loaded_until` how far the simulated history is uploaded.
    """

    base_url: str
    employee_token: str
    businesses: list[DemoTenant]
    began: str
    this_machine: str | None = None
    loaded_until: str | None = None

    def save(self, path: Path) -> None:
        """Write the file, readable by its owner only."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(asdict(self), file, indent=2)


def load_agents(path: Path) -> tuple[dict[str, list[DemoAgent]], dict[str, Any]]:
    """Return the devices of an earlier run by business id, and the rest of its file; empty without one."""
    if not path.exists():
        return {}, {}
    content = json.loads(path.read_text())
    agents = {entry["id"]: [DemoAgent(**agent) for agent in entry["agents"]] for entry in content["businesses"]}
    return agents, content
