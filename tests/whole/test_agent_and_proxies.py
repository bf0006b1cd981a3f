"""The agent behind a proxy that answers in its own words: no sample is lost, and the agent goes on."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from agent.client import Identity, RefusedError, Uplink, register, server_address
from agent.run import AgentLoop
from agent.state import save_identity
from agent.store import AgentStore

RECEIPT = '{"received": 2, "accepted": 2, "duplicates": 0, "rejected": [], "alerts_triggered": []}'
ERROR = '{"error": {"code": "%s", "message": "m", "details": null}}'


class Proxy(BaseHTTPRequestHandler):
    """Answers every request with what the test put into `answers`; with 413 where it has over `most` samples."""

    answers: tuple[int, dict[str, str], str]
    most = 1000
    received: ClassVar[list[int]] = []  # the numbers of the samples that were taken

    def do_POST(self) -> None:
        status, headers, body = self.answers
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        content = gzip.decompress(sent) if self.headers["Content-Encoding"] == "gzip" else sent
        samples = json.loads(content).get("metrics", [])
        if len(samples) > self.most:
            status, body = 413, ERROR % "body_too_large"
        else:
            self.received.extend(sample["number"] for sample in samples if "number" in sample)
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def uplink(address: str) -> Iterator[Uplink]:
    agent_uplink = Uplink(address, Identity("00000000-0000-0000-0000-000000000001", "token", 300, 300), AgentStore())
    agent_uplink.add({"collected_at": "2026-05-03T14:05:00Z"})
    agent_uplink.add({"collected_at": "2026-05-03T14:10:00Z"})
    yield agent_uplink
    agent_uplink.close()


@pytest.mark.parametrize(
    "answer",
    [
        (308, {"Location": "https://elsewhere.example/"}, ""),
        (200, {"Content-Type": "text/html"}, "<html>Please log in</html>"),
        (404, {}, "<html>not here</html>"),
        (408, {}, ""),
        (403, {}, "<html>blocked</html>"),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, ""),
        (503, {"Retry-After": "7"}, ERROR % "ingest_busy"),
        (429, {}, ""),
    ],
    ids=lambda answer: f"{answer[0]}",
)
def test_samples_are_kept_until_our_server_has_them(uplink: Uplink, answer: tuple[int, dict[str, str], str]) -> None:
    Proxy.answers = answer
    _, hold_back = uplink.upload()
    assert uplink.waiting == 2
    assert hold_back == (7 if answer[1].get("Retry-After") == "7" else 5)


@pytest.mark.parametrize(
    "answer", [(200, {}, RECEIPT), (413, {}, ERROR % "body_too_large")], ids=["taken", "is_refused"]
)
def test_samples_are_given_up_when_they_are_stored_or_hopeless(
    uplink: Uplink, answer: tuple[int, dict[str, str], str]
) -> None:
    Proxy.answers = answer
    _, hold_back = uplink.upload()
    assert (uplink.waiting, hold_back) == (0, 0)


def test_a_revoked_agent_stops_and_keeps_its_samples(uplink: Uplink) -> None:
    Proxy.answers = (401, {}, ERROR % "token_revoked")
    with pytest.raises(RefusedError, match="token_revoked"):
        uplink.upload()
    assert uplink.waiting == 2


def test_registering_at_something_else_is_refused_with_its_answer(address: str) -> None:
    Proxy.answers = (200, {}, "<html>Please log in</html>")
    with pytest.raises(RefusedError):
        register(address, "AGT-7KQ2-M9XD-P4TR", {})


def test_a_new_token_that_cannot_be_kept_is_not_used(address: str, caplog: pytest.LogCaptureFixture) -> None:
    Proxy.answers = (200, {}, '{"agent_token": "new", "rotate_token": true, "config": {"metrics_interval_seconds": 9}}')
    identity = Identity("00000000-0000-0000-0000-000000000001", "token", 300, 300)
    nowhere = Path("/proc/nothing/agent.json")
    loop = AgentLoop(
        address, identity, None, threading.Event(), lambda new: save_identity(new, nowhere), AgentStore()
    )  # fmt: skip
    loop._send_heartbeat()
    assert loop.uplink._http.headers["Authorization"] == "Bearer token"
    assert "the state file cannot be written" in caplog.text
    loop.uplink.close()


def test_a_slash_behind_the_address_of_the_server_changes_nothing() -> None:
    assert server_address("https://agents.example/") == "https://agents.example"
    assert server_address("HTTP://127.0.0.1:3002/monitoring//") == "HTTP://127.0.0.1:3002/monitoring"


@pytest.mark.parametrize("text", ["127.0.0.1:3002", "agents.example", "", "ftp://agents.example"])
def test_an_address_that_no_agent_can_call_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(RefusedError, match="begins with http"):
        server_address(text)


def test_samples_that_are_too_large_for_one_upload_are_split(uplink: Uplink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Proxy, "most", 3)
    monkeypatch.setattr(Proxy, "received", [])
    Proxy.answers = (200, {}, RECEIPT)
    for number in range(20):
        uplink.add({"collected_at": "2026-05-03T14:15:00Z", "number": number})
    _, hold_back = uplink.upload()
    assert (uplink.waiting, hold_back) == (0, 0)
    assert Proxy.received == list(range(20))
