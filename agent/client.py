"""The agent's side of the HTTP API: register, upload, heartbeat; keeps samples until the server has stored them."""

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import httpx

from agent.store import AgentStore

TIMEOUT_SECONDS = 30.0
MAX_PER_UPLOAD = 1_000
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 5.0, 30.0
GZIP_ABOVE_BYTES = 1_000
TOO_LARGE = 413
REFUSED_STATUSES = (400, 413, 415, 422)  # a retry of the same body cannot succeed

Batch = list[tuple[int, dict[str, Any]]]  # samples with their ids in the store, oldest first


class RefusedError(Exception):
    """The server refused this agent: register it again."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The agent's identity, from /register."""

    agent_id: str
    agent_token: str
    metrics_interval_seconds: float
    heartbeat_interval_seconds: float
    websocket_url: str = ""


def server_address(text: str) -> str:
    """Return the address of a server without slashes at its end; raises RefusedError unless it is one of HTTP."""
    if not text.lower().startswith(("http://", "https://")):
        raise RefusedError(f"{text!r} is no address of a server: it begins with http:// or https://")
    return text.rstrip("/")


def register(server: str, token: str, machine: dict[str, Any]) -> Identity:
    """Spend a registration token; raises RefusedError with the server's reason."""
    facts = machine | {"token": token, "agent_version": version("rts-agent-monitoring")}
    try:
        response = httpx.post(f"{server}/api/agents/register", json=facts, timeout=TIMEOUT_SECONDS)
    except httpx.TransportError as error:
        raise RefusedError(f"no server answers at {server}: {error}") from error
    answer = parse_json(response)
    if response.status_code != 200 or "agent_token" not in answer:
        raise RefusedError(reason(response))
    config = answer["config"]
    return Identity(
        answer["agent_id"], answer["agent_token"],
        config["metrics_interval_seconds"], config["heartbeat_interval_seconds"], config["websocket_url"],
    )  # fmt: skip


class Uplink:
    """Samples on their way to the server: kept in the store until the server has committed them."""

    def __init__(self, server: str, identity: Identity, store: AgentStore) -> None:
        headers = {"Authorization": f"Bearer {identity.agent_token}"}
        self._http = httpx.Client(
            base_url=f"{server}/api/agents/{identity.agent_id}", headers=headers, timeout=TIMEOUT_SECONDS
        )
        self._retry_seconds = FIRST_RETRY_SECONDS
        self.store = store

    @property
    def waiting(self) -> int:
        """The number of samples that wait for an upload."""
        return self.store.count_samples()

    def add(self, sample: dict[str, Any]) -> None:
        """Keep a sample for the next upload."""
        self.store.add_sample(sample)

    def upload(self) -> tuple[str, float]:
        """Send the oldest samples; return the outcome as a line, and the seconds to wait before the next try (0: none).

        Raises RefusedError if the token is no longer valid.
        """
        return self._send(self.store.oldest_samples(MAX_PER_UPLOAD))

    def _send(self, batch: Batch) -> tuple[str, float]:
        """Send samples, in halves if they are too large for one upload."""
        try:
            response = self.post("/metrics", {"metrics": [sample for _, sample in batch]})
        except httpx.TransportError as error:
            return f"server unavailable: {error}", self._next_retry()
        if response.status_code == TOO_LARGE and "error" in parse_json(response) and len(batch) > 1:
            outcome, hold_back = self._send(batch[: len(batch) // 2])
            return (outcome, hold_back) if hold_back else self._send(batch[len(batch) // 2 :])
        return self._outcome(response, batch[-1][0])

    def _outcome(self, response: httpx.Response, last_id: int) -> tuple[str, float]:
        """Drop a batch only when the server itself, not a proxy, has stored or finally refused it."""
        answer = parse_json(response)
        if response.status_code in (401, 403) and "error" in answer:
            raise RefusedError(reason(response))
        is_accepted = response.status_code == 200 and "accepted" in answer
        if not is_accepted and not (response.status_code in REFUSED_STATUSES and "error" in answer):
            return reason(response), parse_retry_after(response.headers.get("Retry-After")) or self._next_retry()
        self.store.drop_samples(last_id)
        self._retry_seconds = FIRST_RETRY_SECONDS
        return summary(answer) if is_accepted else reason(response), 0.0

    def heartbeat(self) -> dict[str, Any]:
        """Send a heartbeat and return the server's answer; {} if the server can't be reached."""
        body = {"timestamp": datetime.now(UTC).isoformat(), "agent_version": version("rts-agent-monitoring")}
        try:
            response = self.post("/heartbeat", body)
        except httpx.TransportError:
            return {}
        answer = parse_json(response)
        if response.status_code in (401, 403) and "error" in answer:
            raise RefusedError(reason(response))
        return answer if response.status_code == 200 else {}

    def rotate(self) -> str | None:
        """Request a new token and return it; None without an answer: then the old one stays valid."""
        try:
            token = parse_json(self.post("/token/rotate", {})).get("agent_token")
        except httpx.TransportError:
            return None
        return token if isinstance(token, str) else None

    def use(self, token: str) -> None:
        """Call with this token from now on."""
        self._http.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str) -> httpx.Response:
        """GET below this agent's own address."""
        return self._http.get(path)

    def close(self) -> None:
        """Close the HTTP connections; the store stays open."""
        self._http.close()

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """POST below this agent's own address; a large upload is packed."""
        content = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if path == "/metrics" and len(content) > GZIP_ABOVE_BYTES:
            content, headers["Content-Encoding"] = gzip.compress(content), "gzip"
        return self._http.post(path, content=content, headers=headers)

    def _next_retry(self) -> float:
        seconds = self._retry_seconds
        self._retry_seconds = min(LAST_RETRY_SECONDS, seconds * 1.5)
        return seconds


def parse_json(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON object of an answer, {} for any other body: a proxy may answer in HTML."""
    try:
        parsed = response.json()
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def parse_retry_after(retry_after: str | None) -> float:
    """Return a Retry-After in seconds, 0 where there is none or it is a date."""
    return float(retry_after) if retry_after and retry_after.isdigit() else 0.0


def reason(response: httpx.Response) -> str:
    """Return an error answer as one line."""
    error = parse_json(response).get("error")
    if isinstance(error, dict):
        return f"{response.status_code} {error.get('code')}: {error.get('message')}"
    return f"{response.status_code} {response.reason_phrase}"


def summary(receipt: dict[str, Any]) -> str:
    """Return the counts of a receipt as one line for the log."""
    line = f"accepted {receipt['accepted']}, duplicates {receipt['duplicates']}"
    return line + (f", rejected {receipt['rejected']}" if receipt["rejected"] else "")
