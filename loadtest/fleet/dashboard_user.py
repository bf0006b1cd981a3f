"""A person with a dashboard as a Locust user, who reads lists, devices and charts at absolute slots."""

from datetime import timedelta
from itertools import count
from random import Random

import gevent
from locust import FastHttpUser, task
from locust.exception import StopUser

from core.clock import utc_now
from loadtest.fleet.calls import call
from loadtest.fleet.slots import slots
from loadtest.plan import Viewer
from loadtest.state import Stage

CHARTS = {"chart 1 h": timedelta(hours=1), "chart 24 h": timedelta(hours=24), "chart 7 d": timedelta(days=7)}
KINDS = ("list", "device", *CHARTS)


class DashboardUser(FastHttpUser):
    """Plays the next viewer of the plan."""

    abstract = True
    network_timeout = 30.0
    connection_timeout = 30.0
    stage: Stage  # set by the locustfile
    numbers = count()

    def on_start(self) -> None:
        """Become a viewer."""
        viewers = self.stage.plan.viewers
        self.number = next(self.numbers) % len(viewers)
        self.viewer: Viewer = viewers[self.number]
        self.random = Random(f"{self.stage.plan.settings.seed} viewer {self.number}")  # noqa: S311  a simulation

    @task
    def look(self) -> None:
        """Read something in each slot; the kinds take turns."""
        settings = self.stage.plan.settings
        phase = settings.dashboard_interval * self.number / len(self.stage.plan.viewers)
        for turn, offset in enumerate(slots(phase, settings.dashboard_interval, settings.seconds)):
            wait = offset - self.stage.now()
            if wait > 0:
                gevent.sleep(wait)
            self.read(KINDS[(turn + self.number) % len(KINDS)], offset)
        raise StopUser

    def read(self, kind: str, due: float) -> None:
        """Make one call and count it; a failure isn't tried again."""
        sent = self.stage.now()
        headers = {"Authorization": f"Bearer {self.viewer.token}"}
        answer = call(self.client, "GET", self.path_of(kind), kind, headers, None, sent - due)
        if answer.status == 200:
            self.stage.measures.reads[kind].add(due, sent, self.stage.now())
        else:
            self.stage.measures.failures[f"{kind} {answer.text}"] += 1

    def path_of(self, kind: str) -> str:
        """Return the path of a call: the last hour is that of a device that uploads, longer charts have a past."""
        if kind == "list":
            return "/api/agents?limit=50"
        live = kind in ("device", "chart 1 h")
        agent_id = self.random.choice(self.viewer.live if live and self.viewer.live else self.viewer.charted)
        if kind == "device":
            return f"/api/agents/{agent_id}"
        start = (utc_now() - CHARTS[kind]).isoformat().replace("+00:00", "Z")
        query = f"metric=cpu_percent,memory_percent,network_rx_bytes&format=columns&start={start}"
        return f"/api/agents/{agent_id}/metrics/history?{query}"
