"""A simulated agent as a Locust user: uploads and heartbeats at absolute slots, retried as a real agent does."""

from random import Random
from typing import Any

import gevent
from locust import FastHttpUser, task
from locust.exception import StopUser

from core.clock import utc_now
from loadtest.fleet.calls import Answer, call, send_and_hang_up
from loadtest.fleet.payloads import Payload
from loadtest.fleet.slots import heartbeat_slots
from loadtest.plan import Member
from loadtest.state import Stage

FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS, GROWTH, JITTER = 5.0, 30.0, 1.5, 0.25  # docs/agent-protocol.md
TRY_AGAIN = (0, 429, 502, 503, 504)
# How an answer is dropped: the connection ends when it begins to arrive, and then the upload is sent again; or seconds
# after the upload, while it is being sent again.
HANG_UPS = (None, 0.0, None, 0.05)


class AgentUser(FastHttpUser):
    """Plays the next agent of the plan."""

    abstract = True
    network_timeout = 30.0
    connection_timeout = 30.0
    stage: Stage  # set by the locustfile

    member: Member
    random: Random

    def on_start(self) -> None:
        """Become an agent; a user more than there are agents stops."""
        member = self.stage.join()
        if member is None:
            raise StopUser
        self.member = member
        self.random = Random(f"{self.stage.plan.settings.seed} {member.number}")  # noqa: S311  a simulation
        self.account = self.stage.accounts[member.number]
        self.headers = {"Authorization": f"Bearer {member.token}", "Content-Type": "application/json"}
        self.heart = gevent.spawn(self.beat)

    def on_stop(self) -> None:
        """Give the agent back."""
        if hasattr(self, "member"):
            self.heart.kill()
            self.stage.leave(self.member)

    @task
    def live(self) -> None:
        """Send every upload in its slot, then wait for the last heartbeat."""
        for due in self.stage.dues[self.member.number]:
            self.sleep_until(due.offset)
            self.deliver(due.make(self.stage.start), due.offset)
        self.heart.join()
        raise StopUser

    def sleep_until(self, offset: float) -> None:
        """Wait for a slot; how late this process woke is its own lateness, a slot that has passed is the server's."""
        wait = offset - self.stage.now()
        if wait > 0:
            gevent.sleep(wait)
            self.stage.measures.lateness.append(1000 * (self.stage.now() - offset))

    def deliver(self, payload: Payload, due: float) -> None:
        """Send an upload until it has been answered for good."""
        self.account.waiting += payload.size
        if self.stage.scenario.answers_dropped:
            self.drop_answer(payload)
        retry = FIRST_RETRY_SECONDS
        while True:
            sent = self.stage.now()
            answer = self.send(payload, due, sent)
            if answer.status not in TRY_AGAIN:
                break
            gevent.sleep(answer.retry_after or retry * (1 + JITTER * self.random.uniform(-1, 1)))
            retry = min(LAST_RETRY_SECONDS, retry * GROWTH)
        self.account.waiting -= payload.size
        self.stage.measures.add_upload(self.group_of(due), due, sent, self.stage.now())

    def send(self, payload: Payload, due: float, sent: float) -> Answer:
        """Send an upload once and count what came of it."""
        name, headers = f"upload ({self.group_of(due)})", self.headers_of(payload)
        answer = call(self.client, "POST", self.path_of(payload), name, headers, payload.body, sent - due)
        if answer.status == 200:
            self.account.receive(payload, answer.content)
        elif answer.status not in TRY_AGAIN:
            self.account.refuse(payload, answer.text)
        else:
            counter = self.stage.measures.waits if answer.status else self.stage.measures.lost
            counter[f"upload {answer.text}"] += 1
            if answer.status != 429:
                self.account.lose(payload)
        return answer

    def drop_answer(self, payload: Payload) -> None:
        """Send an upload without reading the answer."""
        wait = HANG_UPS[(self.member.number + self.stage.measures.dropped) % len(HANG_UPS)]
        self.stage.measures.dropped += 1
        self.account.lose(payload)
        line = gevent.spawn(
            send_and_hang_up, str(self.host), self.path_of(payload), self.headers_of(payload), payload.body, wait
        )
        if wait is None:
            line.join()

    def beat(self) -> None:
        """Send heartbeats in their slots; one that fails isn't sent again, the next comes soon."""
        settings = self.stage.plan.settings
        path = f"/api/agents/{self.member.agent_id}/heartbeat"
        for offset in heartbeat_slots(self.member.number, settings.agents, settings.intervals, settings.seconds):
            self.sleep_until(offset)
            sent = self.stage.now()
            body = b'{"timestamp": "%s", "status": "online"}' % utc_now().isoformat().encode()
            answer = call(self.client, "POST", path, "heartbeat", self.headers, body, sent - offset)
            if answer.status == 200:
                self.stage.measures.heartbeats.add(offset, sent, self.stage.now())
            else:
                self.stage.measures.failures[f"heartbeat {answer.text}"] += 1

    def group_of(self, due: float) -> str:
        """Return with whom the latency of an upload is reported that was due at `due` seconds."""
        return self.stage.scenario.group(self.stage.plan.settings, self.member, due)

    def path_of(self, payload: Payload) -> str:
        """Return where an upload goes."""
        return f"/api/agents/{payload.path or self.member.agent_id}/metrics"

    def headers_of(self, payload: Payload) -> dict[str, Any]:
        """Return the headers of an upload."""
        headers = dict(self.headers)
        if payload.encoding:
            headers["Content-Encoding"] = payload.encoding
        if payload.token:
            headers["Authorization"] = f"Bearer {payload.token}"
        return headers
