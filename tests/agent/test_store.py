"""What the agent keeps on disk: it survives `kill -9`, stays bounded, and runs no command twice."""

import json
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import store as store_module
from agent.client import Identity, Uplink
from agent.commands import Commands, Outcome
from agent.store import AgentStore

WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from agent.store import AgentStore
store = AgentStore(Path(sys.argv[1]))
for number in range(50):
    store.add_sample({"number": number})
store.drop_samples(10)
store.begin_command("finished", "2026-05-03T14:05:00+00:00")
store.finish_command("finished", {"status": "completed"})
store.begin_command("interrupted", "2026-05-03T14:06:00+00:00")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The file of an agent that was killed in the middle of a command."""
    file = tmp_path / "agent.queue"
    ended = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(file)], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    return file


def test_samples_survive_a_kill_in_their_order(killed: Path) -> None:
    store = AgentStore(killed)
    assert [sample["number"] for _, sample in store.oldest_samples(1000)] == list(range(10, 50))
    store.close()


def test_the_file_is_readable_by_its_owner_only(killed: Path) -> None:
    assert stat.S_IMODE(killed.stat().st_mode) == 0o600


def test_a_command_that_was_interrupted_fails_and_is_not_run_again(killed: Path) -> None:
    uplink = Uplink("http://127.0.0.1:9", Identity("an-agent", "token", 300, 300), AgentStore(killed))
    runs: list[dict[str, Any]] = []

    def action(params: dict[str, Any]) -> Outcome:
        runs.append(params)
        return Outcome()

    commands = Commands(uplink, {"collect_now": action})
    commands.report_interrupted()
    for command_id in ("finished", "interrupted"):
        commands.run({"command_id": command_id, "command_type": "collect_now"})
    assert runs == []
    results = take_results(uplink.store)
    assert [(command_id, result["status"]) for command_id, result in results] == [
        ("finished", "completed"), ("interrupted", "failed"),
    ]  # fmt: skip
    assert results[1][1]["started_at"] == "2026-05-03T14:06:00+00:00"
    assert "stopped while this command was running" in results[1][1]["error_message"]
    uplink.close()
    uplink.store.close()


def take_results(store: AgentStore) -> list[tuple[str, dict[str, Any]]]:
    """Return the results that wait, as if the server took each of them."""
    taken = []
    while waiting := store.next_result():
        taken.append(waiting)
        store.drop_result(waiting[0])
    return taken


def test_a_full_queue_drops_its_oldest_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_SAMPLES", 3)
    store = AgentStore()
    for number in range(5):
        store.add_sample({"number": number})
    assert [sample["number"] for _, sample in store.oldest_samples(10)] == [2, 3, 4]


def test_ids_of_undelivered_commands_are_never_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_COMMANDS", 2)
    store = AgentStore()
    store.begin_command("running", "2026-05-03T14:05:00+00:00")
    for number in range(5):
        store.begin_command(str(number), "2026-05-03T14:05:00+00:00")
        store.finish_command(str(number), {})
        store.drop_result(str(number))
    assert store.has_begun("running")
    assert [store.has_begun(str(number)) for number in range(5)] == [False, False, False, True, True]


@given(
    st.lists(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text(), max_size=3), max_size=20)
)
def test_samples_come_back_as_they_were_kept(samples: list[dict[str, Any]]) -> None:
    store = AgentStore()
    for sample in samples:
        store.add_sample(sample)
    assert [sample for _, sample in store.oldest_samples(100)] == json.loads(json.dumps(samples))
    assert store.count_samples() == len(samples)
